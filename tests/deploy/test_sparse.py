"""Listed synapses against the matrix they stand for: every count, charge, energy and file, integer for integer."""

import itertools
from dataclasses import replace
from functools import partial

import modules
import networks
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy import reference
from spiking_pvae.deploy.backends import chosen
from spiking_pvae.deploy.check import check
from spiking_pvae.deploy.chips import load_chip
from spiking_pvae.deploy.compiled import CompiledNetwork
from spiking_pvae.deploy.export import random_messages
from spiking_pvae.deploy.files import load_network, save_network
from spiking_pvae.deploy.finetune import FinetuneConfig, finetune
from spiking_pvae.deploy.ir import Conv2d, Dense, Sparse
from spiking_pvae.deploy.kernels import sparse
from spiking_pvae.deploy.mapping import cores_reached
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.quantize import QuantizeConfig, quantize
from spiking_pvae.deploy.ranges import ranges
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.deploy.sparsity import SPARSE_UP_TO, compact, convolution_matrix, listed, matrix, written_out
from spiking_pvae.deploy.sums import compile_sums
from spiking_pvae.deploy.verify import run_backend
from spiking_pvae.energy import estimate, load_preset
from spiking_pvae.errors import InputError, LimitError


def thinned(network, seed, density):
    """Take synapses away from every layer, down to a share that the seed and the density say."""
    rng = np.random.default_rng(seed)
    layers = tuple(
        replace(
            layer,
            synapse=replace(
                layer.synapse,
                weight=np.where(rng.random(layer.synapse.weight.shape) < density, layer.synapse.weight, 0).astype(
                    np.int8
                ),
            ),
        )
        for layer in network.layers
    )
    return replace(network, layers=layers)


pruned = st.builds(
    thinned,
    st.builds(
        networks.random_network,
        seed=st.integers(0, 2**32),
        side=st.integers(1, 9),
        hidden=st.lists(st.integers(1, 80), max_size=2),
        latents=st.integers(1, 70),
        bits=st.sampled_from([2, 4, 6, 8]),
        signed=st.booleans(),
        bias=st.booleans(),
    ),
    st.integers(0, 2**32),
    st.floats(0, 0.3),
)


def all_listed(network):
    """List the synapses of every layer, however many there are."""
    return replace(network, layers=tuple(replace(layer, synapse=listed(layer.synapse)) for layer in network.layers))


def outcome(run, messages, options):
    """Return all that a run computes, or what it refuses."""
    try:
        return [(output.counts.tolist(), output.charge.tolist()) for output in run(messages, **options)]
    except LimitError as error:
        return str(error)


@settings(max_examples=25)
@given(
    network=pruned,
    samples=st.integers(1, 17),
    schedule=st.sampled_from(["graded", "unary", "streaming"]),
    steps=st.integers(1, 9),
    run_seed=st.integers(0, 2**64 - 1),
)
def test_counts_and_charges_equal_those_of_the_matrix(network, samples, schedule, steps, run_seed):
    messages = random_messages(network, samples, 0)
    options = {"seed": run_seed, "first_sample": 3, "schedule": schedule, "steps": steps}
    listing = all_listed(network)
    expected = outcome(partial(reference.run, network), messages, options)
    for run in (partial(reference.run, listing), CompiledNetwork(listing, 2)):
        assert outcome(run, messages, options) == expected
    for ours, theirs in zip(ranges(listing), ranges(network), strict=True):
        assert (ours.sums.low == theirs.sums.low).all()
        assert (ours.sums.high == theirs.sums.high).all()


@settings(max_examples=15)
@given(network=pruned, schedule=st.sampled_from(["graded", "unary"]), skip=st.booleans(), cores=st.integers(1, 9))
def test_energies_equal_those_of_the_matrix(network, schedule, skip, cores):
    listing = all_listed(network)
    images = networks.random_images(1, 12, network.input.shape[1])
    try:
        record = simulate(network, images, schedule=schedule, steps=3)
    except LimitError:
        return
    again = simulate(listing, images, schedule=schedule, steps=3)
    assert again.counts_sha256 == record.counts_sha256
    for name in ("loihi_davies2018", "loihi_sanafe"):
        ours, theirs = (
            estimate(made, counts, load_preset(name), skip_zero_weights=skip)
            for made, counts in ((listing, again), (network, record))
        )
        assert ours.to_json() == theirs.to_json()
        for population, joules in theirs.neurons.items():
            assert (ours.neurons[population] == joules).all()
    for ours, theirs in zip(listing.layers, network.layers, strict=True):
        reached = [cores_reached(layer.synapse, cores, skip_zero_weights=skip) for layer in (ours, theirs)]
        assert (reached[0] == reached[1]).all()


@pytest.mark.parametrize("instruction", [True, False])
@pytest.mark.parametrize("density", [0.0, 0.03, 0.2, 1.0])
@pytest.mark.parametrize("active", [0.0, 0.01, 1.0])
@pytest.mark.parametrize(("low", "high"), [(-127, 127), (-128, 127), (0, 255), (0, 256), (-(2**23), 2**23 - 1)])
def test_sums_at_the_edges_of_integer_types(monkeypatch, instruction, density, active, low, high):
    """Messages that fit 8 bits or not, sums that fit 32 bits or not, lists that fill their registers or not."""
    if not instruction:
        monkeypatch.setattr(sparse, "has_gather", lambda: False)
    rng = np.random.default_rng(0)
    weight = rng.choice(np.array([-127, 127], np.int8), (70, 150)) * (rng.random((70, 150)) < density)
    synapse = listed(Dense(weight=weight.astype(np.int8), exponent=0, bits=8))
    for samples in (1, 9):
        messages = rng.integers(low, high + 1, (samples, 150)) * (rng.random((samples, 150)) < active)
        messages[0, :2] = low, high
        for values in (messages, messages.astype(np.int32)):
            assert (compile_sums(synapse)(values) == messages @ weight.T.astype(np.int64)).all()
            assert (project(synapse, messages) == messages @ weight.T.astype(np.int64)).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32), outputs=st.integers(1, 90), inputs=st.integers(1, 200), density=st.floats(0, 1))
def test_every_form_of_the_lists_is_the_matrix(seed, outputs, inputs, density):
    rng = np.random.default_rng(seed)
    weight = (rng.integers(-127, 128, (outputs, inputs)) * (rng.random((outputs, inputs)) < density)).astype(np.int8)
    synapse = listed(Dense(weight=weight, exponent=2, bits=8))
    assert (matrix(synapse).weight == weight).all()
    assert synapse.stored == np.count_nonzero(weight)
    first, offsets, packed = sparse.pack_steps(weight)
    again = np.zeros((outputs, inputs), np.int64)
    for tile, (begin, end) in enumerate(itertools.pairwise(first)):
        for step in range(begin, end):
            for lane, group in np.ndindex(sparse.LANES, sparse.GROUP):
                value = packed[step, 1, lane, group].view(np.int8)
                if value:
                    again[tile * sparse.LANES + lane, offsets[step] + packed[step, 0, lane, group]] += value
    assert (again == weight).all()


def test_conversion_lists_what_is_thin():
    torch.manual_seed(0)
    encoder = modules.nn.Sequential(modules.nn.Flatten(), modules.nn.Linear(36, 20))
    decoder = modules.nn.Sequential(modules.nn.Linear(20, 36))
    with torch.no_grad():
        encoder[1].weight *= torch.rand(20, 36) < 0.15
    source = modules.lowered(encoder, decoder, 20, (1, 6, 6))
    images = networks.random_images(0, 300, 6)
    network = quantize(source, images, QuantizeConfig())
    assert [type(layer.synapse) for layer in network.layers] == [Sparse, Dense]
    assert network.layers[0].synapse.stored <= SPARSE_UP_TO * 20 * 36
    assert [type(layer.synapse) for layer in written_out(network).layers] == [Dense, Dense]
    assert [type(layer.synapse) for layer in compact(written_out(network)).layers] == [Sparse, Dense]
    tuned = finetune(source, network, images, FinetuneConfig(epochs=8, batch_size=20))
    # Training on brings no synapse back.
    kept = encoder[1].weight.detach().numpy() != 0
    assert (tuned.layers[0].synapse.weight != network.layers[0].synapse.weight).any()
    assert not tuned.layers[0].synapse.weight[~kept].any()


def test_files_are_smaller_and_whole(tmp_path):
    network = thinned(networks.random_network(1, side=16, latents=200), 0, 0.1)
    sizes = {}
    for name, made in (("matrix", network), ("lists", compact(network))):
        save_network(made, tmp_path / name)
        sizes[name] = (tmp_path / name / "arrays.safetensors").stat().st_size
        again = load_network(tmp_path / name)
        for ours, theirs in zip(again.layers, made.layers, strict=True):
            assert type(ours.synapse) is type(theirs.synapse)
            assert (ours.synapse.weight == theirs.synapse.weight).all()
    stored = sum(layer.synapse.stored for layer in compact(network).layers)
    everything = sum(layer.synapse.weight.size for layer in network.layers)
    # 3 bytes a synapse and 4 an input instead of 1 a weight.
    inputs = sum(layer.synapse.inputs + 1 for layer in network.layers)
    assert abs(sizes["matrix"] - sizes["lists"] - (everything - 3 * stored - 4 * inputs)) < 2000
    assert sizes["lists"] < 0.7 * sizes["matrix"]


@pytest.mark.parametrize("name", ["reference", "numba", "nir", "snntorch"])
@pytest.mark.parametrize("schedule", ["graded", "unary"])
def test_exports_write_the_matrix_out(name, schedule):
    network = all_listed(thinned(networks.random_network(5, hidden=(9,), bits=4), 0, 0.2))
    messages = random_messages(network, 20, 0)
    (backend,) = chosen((name,))
    verdict = run_backend(backend, network, messages, seed=11, schedule=schedule, steps=5)
    assert verdict.status == "equal", verdict


def test_memory_on_a_chip_is_that_of_the_lists():
    network = compact(thinned(networks.random_network(1, side=16, latents=64), 0, 0.1))
    placement = check(network, load_chip("loihi2")).layers[0]
    assert placement.cores == 1
    assert placement.synapse_bits == network.layers[0].synapse.stored * (8 + 6)  # one of 64 targets
    assert [layer.cores for layer in check(written_out(network), load_chip("loihi2")).layers] == [
        layer.cores for layer in check(network, load_chip("loihi2")).layers
    ]


def test_lists_that_lead_astray_are_refused():
    good = {
        "starts": np.array([0, 2, 3], np.int32),
        "targets": np.array([0, 2, 1], np.uint16),
        "values": np.array([1, -2, 3], np.int8),
        "outputs": 3,
        "exponent": 0,
        "bits": 8,
    }
    assert (Sparse(**good).weight == [[1, 0], [0, 3], [-2, 0]]).all()
    for bad in (
        {"starts": np.array([0, 2, 4], np.int32)},
        {"starts": np.array([1, 2, 3], np.int32)},
        {"starts": np.array([0, 4, 3], np.int32)},
        {"starts": np.zeros(0, np.int32)},
        {"targets": np.array([0, 3, 1], np.uint16)},
        {"targets": np.array([0, -1, 1], np.int32)},
        {"targets": np.array([2, 0, 1], np.uint16)},
        {"targets": np.array([2, 2, 1], np.uint16)},
        {"values": np.array([1, 0, 3], np.int8)},
        {"values": np.array([1, 2], np.int8)},
        {"exponent": -1},
    ):
        with pytest.raises(InputError, match="sparse synapses"):
            Sparse(**good | bad)
    with pytest.raises(LimitError):
        Sparse(**good | {"bits": 2})


@given(
    seed=st.integers(0, 2**32),
    sides=st.tuples(st.integers(5, 9), st.integers(5, 9)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    groups=st.integers(1, 3),
)
@settings(max_examples=30)
def test_the_matrix_of_a_convolution_says_the_same(seed, sides, kernel, stride, padding, dilation, groups):
    rng = np.random.default_rng(seed)
    synapse = Conv2d(
        weight=rng.integers(-127, 128, (2 * groups, 2, *kernel)).astype(np.int8),
        exponent=2,
        bits=8,
        input_shape=(2 * groups, *sides),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
    messages = rng.integers(-(2**20), 2**20, (3, synapse.inputs))
    written = convolution_matrix(synapse)
    assert written.weight.dtype == np.int8
    assert (project(written, messages) == project(synapse, messages)).all()
