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
