"""The integer network against exact rational arithmetic, for whatever lowering and quantisation made."""

from dataclasses import replace
from fractions import Fraction

import modules
import numpy as np
import oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from spiking_pvae.deploy.adversary import attack
from spiking_pvae.deploy.emulate import real_synapse
from spiking_pvae.deploy.floatnet import accumulate
from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.proof import prove
from spiking_pvae.deploy.quantize import QuantizeConfig, quantize
from spiking_pvae.deploy.ranges import Interval, partial_sums, ranges
from spiking_pvae.deploy.simulate import runner
from spiking_pvae.errors import InputError, LimitError

configs = st.builds(
    QuantizeConfig,
    weight_bits=st.sampled_from([2, 4, 6, 8]),
    input_bits=st.sampled_from([1, 4, 6, 8]),
    activation_bits=st.sampled_from([4, 6, 8]),
    calibration=st.sampled_from(["max", "percentile", "mse"]),
    granularity=st.sampled_from(["channel", "layer"]),
    rounding=st.sampled_from(["nearest", "calibrated"]),
    bias_correction=st.booleans(),
    threshold=st.sampled_from(["fine", "power-of-two"]),
)


def images(shape, seed, samples=40):
    return np.random.default_rng(seed).normal(0.2, 1.0, (samples, *shape)).astype(np.float32)


@settings(max_examples=50, deadline=None)
@given(parts=modules.float_networks(), config=configs, seed=st.integers(0, 2**32))
def test_every_count_equals_rational_arithmetic(parts, config, seed):
    source, _, _ = parts
    network = quantize(source, images(source.shape, seed), config)
    messages = network.input.encode(images(source.shape, seed + 1, 2))
    outputs = runner(network, "reference")(messages, seed=seed, first_sample=5, schedule="graded", steps=1)
    expected = oracle.run(network, messages, seed=seed, first_sample=5)
    for output, (counts, charges) in zip(outputs, expected, strict=True):
        assert output.counts.tolist() == counts
        assert output.charge.tolist() == charges


@settings(max_examples=40, deadline=None)
@given(parts=modules.float_networks(), config=configs, seed=st.integers(0, 2**32))
def test_every_sum_stays_within_the_membrane(parts, config, seed):
    source, _, _ = parts
    for bound in ranges(quantize(source, images(source.shape, seed), config)):
        assert bound.sums.high.max() <= MEMBRANE.high
        assert bound.sums.low.min() >= MEMBRANE.low


@settings(max_examples=30, deadline=None)
@given(parts=modules.float_networks(), config=configs, seed=st.integers(0, 2**32))
def test_hidden_counts_round_what_the_integers_mean(parts, config, seed):
    """Each count is the rectified sum of the dequantised weights, to half a step and the bias's own rounding."""
    source, _, _ = parts
    config = replace(config, threshold="fine", bias_correction=False)
    network = quantize(source, images(source.shape, seed), config)
    messages = network.input.encode(images(source.shape, seed + 1, 5))
    outputs = runner(network, "reference")(messages, seed=0, first_sample=0, schedule="graded", steps=1)
    incoming, scale = messages, np.full(network.input.neurons, network.input.scale)
    for float_layer, layer, output in zip(source.layers, network.layers, outputs, strict=True):
        if isinstance(layer.neuron, ConstantThreshold):
            linear = real_synapse(layer, scale)
            sums = accumulate(replace(float_layer, linear=linear), incoming * scale)
            real = np.clip(sums, 0, layer.neuron.n_max * layer.scale)
            bias = layer.scale / layer.neuron.theta * 2.0**layer.bias.exponent
            assert (np.abs(output.counts * layer.scale - real) <= (layer.scale + bias) / 2 * (1 + 1e-9)).all()
        incoming, scale = output.counts, layer.scale


def adversarial(network, layer, steps=40):
    """Search an input that pushes the partial sums of one layer as far as they go, climbing over corners."""
    rng = np.random.default_rng(0)
    low, high = network.input.format.low, network.input.format.high
    best = rng.integers(low, high + 1, network.input.neurons)
    score = -1
    for _ in range(steps):
        tried = best.copy()
        place = rng.random(len(best)) < 0.3
        tried[place] = rng.choice([low, 0, high], place.sum())
        reached = max(partial_sum_extremes(network, tried[None], layer))
        if reached > score:
            best, score = tried, reached
    return score


def partial_sum_extremes(network, messages, layer):
    """Largest magnitude of a partial sum of one layer on real inputs: all excitation, or all inhibition, first."""
    outputs = runner(network, "reference")(messages, seed=0, first_sample=0, schedule="graded", steps=1)
    incoming = messages if layer == 0 else outputs[layer - 1].counts.astype(np.int64)
    node = network.layers[layer]
    zero = np.zeros_like(incoming[0])
    seen = Interval(np.minimum(incoming[0], zero), np.maximum(incoming[0], zero))
    sums = partial_sums(node.synapse, seen, None if node.bias is None else node.bias.value)
    return int(sums.high.max()), int(-sums.low.min())


@settings(max_examples=6, deadline=None)
@given(parts=modules.float_networks(), config=configs, seed=st.integers(0, 2**32))
def test_no_input_found_by_search_leaves_the_bounds(parts, config, seed):
    source, _, _ = parts
    network = quantize(source, images(source.shape, seed), config)
    for place, bound in enumerate(ranges(network)):
        limit = max(int(bound.sums.high.max()), int(-bound.sums.low.min()))
        assert limit <= MEMBRANE.high + 1
        assert adversarial(network, place) <= limit


@settings(max_examples=8, deadline=None)
@given(parts=modules.float_networks(), config=configs, seed=st.integers(0, 2**32))
def test_no_input_along_the_slope_leaves_the_bounds(parts, config, seed):
    """Of every layer, the neurons with the largest and with a random bound, climbed along the sum's slope."""
    source, _, _ = parts
    network = quantize(source, images(source.shape, seed), config)
    rng = np.random.default_rng(seed)
    assert prove(network).holds
    for place, bound in enumerate(ranges(network)):
        widest = np.maximum(bound.sums.high, -bound.sums.low)
        for neuron in {int(widest.argmax()), int(rng.integers(len(widest)))}:
            score, messages = attack(network, place, neuron, sweeps=0)
            assert score <= widest[neuron]
            assert network.input.format.low <= messages.min()
            assert messages.max() <= network.input.format.high
            # What it says it reached is reached, by the integers of the simulator.
            run = runner(network, "reference")
            outputs = run(messages[None], seed=0, first_sample=0, schedule="graded", steps=1)
            incoming = messages if place == 0 else outputs[place - 1].counts[0]
            layer = network.layers[place]
            if not isinstance(layer.synapse, Conv2d):
                weights = layer.synapse.weight[neuron].tolist()
                row = [w * int(x) * 2**layer.synapse.exponent for w, x in zip(weights, incoming, strict=True)]
                row.append(0 if layer.bias is None else int(layer.bias.value[neuron]))
                assert score == max(sum(v for v in row if v > 0), -sum(v for v in row if v < 0))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_slope_leads_to_the_largest_sum_that_exists(sign):
    """Two hidden units that the same corner drives: the bound of their reader is reached exactly, by no chance."""
    source, _, _ = fixed_parts()
    network = quantize(source, images(source.shape, 0))
    first, second, *rest = network.layers
    rng = np.random.default_rng(2)
    weight = np.zeros_like(first.synapse.weight)
    weight[0] = rng.choice([-1, 1], 16) * rng.integers(1, 127, 16)
    weight[1] = weight[0] // 2
    reader = np.zeros_like(second.synapse.weight)
    reader[2, :2] = 100 * sign
    first = replace(first, synapse=replace(first.synapse, weight=weight), bias=None)
    second = replace(second, synapse=replace(second.synapse, weight=reader), bias=None)
    network = replace(network, layers=(first, second, *rest))
    _, bound, *_ = ranges(network)
    score, _ = attack(network, 1, 2, sweeps=0)
    assert score == max(bound.sums.high[2], -bound.sums.low[2])


def test_bounds_of_the_first_layer_are_reached():
    """Inputs of the sign of one neuron's weights drive its sum to the bound itself: it is tight."""
    source, _, _ = fixed_parts()
    network = quantize(source, images(source.shape, 0))
    first = network.layers[0]
    (bound, *_) = ranges(network)
    neuron = int(np.argmax(bound.sums.high))
    row = first.synapse.weight[neuron].astype(np.int64)
    messages = np.where(row > 0, network.input.format.high, network.input.format.low)
    reached = (row @ messages << first.synapse.exponent) + max(0, int(first.bias.value[neuron]))
    assert reached == bound.sums.high[neuron]


def fixed_parts():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
    decoder = nn.Sequential(nn.Linear(4, 16))
    return modules.lowered(encoder, decoder, 4, (1, 4, 4)), encoder, decoder


def test_refusals_come_with_an_input_or_say_that_the_bound_is_loose():
    source, _, _ = fixed_parts()
    network = quantize(source, images(source.shape, 0))
    assert prove(network).holds
    first, second, *rest = network.layers
    loud = replace(first, synapse=replace(first.synapse, weight=np.full_like(first.synapse.weight, 127), exponent=7))
    proof = prove(replace(network, layers=(loud, second, *rest)))
    (refusal,) = proof.refusals
    assert (refusal.layer, refusal.tight) == (first.name, True)
    with pytest.raises(LimitError, match="24-bit membrane"):
        runner(replace(network, layers=(loud, second, *rest)), "reference")(
            refusal.messages[None], seed=0, first_sample=0, schedule="graded", steps=1
        )
    # Two hidden units that exclude each other: interval arithmetic lets both fire, no input does.
    weight = np.zeros_like(first.synapse.weight)
    weight[0], weight[1] = 100, -100
    reader = np.zeros_like(second.synapse.weight)
    reader[0, :2] = 120
    apart = replace(first, synapse=replace(first.synapse, weight=weight))
    sums = replace(second, synapse=replace(second.synapse, weight=reader, exponent=8), bias=None)
    proof = prove(replace(network, layers=(apart, sums, *rest)))
    (refusal,) = proof.refusals
    assert refusal.layer == second.name
    assert refusal.tight is False
    assert "loose" in refusal.statement


@pytest.mark.parametrize("bias_correction", [False, True])
def test_power_of_two_thresholds_fit_one_message_and_a_rectifier(bias_correction):
    """Without biases a hidden layer is max(0, floor(W x / 2^k)), one k a layer, and no limit is ever reached."""
    torch.manual_seed(3)
    encoder = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(48, 9, bias=False),
        nn.ReLU(),
        nn.Linear(9, 4, bias=False),
    )
    source = modules.lowered(encoder, nn.Sequential(nn.Linear(4, 16)), 4, (1, 4, 4))
    config = QuantizeConfig(threshold="power-of-two", bias_correction=bias_correction)
    network = quantize(source, images(source.shape, 0), config)
    messages = network.input.encode(images(source.shape, 1))
    outputs = runner(network, "reference")(messages, seed=0, first_sample=0, schedule="graded", steps=1)
    hidden = [layer for layer in network.layers if isinstance(layer.neuron, ConstantThreshold)]
    assert len(hidden) == 2
    for layer, output, bound in zip(hidden, outputs, ranges(network), strict=False):
        (theta,) = set(layer.neuron.theta.tolist())
        divisor = Fraction(theta, 2**layer.synapse.exponent)
        assert divisor.denominator == 1
        assert divisor.numerator & (divisor.numerator - 1) == 0
        assert layer.bias is None
        assert bound.counts.high.max() < layer.neuron.n_max
        for row, counts in zip(messages.tolist(), output.counts.tolist(), strict=True):
            sums = oracle.sums(replace(layer.synapse, exponent=0), row)
            assert counts == [max(0, a // divisor.numerator) for a in sums]
        messages = output.counts


def test_settings_are_checked():
    for bad in ({"weight_bits": 5}, {"input_bits": 2}, {"activation_bits": 16}):
        with pytest.raises(InputError):
            QuantizeConfig(**bad)
