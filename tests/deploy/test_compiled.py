"""The compiled backend against the reference: every count, charge and tally, integer for integer."""

from dataclasses import replace

import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy import reference, sums
from spiking_pvae.deploy.compiled import CompiledNetwork
from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, Dense, InputPort, Layer, Network, Readout
from spiking_pvae.deploy.kernels import dense
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.deploy.sums import compile_sums
from spiking_pvae.errors import LimitError, UnsupportedError

dense_networks = st.builds(
    networks.random_network,
    seed=st.integers(0, 2**32),
    side=st.integers(1, 9),
    hidden=st.lists(st.integers(1, 80), max_size=2),
    latents=st.integers(1, 70),
    bits=st.sampled_from([2, 4, 6, 8]),
    signed=st.booleans(),
    bias=st.booleans(),
)


def convolution_network(seed, side, kernel, stride, padding, dilation, groups):
    """Two convolutions, the second grouped, then Poisson latents and a readout."""
    rng = np.random.default_rng(seed)
    port = InputPort(shape=(1, side, side), bits=8, signed=True, scale=0.05)
    layers, shape = [], port.shape
    for name, outputs, split in (("first", 2 * groups, 1), ("second", 3 * groups, groups)):
        synapse = Conv2d(
            weight=rng.integers(-127, 128, (outputs, shape[0] // split, kernel, kernel)).astype(np.int8),
            exponent=1,
            bits=8,
            input_shape=shape,
            stride=(stride, 1),
            padding=(padding, padding),
            dilation=(1, dilation),
            groups=split,
        )
        shape = synapse.output_shape
        neuron = ConstantThreshold(mantissa=rng.integers(1, 400, synapse.outputs).astype(np.int32), n_max=300)
        layers.append(
            Layer(name=name, shape=shape, synapse=synapse, bias=None, neuron=neuron, scale=np.ones(synapse.outputs))
        )
    size = layers[-1].neurons
    layers.append(networks.dense_layer("latents", rng, size, networks.poisson_neuron(rng, 9), 9))
    layers.append(networks.dense_layer("readout", rng, 9, Readout(), port.neurons))
    return Network(input=port, layers=tuple(layers), beta=1.0)


convolution_networks = st.builds(
    convolution_network,
    seed=st.integers(0, 2**32),
    side=st.integers(9, 10),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.integers(1, 3),
)


def assert_same_outputs(network, samples, *, threads, seed, first, schedule, steps):
    side = network.input.shape[1]
    messages = network.input.encode(networks.random_images(samples, samples, side, scale=3.0))
    options = {"seed": seed, "first_sample": first, "schedule": schedule, "steps": steps}
    expected = reference.run(network, messages, **options)
    for ours, theirs in zip(CompiledNetwork(network, threads)(messages, **options), expected, strict=True):
        assert (ours.charge == theirs.charge).all()
        assert (ours.counts == theirs.counts).all()


@settings(max_examples=40)
@given(
    network=st.one_of(dense_networks, convolution_networks),
    samples=st.integers(1, 9),
    threads=st.integers(1, 3),
    seed=st.integers(0, 2**64 - 1),
    first=st.integers(0, 2**40),
    schedule=st.sampled_from(["graded", "unary", "streaming"]),
    steps=st.integers(1, 12),
    unrolled=st.booleans(),
)
def test_outputs_equal_the_reference(network, samples, threads, seed, first, schedule, steps, unrolled):
    with pytest.MonkeyPatch.context() as patch:
        if not unrolled:
            patch.setattr(sums, "UNROLLED_UP_TO", 0)
        assert_same_outputs(network, samples, threads=threads, seed=seed, first=first, schedule=schedule, steps=steps)


@pytest.mark.parametrize("schedule", ["graded", "unary", "streaming"])
@settings(max_examples=3)
@given(network=st.one_of(dense_networks, convolution_networks))
def test_hash_does_not_depend_on_backend_batch_or_threads(schedule, network):
    images = networks.random_images(1, 300, network.input.shape[1], scale=2.0)
    options = {"seed": 3, "schedule": schedule, "steps": 5}
    expected = simulate(network, images, backend_name="reference", **options)
    for batch in (1, 7, 256):
        for threads in (1, 2):
            record = simulate(network, images, backend_name="numba", batch=batch, threads=threads, **options)
            assert record.counts_sha256 == expected.counts_sha256
            for ours, theirs in zip(record.tallies, expected.tallies, strict=True):
                assert (ours.spikes == theirs.spikes).all()
                assert (ours.events == theirs.events).all()
                assert (ours.active == theirs.active).all()
            np.testing.assert_allclose(record.latent.kl, expected.latent.kl, rtol=1e-9)


def conv(groups=1):
    rng = np.random.default_rng(1)
    weight = rng.integers(-127, 128, (4, 4 // groups, 3, 3)).astype(np.int8)
    return Conv2d(weight=weight, exponent=0, bits=8, input_shape=(4, 6, 6), padding=(1, 1), groups=groups)


@pytest.mark.parametrize("unrolled", [True, False])
@pytest.mark.parametrize("instruction", [True, False])
@pytest.mark.parametrize("density", [0.0, 0.01, 0.2, 1.0])
@pytest.mark.parametrize(
    ("low", "high"), [(-127, 127), (-128, 127), (0, 255), (-1, 255), (0, 256), (-129, 0), (-(2**23), 2**23 - 1)]
)
def test_sums_at_the_edges_of_integer_types(monkeypatch, unrolled, instruction, density, low, high):
    """Messages that fit 8 bits or not, sums that fit 32 bits or not, with and without the dot-product instruction."""
    if not unrolled:
        monkeypatch.setattr(sums, "UNROLLED_UP_TO", 0)
    if not instruction:
        monkeypatch.setattr(dense, "has_dot_product", lambda: False)
    rng = np.random.default_rng(0)
    weight = rng.choice(np.array([-127, 127], np.int8), (70, 144))
    for synapse in (Dense(weight=weight, exponent=0, bits=8), conv(), conv(groups=2)):
        messages = rng.integers(low, high + 1, (6, 144)) * (rng.random((6, 144)) < density)
        messages[0, :2] = low, high
        for values in (messages, messages.astype(np.int32)):
            assert (compile_sums(synapse)(values) == project(synapse, messages)).all()


def test_largest_sums_of_one_sign():
    weight = np.full((3, 1000), 127, np.int8)
    synapse = Dense(weight=weight, exponent=0, bits=8)
    for value in (255, 2**23 - 1, -(2**23)):
        messages = np.full((2, 1000), value, np.int64)
        assert (compile_sums(synapse)(messages) == project(synapse, messages)).all()


def test_overflow_is_the_error_of_the_reference():
    network = networks.random_network(0, side=32)
    images = np.full((3, 1, 32, 32), 100.0, np.float32)
    loud = replace(network.layers[0].synapse, weight=np.full((6, 1024), 127, np.int8))
    network = replace(network, layers=(replace(network.layers[0], synapse=loud), network.layers[1]))
    messages = []
    for backend in ("reference", "numba"):
        with pytest.raises(LimitError) as caught:
            simulate(network, images, backend_name=backend, threads=2)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


def test_unknown_synapse_is_refused_by_name():
    with pytest.raises(UnsupportedError, match="'float'"):
        compile_sums(1.0)
