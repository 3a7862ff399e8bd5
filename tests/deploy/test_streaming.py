"""The streaming schedule against its definition in big integers, and against the graded counts."""

import math
from dataclasses import replace
from fractions import Fraction

import networks
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold
from spiking_pvae.deploy.ranges import ranges
from spiking_pvae.deploy.simulate import runner, simulate
from spiking_pvae.deploy.streaming import delivered, period, spread
from spiking_pvae.deploy.transient import steps_for, transient
from spiking_pvae.errors import InputError, LimitError


@given(st.integers(-(2**23), 2**23), st.integers(1, 300), st.integers(1, 3))
def test_spread_delivers_everything_evenly(total, period_, repeats):
    parts = [int(spread(np.int64(total), step, period_)) for step in range(1, repeats * period_ + 1)]
    assert sum(parts) == total * repeats
    assert max(parts) - min(parts) <= 1


@given(st.integers(-(2**23), 2**23), st.integers(1, 300), st.integers(1, 600))
def test_inhibition_comes_as_late_as_excitation(total, period_, step):
    amount = np.array([total, -total])
    ours, theirs = spread(amount, step, period_)
    assert ours == -theirs


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 40))
def test_negated_messages_and_weights_change_nothing(seed, steps):
    network = networks.random_network(seed, side=3, hidden=(4,))
    first = network.layers[0]
    mirrored = replace(first, synapse=replace(first.synapse, weight=-first.synapse.weight))
    messages = network.input.encode(networks.random_images(seed, 3, 3, scale=3.0))
    options = {"seed": 1, "first_sample": 0, "schedule": "streaming", "steps": steps}
    ours = runner(network)(messages, **options)
    theirs = runner(replace(network, layers=(mirrored, *network.layers[1:])))(-messages, **options)
    for one, other in zip(ours, theirs, strict=True):
        assert (one.counts == other.counts).all()
        assert (one.charge == other.charge).all()
    assert (delivered(network, messages, steps) == -delivered(network, -messages, steps)).all()


def by_hand(network, messages, *, seed, sample, steps):
    """One sample, step by step, in Python integers: spikes and final charges of every layer."""
    shapes = [layer.neurons for layer in network.layers]
    received, counts, spent, integrated = ([[0] * n for n in shapes] for _ in range(4))

    latent = network.layers.index(network.latent)
    inside = max([network.input.format.high, *(int(bound.counts.high.max()) for bound in ranges(network)[:latent])])

    def part(x, t, length):
        """What has come by step t less what had come before; of a fraction, only what is whole."""
        return math.trunc(Fraction(x * t, length)) - math.trunc(Fraction(x * (t - 1), length))

    for t in range(1, steps + 1):
        flow = [part(x, t, inside) for x in messages]
        for place, layer in enumerate(network.layers):
            out, length = [], inside if place <= latent else steps
            for i, total in enumerate(oracle.sums(layer.synapse, flow)):
                bias = 0 if layer.bias is None else part(int(layer.bias.value[i]), t, length)
                received[place][i] += total + bias
                neuron, n = layer.neuron, counts[place][i]
                fires = 0
                if isinstance(neuron, ConstantThreshold):
                    theta = int(neuron.mantissa[i]) * 64
                    most = neuron.n_max * t // inside if place < latent else neuron.n_max
                    fires = int(received[place][i] - n * theta >= theta and n < most)
                elif isinstance(neuron, ExponentialThreshold):
                    estimate = max(-(2**23), min(2**23 - 1, received[place][i] * inside // t))
                    u = oracle.rounded_quotient(estimate * int(neuron.gain[i]), 2 ** int(neuron.gain_shift[i]))
                    entry = int(neuron.table[max(0, min(len(neuron.table) - 1, u - neuron.table_low))])
                    integrated[place][i] += oracle.rounded_quotient(
                        entry * int(neuron.rate[i]), 2 ** int(neuron.rate_shift[i])
                    )
                    theta = oracle.threshold(oracle.word(seed, sample, i, n), neuron.fraction)
                    fires = int(integrated[place][i] // steps - spent[place][i] >= theta and n < neuron.n_max)
                    spent[place][i] += theta * fires
                counts[place][i] += fires
                out.append(fires)
            flow = out
    poisson = [isinstance(layer.neuron, ExponentialThreshold) for layer in network.layers]
    charges = [[q // steps for q in integrated[k]] if p else received[k] for k, p in enumerate(poisson)]
    return counts, charges


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    hidden=st.lists(st.integers(1, 6), max_size=2),
    steps=st.integers(1, 20),
    run_seed=st.integers(0, 2**64 - 1),
)
def test_streaming_equals_big_integers(seed, hidden, steps, run_seed):
    network = networks.random_network(seed, side=3, hidden=tuple(hidden))
    messages = network.input.encode(networks.random_images(seed, 2, 3, scale=3.0))
    for backend in ("reference", "numba"):
        outputs = runner(network, backend)(messages, seed=run_seed, first_sample=7, schedule="streaming", steps=steps)
        for row in range(2):
            counts, charges = by_hand(
                network, [int(x) for x in messages[row]], seed=run_seed, sample=7 + row, steps=steps
            )
            assert [output.counts[row].tolist() for output in outputs] == counts
            assert [output.charge[row].tolist() for output in outputs] == charges


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), exponent=st.sampled_from([0, 9, 12]), steps=st.integers(1, 60))
def test_both_backends_where_neurons_reach_their_limits(seed, exponent, steps):
    """Low thresholds, so that counts meet what a step allows, and inhibition down to the lowest membrane."""
    network = networks.random_network(seed, side=3, hidden=(6,))
    rng, first = np.random.default_rng(seed), network.layers[0]
    neuron = ConstantThreshold(mantissa=rng.integers(1, 6, 6).astype(np.int32), n_max=int(rng.integers(1, 100)))
    first = replace(first, neuron=neuron, synapse=replace(first.synapse, exponent=exponent))
    network = replace(network, layers=(first, *network.layers[1:]))
    messages = network.input.encode(networks.random_images(seed, 4, 3, scale=3.0))
    options = {"seed": 1, "first_sample": 2, "schedule": "streaming", "steps": steps}
    try:
        expected = runner(network, "reference")(messages, **options)
    except LimitError:
        with pytest.raises(LimitError):
            runner(network, "numba")(messages, **options)
        return
    for ours, theirs in zip(runner(network, "numba")(messages, **options), expected, strict=True):
        assert (ours.counts == theirs.counts).all()
        assert (ours.charge == theirs.charge).all()
        assert (ours.active == theirs.active).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 12))
def test_tallies_by_brute_force(seed, steps):
    """Active updates counted from the definition: all neurons where an event arrives, else those that fire."""
    network = networks.random_network(seed, side=2, hidden=(4,))
    images = networks.random_images(seed, 2, 2, scale=3.0)
    record = simulate(network, images, seed=3, schedule="streaming", steps=steps)
    messages = network.input.encode(images)
    first = network.layers[0]
    active, sent = 0, np.zeros(messages.shape[1], np.int64)
    for row in messages:
        v, n, inside = np.zeros(first.neurons, np.int64), np.zeros(first.neurons, np.int64), period(network)
        for t in range(1, steps + 1):
            flow = spread(row, t, inside)
            v += first.synapse.weight.astype(np.int64) @ flow * 2**first.synapse.exponent
            v += spread(first.bias.value, t, inside)
            fires = (v >= first.neuron.theta) & (n < first.neuron.n_max * t // inside)
            v, n = v - fires * first.neuron.theta, n + fires
            active += first.neurons if flow.any() else int(fires.sum())
            sent += np.abs(flow)
    assert record.tally(first.name).active.sum() == active
    assert record.tally(first.name).steps == steps + len(network.layers) - 1
    assert (record.tally("input").spikes.sum(0) == sent).all()


def test_hidden_counts_without_inhibition_are_the_graded_ones_after_a_period():
    """No spike has to be taken back, and at most the one whose step has not come is missing."""
    network = networks.random_network(3, hidden=(5,), side=2, signed=False)
    first = network.layers[0]
    first = replace(first, synapse=replace(first.synapse, weight=np.abs(first.synapse.weight)), bias=None)
    network = replace(network, layers=(first, *network.layers[1:]))
    messages = network.input.encode(np.abs(networks.random_images(1, 5, 2, scale=20.0)))
    graded, *_ = runner(network)(messages, seed=0, first_sample=0, schedule="graded", steps=1)
    steps = period(network)
    streamed, *_ = runner(network)(messages, seed=0, first_sample=0, schedule="streaming", steps=steps)
    assert graded.counts.max() > 10
    assert set(np.unique(graded.counts - streamed.counts)) <= {0, 1}


def test_rates_converge_to_the_graded_ones():
    network = networks.random_network(11, side=4, latents=20)
    images = networks.random_images(2, 30, scale=1.0)
    messages = network.input.encode(images)
    assert messages.min() < -40 < 40 < messages.max()
    errors = [point.rate_error for point in transient(network, images, (4, 16, 64, 256, 1024))]
    assert errors == sorted(errors, reverse=True)
    # Few steps leave most out, but excite no more than they inhibit: better than silence, whose error is 1.
    assert errors[0] < 1
    # Coarse early estimates are averaged over T: the error falls nearly as 1 / T.
    assert errors[-1] < errors[2] / 6


def test_steps_are_at_least_one():
    network = networks.random_network(11, side=2, latents=2)
    with pytest.raises(InputError, match="steps"):
        transient(network, networks.random_images(2, 1, 2), (16, 0))


def test_steps_for_an_accuracy():
    network = networks.random_network(11, side=4, latents=20)
    images = networks.random_images(2, 10, scale=1.0)
    found = steps_for(network, images, 0.1)
    assert found.rate_error <= 0.1
    (half,) = transient(network, images, (found.steps // 2,))
    assert half.rate_error > 0.1
    for bad in (0.0, 1.0, -1.0):
        with pytest.raises(InputError, match="accuracy"):
            steps_for(network, images, bad)
    with pytest.raises(InputError, match="4096 steps"):
        steps_for(networks.random_network(11, side=2, latents=2), networks.random_images(2, 1, 2), 1e-7)
