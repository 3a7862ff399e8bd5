"""Fine-tuning: the twin is the integer network, before and after training, and training helps."""

from dataclasses import replace

import modules
import networks
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy.emulate import clipped_weights, unit
from spiking_pvae.deploy.fidelity import fidelity
from spiking_pvae.deploy.finetune import FinetuneConfig, finetune
from spiking_pvae.deploy.floatnet import FloatLayer, FloatNetwork, Identity, PoissonRate, Rectify, accumulate
from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, Dense, InputPort, Layer, Network, Readout
from spiking_pvae.deploy.maps import DenseMap
from spiking_pvae.deploy.numerics import BIAS_MANTISSA, MEMBRANE, weight_format
from spiking_pvae.deploy.quantize import QuantizeConfig, quantize
from spiking_pvae.deploy.ranges import ranges
from spiking_pvae.deploy.simulate import runner
from spiking_pvae.deploy.twin import Twin
from spiking_pvae.errors import InputError


def images(shape, seed, samples=60):
    return np.random.default_rng(seed).normal(0.2, 1.0, (samples, *shape)).astype(np.float32)


def assert_twin_is(twin, network, given):
    """Every accumulator and count of the twin equals the integer network's, value for value."""
    messages = network.input.encode(given)
    outputs = runner(network, "reference")(messages, seed=1, first_sample=0, schedule="graded", steps=1)
    flow = torch.from_numpy(messages).float()
    with torch.no_grad():
        for place, (module, output) in enumerate(zip(twin.layers, outputs, strict=True)):
            accumulators = module(flow)
            if place == twin.place:
                rate = twin.rate(accumulators).double().numpy() * 2**twin.neuron.fraction
                assert (rate == output.charge).all()
                flow = torch.from_numpy(output.counts).float()
                continue
            assert (accumulators.double().numpy() == output.charge).all()
            if isinstance(module.layer.neuron, ConstantThreshold):
                flow = twin.counts(module.layer, accumulators)
                assert (flow.double().numpy() == output.counts).all()


@settings(max_examples=15, deadline=None)
@given(
    parts=modules.float_networks(),
    bits=st.sampled_from([2, 4, 6, 8]),
    rounding=st.sampled_from(["nearest", "calibrated"]),
    seed=st.integers(0, 2**32),
)
def test_fine_tuning_ends_in_the_network_it_simulated(parts, bits, rounding, seed):
    source, _, _ = parts
    given_images = images(source.shape, seed)
    network = quantize(source, given_images, QuantizeConfig(weight_bits=bits, rounding=rounding, bias_correction=True))
    twin = Twin(source, network)
    assert_twin_is(twin, network, given_images)
    assert_twin_is(twin, twin.integer(), given_images)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.3)
    generator = torch.Generator().manual_seed(0)
    x = torch.from_numpy(given_images.reshape(len(given_images), -1))
    messages = torch.from_numpy(network.input.encode(given_images)).float()
    twin.release(generator)
    for share in (0.3, 0.7, 1.0):
        twin.settle(share)
        kept = [(module.settled.clone(), module.mantissas().detach()) for module in twin.chain]
        optimizer.zero_grad()
        twin.loss(x, messages, 1.0, generator).backward()
        optimizer.step()
        for module, (settled, mantissas) in zip(twin.chain, kept, strict=True):
            # Settled weights are integers of the format and stay, whatever the optimiser does.
            high = weight_format(bits).high
            assert (mantissas[settled] == mantissas[settled].round().clamp(-high, high)).all()
            assert (module.mantissas()[settled] == mantissas[settled]).all()
    assert all(settled.all() for settled, _ in kept)
    twin.hold_bounds()
    assert_twin_is(twin, twin.integer(), given_images)
    for bound in ranges(twin.integer()):
        assert bound.sums.high.max() <= MEMBRANE.high
        assert bound.sums.low.min() >= MEMBRANE.low


@settings(max_examples=15, deadline=None)
@given(parts=modules.float_networks(), bits=st.sampled_from([4, 8]), seed=st.integers(0, 2**32))
def test_released_weights_are_those_of_the_float_network(parts, bits, seed):
    """Layer by layer: its real weights within the range of the grid, and its bias up to half a mantissa.

    In front of latents whose decoder is not one dense layer, nothing is released.
    """
    source, _, _ = parts
    given_images = images(source.shape, seed)
    network = quantize(source, given_images, QuantizeConfig(weight_bits=bits))
    twin = Twin(source, network)
    twin.release(torch.Generator().manual_seed(0))
    rng = np.random.default_rng(seed)
    chain = list(zip(twin.chain, source.layers, network.layers, network.message_scales, strict=True))
    first = 0 if len(chain) == twin.place + 2 and not isinstance(network.readout.synapse, Conv2d) else twin.place + 1
    for module, _, made, _ in chain[:first]:
        assert module.settled.all()
        assert (module.mantissas().detach().numpy() == made.synapse.weight).all()
    for module, real, made, scale in chain[first:]:
        messages = rng.integers(0, 5, (20, made.synapse.inputs)).astype(np.float64)
        clipped = replace(real, linear=clipped_weights(real, made, scale), bias=None)
        wanted = accumulate(clipped, messages * scale) / unit(made)
        bias = 0.0
        if made.bias is not None:
            charge = np.zeros_like(unit(made)) if real.bias is None else real.bias / unit(made)
            if isinstance(made.neuron, ConstantThreshold):
                charge += made.neuron.theta / 2
            grain = 2.0**made.bias.exponent
            bias = module.bias_mantissas().detach().double().numpy() * grain
            limited = np.clip(charge, BIAS_MANTISSA.low * grain, BIAS_MANTISSA.high * grain)
            assert (np.abs(bias - limited) <= 0.5001 * grain).all()
        with torch.no_grad():
            found = module(torch.from_numpy(messages).float()).double().numpy() - bias
        # Sums of float32, the bias within them.
        assert (np.abs(found - wanted) <= 1e-5 * np.abs(found + bias).max() + 1e-3).all()


def two_deep():
    """Two hidden neurons in a row, both near the membrane's limit, and the float network that they are made of."""
    rng = np.random.default_rng(0)

    def hidden(name, weight, exponent, theta, n_max):
        return Layer(
            name=name,
            shape=(1,),
            synapse=Dense(weight=np.array(weight, np.int8), exponent=exponent, bits=8),
            bias=None,
            neuron=ConstantThreshold(mantissa=np.array([theta], np.int32), n_max=n_max),
            scale=np.ones(1),
        )

    layers = (
        hidden("near", [[60] * 16], 5, 100, 2**20),
        hidden("far", [[26]], 8, 60_000, 255),
        networks.dense_layer("latents", rng, 1, networks.poisson_neuron(rng, 6), 6),
        networks.dense_layer("readout", rng, 6, Readout(), 16),
    )
    port = InputPort(shape=(1, 4, 4), bits=8, signed=False, scale=1.0)
    activations = (Rectify(), Rectify(), PoissonRate(prior_log_rate=np.zeros(6), clamp=5.0), Identity())
    real = tuple(
        FloatLayer(
            name=layer.name,
            shape=layer.shape,
            linear=DenseMap(weight=layer.synapse.weight.astype(float)),
            bias=None,
            activation=activation,
        )
        for layer, activation in zip(layers, activations, strict=True)
    )
    network = Network(input=port, layers=layers, beta=1.0)
    return FloatNetwork(shape=(1, 4, 4), layers=real, beta=1.0), network


@pytest.mark.parametrize(
    ("trained", "held"),
    [
        # Few counts while the first layer is over its limit, many once it has its first weights back.
        (([40] + [-127] * 15, 127), ([60] * 16, 26)),
        # Within its own limit, the first layer sends more than the second one's first weight bears.
        (([64] * 16, 26), ([60] * 16, 26)),
        # Nothing is over a limit: nothing is given back.
        (([50] * 16, 30), ([50] * 16, 30)),
    ],
)
def test_bounds_hold_behind_a_layer_that_was_given_back(trained, held):
    twin = Twin(*two_deep())
    with torch.no_grad():
        for module, weight in zip(twin.chain, trained, strict=False):
            module.held[:] = torch.tensor(weight)
    twin.hold_bounds()
    network = twin.integer()
    for bound in ranges(network):
        assert bound.sums.high.max() <= MEMBRANE.high
        assert bound.sums.low.min() >= MEMBRANE.low
    near, far = (layer.synapse.weight for layer in network.layers[:2])
    assert (near.ravel().tolist(), far.item()) == held


def test_fine_tuning_wins_back_what_two_bits_lose():
    torch.manual_seed(0)
    encoder = modules.nn.Sequential(modules.nn.Flatten(), modules.nn.Linear(16, 12))
    decoder = modules.nn.Sequential(modules.nn.Linear(12, 16))
    source = modules.lowered(encoder, decoder, 12, (1, 4, 4))
    train, held_out = images((1, 4, 4), 0, 800), images((1, 4, 4), 1, 200)
    network = quantize(source, train, QuantizeConfig(weight_bits=2))
    tuned = finetune(source, network, train, FinetuneConfig(epochs=20, batch_size=50))
    before = fidelity(source, network, held_out)
    report = fidelity(source, tuned, held_out, untuned=network)
    assert report.integer_figures.nelbo < before.integer_figures.nelbo - 0.1
    # What training gained is a cause of its own; the others are those of the network before it.
    gained = report.integer_figures.nelbo - before.integer_figures.nelbo
    assert report.gap["fine_tuning"] == pytest.approx(gained)
    assert sum(value for name, value in report.gap.items() if name != "total") == pytest.approx(report.gap["total"])
    for name in set(report.gap) - {"fine_tuning", "total"}:
        assert report.gap[name] == pytest.approx(before.gap[name], abs=1e-9)
    assert before.gap["fine_tuning"] == 0
    assert fidelity(source, tuned, held_out).integer_figures == report.integer_figures


def test_behind_the_latents_alone_is_trained_where_counts_are_drawn():
    torch.manual_seed(0)
    encoder = modules.nn.Sequential(modules.nn.Flatten(), modules.nn.Linear(16, 12))
    decoder = modules.nn.Sequential(modules.nn.Linear(12, 10), modules.nn.ReLU(), modules.nn.Linear(10, 16))
    source = modules.lowered(encoder, decoder, 12, (1, 4, 4))
    train = images((1, 4, 4), 0, 800)
    network = quantize(source, train, QuantizeConfig(weight_bits=2, bias_correction=True))
    tuned = finetune(source, network, train, FinetuneConfig(epochs=10, batch_size=50))
    latents, *behind = tuned.layers
    before, *_ = network.layers
    assert (latents.synapse.weight == before.synapse.weight).all()
    assert (latents.bias.mantissa == before.bias.mantissa).all()
    pairs = zip(behind, network.layers[1:], strict=True)
    assert any((now.synapse.weight != was.synapse.weight).any() for now, was in pairs)


def test_views_of_square_images_are_trained_on():
    """The objective of dihedral views of one image is that of the views, not of the image."""
    source = modules.lowered(
        modules.nn.Sequential(modules.nn.Flatten(), modules.nn.Linear(16, 3)),
        modules.nn.Sequential(modules.nn.Linear(3, 16)),
        3,
        (1, 4, 4),
    )
    one = images((1, 4, 4), 0, 1).repeat(256, 0)
    network = quantize(source, one)
    objectives = {}
    for augment in ("none", "dihedral"):
        seen = []
        config = FinetuneConfig(batch_size=1, augment=augment, learning_rate=1e-9)
        finetune(source, network, one, config, report=lambda _, __, objective, seen=seen: seen.append(objective))
        # No weight settles in the first half.
        objectives[augment] = {round(value, 3) for value in seen[:128]}
    assert len(objectives["none"]) == 1
    assert len(objectives["dihedral"]) == 8
    assert objectives["none"] < objectives["dihedral"]


def test_settings_are_checked():
    for bad in ({"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}):
        with pytest.raises(InputError, match="fine-tuning"):
            FinetuneConfig(**bad)
