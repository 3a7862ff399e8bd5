"""The integer network against exact rational arithmetic, for whatever lowering and quantisation made."""

import modules
import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy.floatnet import accumulate
from spiking_pvae.deploy.ir import ConstantThreshold
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.quantize import QuantizeConfig, quantize
from spiking_pvae.deploy.ranges import ranges
from spiking_pvae.deploy.simulate import runner
from spiking_pvae.errors import InputError

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
@given(parts=modules.float_networks(), seed=st.integers(0, 2**32))
def test_hidden_counts_round_the_float_activations(parts, seed):
    """Each count is the float layer's output on the very same messages, to half a step and the weights' rounding."""
    source, _, _ = parts
    network = quantize(source, images(source.shape, seed), QuantizeConfig(calibration="max"))
    messages = network.input.encode(images(source.shape, seed + 1, 5))
    outputs = runner(network, "reference")(messages, seed=0, first_sample=0, schedule="graded", steps=1)
    incoming, scale = messages, np.full(network.input.neurons, network.input.scale)
    for float_layer, layer, output in zip(source.layers, network.layers, outputs, strict=True):
        if isinstance(layer.neuron, ConstantThreshold):
            real = np.clip(accumulate(float_layer, incoming * scale), 0, layer.neuron.n_max * layer.scale)
            unit = layer.scale / layer.neuron.theta
            # Weights are off by at most half a mantissa unit, times the sum of the messages; the bias by half of its
            # own unit. Clipping of weights does not happen with calibration "max" up to the thresholds' shift.
            mantissa = np.abs(layer.synapse.weight).max()
            fan_in = np.abs(incoming).sum(1, keepdims=True) * 2.0**layer.synapse.exponent
            slack = 0.5 if mantissa < 127 else 0.5 + 127 * 0.5
            bias = 0.0 if layer.bias is None else 2.0**layer.bias.exponent
            limit = layer.scale * 0.5 + unit * (slack * fan_in + bias) + 1e-9
            assert (np.abs(output.counts * layer.scale - real) <= limit).all()
        incoming, scale = output.counts, layer.scale


def test_settings_are_checked():
    for bad in ({"weight_bits": 5}, {"input_bits": 2}, {"activation_bits": 16}):
        with pytest.raises(InputError):
            QuantizeConfig(**bad)
