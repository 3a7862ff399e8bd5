"""Probes against neurons run one by one in Python integers, and their pictures."""

import networks
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold
from spiking_pvae.deploy.probe_plots import draw_probe
from spiking_pvae.deploy.probes import probe
from spiking_pvae.deploy.simulate import runner
from spiking_pvae.errors import InputError


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 9), place=st.integers(0, 2))
def test_every_step_by_hand(seed, steps, place):
    network = networks.random_network(seed, side=2, hidden=(5,), latents=6)
    images = networks.random_images(seed, 2, 2, scale=3.0)
    layer = network.layers[place]
    chosen = [layer.neurons - 1, 0]
    trace = probe(network, images, layer.name, chosen, steps=steps, seed=7)
    flow = network.input.encode(images)
    results = oracle.run(network, flow, seed=7, steps=steps)
    for sample in range(2):
        incoming = [int(x) for x in flow[sample]] if place == 0 else results[place - 1][0][sample]
        for index, neuron in enumerate(chosen):
            weight = [int(w) * 2**layer.synapse.exponent for w in layer.synapse.weight[neuron]]
            for t in range(len(trace.integrating)):
                sent = [max(-1, min(1, x)) * min(abs(x), t + 1) for x in incoming]
                assert trace.integrating[t, sample, index] == sum(w * x for w, x in zip(weight, sent, strict=True))
            value = results[place][1][sample][neuron]
            count = results[place][0][sample][neuron] if place < 2 else 0
            assert trace.membrane[0, sample, index] == value
            for t in range(steps):
                assert trace.spikes[t, sample, index] == (t < count)
                if t < count and isinstance(layer.neuron, ConstantThreshold):
                    value -= int(layer.neuron.mantissa[neuron]) * 64
                elif t < count and isinstance(layer.neuron, ExponentialThreshold):
                    value -= oracle.threshold(oracle.word(7, sample, neuron, t), layer.neuron.fraction)
                assert trace.membrane[t + 1, sample, index] == value


@settings(max_examples=10)
@given(seed=st.integers(0, 2**32), place=st.integers(0, 2))
def test_the_graded_step_by_hand(seed, place):
    network = networks.random_network(seed, side=2, hidden=(5,), latents=6)
    images = networks.random_images(seed, 2, 2, scale=3.0)
    layer = network.layers[place]
    trace = probe(network, images, layer.name, schedule="graded", seed=7)
    results = oracle.run(network, network.input.encode(images), seed=7)
    counts, charges = (np.array(values) for values in results[place])
    fired = np.zeros_like(counts) if place == 2 else counts
    assert (trace.spikes == fired[None]).all()
    assert (trace.counts == fired).all()
    assert (trace.membrane[0] == charges).all()
    for sample, neuron in np.ndindex(*fired.shape):
        left = int(charges[sample, neuron])
        for draw in range(fired[sample, neuron]):
            theta = (
                int(layer.neuron.mantissa[neuron]) * 64
                if isinstance(layer.neuron, ConstantThreshold)
                else oracle.threshold(oracle.word(7, sample, neuron, draw), layer.neuron.fraction)
            )
            left -= theta
        assert trace.membrane[1, sample, neuron] == left
    if not isinstance(layer.neuron, ExponentialThreshold):
        bias = 0 if layer.bias is None else layer.bias.value
        assert (trace.integrating[0] + bias == charges).all()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_streaming_steps_are_those_of_shorter_presentations(place):
    """Before the latents, a presentation's first t steps are a presentation of t steps."""
    network = networks.random_network(8, side=3, hidden=(5,), latents=6)
    images = networks.random_images(8, 4, 3, scale=3.0)
    layer, messages = network.layers[place], network.input.encode(images)
    options = {"seed": 7, "first_sample": 0, "schedule": "streaming"}
    trace = probe(network, images, layer.name, schedule="streaming", steps=12, seed=7)
    whole = runner(network, "numba")(messages, steps=12, **options)[place]
    assert (trace.counts == whole.counts).all()
    assert (trace.spikes.sum(0) == whole.counts).all()
    assert trace.spikes.max() <= 1
    if not isinstance(layer.neuron, ExponentialThreshold):
        assert (trace.integrating[-1] == whole.charge).all()
    if place == 0:
        for steps in range(1, 12):
            shorter = runner(network, "numba")(messages, steps=steps, **options)[0]
            assert (trace.spikes[:steps].sum(0) == shorter.counts).all()
            assert (trace.integrating[steps - 1] == shorter.charge).all()
        theta = layer.neuron.theta
        assert (trace.membrane[1:] == trace.integrating - np.cumsum(trace.spikes, 0) * theta).all()


@pytest.mark.parametrize("schedule", ["unary", "streaming"])
def test_some_steps_of_all(schedule):
    network = networks.random_network(8, side=3, hidden=(5,), latents=6)
    images = networks.random_images(8, 4, 3, scale=3.0)
    whole = probe(network, images, "hidden0", schedule=schedule, steps=9)
    some = probe(network, images, "hidden0", schedule=schedule, steps=9, kept=(3, 5))
    assert some.first_step == 3
    assert (some.spikes == whole.spikes[2:5]).all()
    assert (some.membrane == whole.membrane[2:6]).all()
    assert (some.counts == whole.counts).all()
    for kept in ((0, 3), (4, 3), (1, 10)):
        with pytest.raises(InputError, match="steps to probe"):
            probe(network, images, "hidden0", schedule=schedule, steps=9, kept=kept)


@pytest.mark.parametrize("schedule", ["graded", "unary", "streaming"])
def test_pictures_of_every_schedule(schedule, tmp_path):
    network = networks.random_network(1)
    trace = probe(network, networks.random_images(1, 3, scale=2.0), "latents", schedule=schedule, steps=8)
    draw_probe(trace, tmp_path / "probe.png")
    assert (tmp_path / "probe.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_and_refusals(tmp_path):
    network = networks.random_network(1)
    images = networks.random_images(1, 20, scale=2.0)
    trace = probe(network, images, "latents", steps=8)
    assert trace.neurons.tolist() == list(range(6))
    draw_probe(trace, tmp_path / "probe.png", sample=3)
    assert (tmp_path / "probe.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="layer to probe"):
        probe(network, images, "nothing")
    for neurons in ([], [-1], [6]):
        with pytest.raises(InputError, match="neurons to probe"):
            probe(network, images, "latents", np.array(neurons, np.int64))
