"""The reference simulator against big integers, and the two schedules against one another."""

from dataclasses import replace

import networks
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy import reference
from spiking_pvae.deploy.accounting import rates_and_divergence
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.errors import InputError, LimitError

shapes = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32),
        "side": st.integers(1, 5),
        "hidden": st.lists(st.integers(1, 8), max_size=2),
        "latents": st.integers(1, 9),
        "bits": st.sampled_from([2, 4, 6, 8]),
        "signed": st.booleans(),
        "bias": st.booleans(),
    }
)


def encode(network, seed, samples):
    side = network.input.shape[1]
    return network.input.encode(networks.random_images(seed, samples, side, scale=3.0))


@settings(max_examples=60, deadline=None)
@given(shape=shapes, run_seed=st.integers(0, 2**64 - 1), first=st.integers(0, 2**40))
def test_graded_equals_big_integers(shape, run_seed, first):
    network = networks.random_network(**shape)
    messages = encode(network, shape["seed"], 4)
    outputs = reference.run(network, messages, seed=run_seed, first_sample=first, schedule="graded", steps=1)
    expected = oracle.run(network, messages, seed=run_seed, first_sample=first)
    for output, (counts, charges) in zip(outputs, expected, strict=True):
        assert output.charge.tolist() == charges
        assert output.counts.tolist() == counts


@settings(max_examples=40, deadline=None)
@given(shape=shapes, run_seed=st.integers(0, 2**64 - 1), steps=st.integers(1, 40))
def test_unary_equals_graded_clipped(shape, run_seed, steps):
    """Layer by layer: counts over T firing steps are the graded counts of the same messages, clipped at T."""
    network = networks.random_network(**shape)
    messages = encode(network, shape["seed"], 3)
    unary = reference.run(network, messages, seed=run_seed, first_sample=0, schedule="unary", steps=steps)
    incoming = messages
    for layer, output in zip(network.layers, unary, strict=True):
        graded = reference.graded_layer(layer, incoming, seed=run_seed, sample=np.arange(3))
        assert (output.charge == graded.charge).all()
        assert (output.counts == np.minimum(graded.counts, steps)).all()
        incoming = output.counts


@settings(max_examples=20, deadline=None)
@given(shape=shapes, steps=st.integers(1, 12), schedule=st.sampled_from(["graded", "unary"]))
def test_tallies_by_brute_force(shape, steps, schedule):
    """Every spike, event and active update counted one by one from explicit spike trains."""
    network = networks.random_network(**shape)
    images = networks.random_images(shape["seed"], 3, shape["side"], scale=3.0)
    record = simulate(network, images, seed=3, schedule=schedule, steps=steps)
    messages = network.input.encode(images)
    outputs = reference.run(network, messages, seed=3, first_sample=0, schedule=schedule, steps=steps)
    populations = [messages, *(o.counts for o in outputs)]
    for place, counts in enumerate(populations):
        tally = record.tallies[place]
        assert (tally.spikes.sum(0) == np.abs(counts).sum(0)).all()
        sent = np.abs(counts) if schedule == "unary" else (counts != 0)
        assert (tally.events.sum(0) == sent.sum(0)).all()
    for place, layer in enumerate(network.layers):
        active = updates = 0
        for row in range(3):
            source, own = populations[place][row], populations[place + 1][row]
            if schedule == "graded":
                updates += layer.neurons
                active += sum(1 for n in own if source.any() or n)
                continue
            incoming = network.input.format.high if place == 0 else steps
            for step in range(incoming):
                updates += layer.neurons
                active += layer.neurons * bool((np.abs(source) > step).any())
            if layer.name != "readout":
                updates += steps * layer.neurons
                active += int(own.sum())
        tally = record.tally(layer.name)
        assert tally.active.sum() == active
        assert tally.steps * tally.neurons * 3 == updates


@pytest.mark.parametrize("schedule", ["graded", "unary"])
def test_result_does_not_depend_on_the_batch(schedule):
    network = networks.random_network(5, hidden=(7,))
    images = networks.random_images(1, 2100, scale=2.0)
    records = [
        simulate(network, images, seed=9, schedule=schedule, steps=4, batch=batch) for batch in (1, 7, 256, 5000)
    ]
    for record in records[1:]:
        assert record.counts_sha256 == records[0].counts_sha256
        assert (record.block_samples == records[0].block_samples).all()
        for ours, first in zip(record.tallies, records[0].tallies, strict=True):
            assert (ours.spikes == first.spikes).all()
            assert (ours.active == first.active).all()
        np.testing.assert_allclose(record.latent.kl, records[0].latent.kl, rtol=1e-12)


def test_blocks_hold_every_sample_once():
    network = networks.random_network(5)
    images = networks.random_images(1, 5000, scale=2.0)
    record = simulate(network, images, keep=("latents",))
    assert record.samples == 5000
    assert len(record.block_samples) <= 2048
    counts = record.traces["latents"].counts
    starts = np.concatenate([[0], np.cumsum(record.block_samples)[:-1]])
    assert (record.tally("latents").spikes == np.add.reduceat(counts, starts, axis=0)).all()


def test_different_seeds_differ_and_samples_are_keyed():
    network = networks.random_network(5)
    images = np.repeat(networks.random_images(1, 1, scale=2.0), 200, 0)
    first = simulate(network, images, seed=1, keep=("latents",))
    second = simulate(network, images, seed=2, keep=("latents",))
    assert first.counts_sha256 != second.counts_sha256
    counts = first.traces["latents"].counts
    assert len(np.unique(counts, axis=0)) > 20  # the same image, different draws


def test_divergence_of_the_record():
    neuron = networks.poisson_neuron(np.random.default_rng(0), 4)
    charge = np.array([[0, 1, 70000, 2**20]])
    rate, kl = rates_and_divergence(neuron, charge)
    r0 = neuron.prior_rate
    for i in range(4):
        r = charge[0, i] / 2**neuron.fraction
        assert rate[0, i] == r
        expected = r0[i] if r == 0 else r * np.log(r / r0[i]) - r + r0[i]
        assert kl[0, i] == pytest.approx(expected, rel=1e-12)


def test_membrane_overflow_is_an_error():
    network = networks.random_network(0, side=32)
    images = np.full((1, 1, 32, 32), 100.0, np.float32)
    weight = np.full((6, 1024), 127, np.int8)
    latent = network.layers[0]
    loud = replace(latent, synapse=replace(latent.synapse, weight=weight))
    network = replace(network, layers=(loud, network.layers[1]))
    with pytest.raises(LimitError, match=r"'latents'.*24-bit membrane") as caught:
        simulate(network, images)
    assert caught.value.value == 1024 * 127 * 127 + int(loud.bias.value.max())


@pytest.mark.parametrize(
    "bad",
    [{"steps": 0}, {"batch": 0}, {"seed": -1}, {"seed": 2**64}, {"keep": ("nothing",)}, {"backend_name": "none"}],
)
def test_bad_arguments(bad):
    with pytest.raises(InputError):
        simulate(networks.random_network(0), networks.random_images(0, 1), **bad)


def test_bad_images():
    network = networks.random_network(0)
    for images in (
        np.zeros((0, 1, 4, 4), np.float32),
        np.zeros((1, 1, 5, 4), np.float32),
        np.full((1, 1, 4, 4), np.nan, np.float32),
    ):
        with pytest.raises(InputError, match="images"):
            simulate(network, images)
