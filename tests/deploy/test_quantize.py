"""Quantisation: fixed point against exact mathematics, scales against brute force, limits as errors."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy.calibrate import SEARCHED_SHARES, fit_grid
from spiking_pvae.deploy.fidelity import fidelity
from spiking_pvae.deploy.floatnet import FloatLayer, FloatNetwork, Identity, PoissonRate
from spiking_pvae.deploy.latents import LOG_FRACTION, rate_table
from spiking_pvae.deploy.maps import DenseMap
from spiking_pvae.deploy.numerics import MEMBRANE, mantissa_exponent, round_shift, weight_format
from spiking_pvae.deploy.quantize import QuantizeConfig, quantize
from spiking_pvae.deploy.synapses import DAMPING, RealSynapse
from spiking_pvae.errors import InputError, LimitError


@given(st.integers(-(2**60), 2**60), st.integers(1, 40))
def test_round_shift(value, shift):
    assert int(round_shift(np.array([value]), shift)[0]) == math.floor(value / 2**shift + 0.5) or abs(value) > 2**50
    assert int(round_shift(np.array([value]), shift)[0]) == (value + 2 ** (shift - 1)) // 2**shift


@given(st.floats(1e-12, 1e12), st.integers(4, 24))
def test_mantissa_exponent(value, bits):
    mantissa, exponent = (int(part[0]) for part in mantissa_exponent(np.array([value]), bits))
    assert 2 ** (bits - 1) <= mantissa < 2**bits
    assert abs(mantissa * 2.0**-exponent / value - 1) <= 2.0**-bits


@pytest.mark.parametrize("clamp", [0.5, 3.0, 5.0, 6.0, 8.0, 10.0])
def test_rate_table(clamp):
    table, low, fraction = rate_table(clamp)
    assert table.min() >= 0
    assert table.max() <= MEMBRANE.high
    assert table[0] <= 1
    for index in range(0, len(table), 97):
        u = (low + index) / 2**LOG_FRACTION
        exact = math.exp(clamp) / (1 + math.exp(clamp - u))  # exp(c - softplus(c - u))
        assert abs(table[index] / 2.0**fraction - exact) <= 2.0 ** -(fraction + 1) * 1.0001
    assert table[-1] / 2.0**fraction == pytest.approx(math.exp(clamp), rel=1.1e-3)


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.sampled_from([2, 4, 6, 8]))
def test_mse_calibration_is_the_best_of_its_search(seed, bits):
    rng = np.random.default_rng(seed)
    rows = rng.laplace(size=(3, 40))
    rows[1] = 0
    format_ = weight_format(bits)
    grid = fit_grid(rows, format_, "mse")
    for row, scale in zip(rows, grid.scale[:, 0], strict=True):
        if not row.any():
            assert scale == 1.0
            continue
        errors = []
        for share in SEARCHED_SHARES:
            step = share * np.abs(row).max() / format_.high
            errors.append(sum((v - step * max(format_.low, min(format_.high, round(v / step)))) ** 2 for v in row))
        ours = sum((v - scale * max(format_.low, min(format_.high, round(v / scale)))) ** 2 for v in row)
        assert ours == pytest.approx(min(errors))
    loose = fit_grid(rows, format_, "max")
    np.testing.assert_allclose(loose.scale[0, 0] * format_.high, np.abs(rows[0]).max())
    assert (np.abs(loose.quantise(rows) - rows) <= loose.scale / 2 * 1.000001).all()


def float_network(rng, *, latents=12, pixels=16, clamp=5.0, prior=-2.0, bias=True, size=0.3):
    return FloatNetwork(
        shape=(1, 4, pixels // 4),
        layers=(
            FloatLayer(
                name="latents",
                shape=(latents,),
                linear=DenseMap(weight=rng.normal(0, size, (latents, pixels))),
                bias=rng.normal(0, 0.2, latents) if bias else None,
                activation=PoissonRate(prior_log_rate=prior + rng.uniform(-1, 1, latents), clamp=clamp),
            ),
            FloatLayer(
                name="readout",
                shape=(1, 4, pixels // 4),
                linear=DenseMap(weight=rng.normal(0, 0.2, (pixels, latents))),
                bias=rng.normal(0, 0.2, pixels) if bias else None,
                activation=Identity(),
            ),
        ),
        beta=1.0,
    )


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([(1.0, 1.0), (5.0, 1.0), (10.0, -2.0)]), st.floats(0.0, 5.0))
def test_integer_rates_follow_the_float_rates(seed, limits, below):
    """With 8 bits: the log-rate is off by at most the grid steps of weights, inputs and the log-residual."""
    rng = np.random.default_rng(seed)
    clamp, prior = limits[0], limits[1] - below
    source = float_network(rng, clamp=clamp, prior=prior)
    images = rng.normal(size=(50, 1, 4, 4)).astype(np.float32)
    network = quantize(source, images, QuantizeConfig(calibration="max", bias_correction=False))
    neuron = network.latent.neuron
    x = network.input.encode(images)
    accumulator = x @ network.latent.synapse.weight.T.astype(np.int64) + network.latent.bias.value
    rate = neuron.charge(accumulator) / 2.0**neuron.fraction
    latent = source.layers[0]
    exact = latent.activation(images.reshape(50, -1).astype(float) @ latent.linear.weight.T + latent.bias)
    w = np.abs(source.layers[0].linear.weight)
    slack = (
        (np.abs(images.reshape(50, -1)) @ np.full((16, 1), 1.0)) * w.max(1) / 127 / 2  # weights
        + w.sum(1) * network.input.scale / 2  # inputs
        + 2.0**-LOG_FRACTION  # log-residual, bias mantissa
        + np.abs(source.layers[0].bias) / 4095
        + 2e-3
    )
    floor = 2.0 ** -(neuron.fraction + 1) + 2.0 ** -(23 - clamp / math.log(2)) * neuron.prior_rate
    assert (rate <= exact * np.exp(slack) + floor).all()
    assert (rate >= exact * np.exp(-slack) - floor).all()


def test_readout_scale_and_bias():
    rng = np.random.default_rng(0)
    source = float_network(rng)
    images = rng.normal(size=(50, 1, 4, 4)).astype(np.float32)
    network = quantize(source, images, QuantizeConfig(bias_correction=False))
    readout = network.readout
    rebuilt = readout.synapse.weight * readout.scale[:, None]
    assert np.abs(rebuilt - source.layers[1].linear.weight).max() < 0.02
    assert (np.abs(readout.bias.value * readout.scale - source.layers[1].bias) <= readout.scale / 2 * 1.0001).all()


def test_latents_that_always_fire_cost_nothing():
    """Rounding errors of their weights times their mean counts shift the reconstruction; the bias takes that up."""
    rng = np.random.default_rng(0)
    source = float_network(rng, bias=False)
    latents, readout = source.layers
    constant = np.arange(12) < 6
    log_rate = np.where(constant, 4.0, -1.0)
    encoding = np.where(constant[:, None], 0.01, 1.0) * latents.linear.weight
    # What they say together is 0, up to the rounding of weights that others make large.
    decoding = np.where(constant, 0.02, 1.0) * readout.linear.weight
    decoding[:, 5] = -decoding[:, :5].sum(1)
    source = replace(
        source,
        layers=(
            replace(
                latents,
                linear=DenseMap(weight=encoding),
                activation=replace(latents.activation, prior_log_rate=log_rate),
            ),
            replace(readout, linear=DenseMap(weight=decoding)),
        ),
    )
    train, held_out = (rng.normal(size=(500, 1, 4, 4)).astype(np.float32) for _ in range(2))
    plain = fidelity(source, quantize(source, train, QuantizeConfig(bias_correction=False)), held_out)
    corrected = fidelity(source, quantize(source, train), held_out)
    assert plain.nelbo_change_percent > 1
    assert abs(corrected.nelbo_change_percent) < 0.1


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([2, 4, 8]))
def test_scales_of_weights_follow_the_output_s_error(seed, bits):
    """Among the scales searched, the one whose independent rounding errors disturb the output least."""
    rng = np.random.default_rng(seed)
    weight, messages = rng.laplace(size=(3, 30)), rng.poisson(rng.gamma(0.3, 2.0, 30), (50, 30))
    synapse = RealSynapse(linear=DenseMap(weight=weight), bits=bits)
    moments = messages.T @ messages / 50
    scales = synapse.fit("mse", moments[None], by_channel=True)
    squares = np.diag(moments) + DAMPING * np.diag(moments).mean()

    def error(row, scale):
        high = synapse.format.high
        return sum(
            ((w - scale * max(-high, min(high, round(w / scale)))) ** 2) * s for w, s in zip(row, squares, strict=True)
        )

    for row, scale in zip(weight, scales, strict=True):
        tried = [error(row, share * np.abs(row).max() / synapse.format.high) for share in SEARCHED_SHARES]
        assert error(row, scale) == pytest.approx(min(tried))


def test_unsigned_inputs_use_every_level():
    rng = np.random.default_rng(0)
    images = rng.random((50, 1, 4, 4)).astype(np.float32)
    network = quantize(float_network(rng), images, QuantizeConfig(calibration="max"))
    assert not network.input.signed
    assert network.input.encode(images).max() == 255
    signed = quantize(float_network(rng), images - 0.5, QuantizeConfig(calibration="max"))
    assert signed.input.signed
    assert abs(signed.input.encode(images - 0.5)).max() == 127


def test_a_latent_that_never_fires_does_not_stop_the_conversion():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(50, 1, 4, 4)).astype(np.float32)
    source = float_network(rng)
    activation = source.layers[0].activation
    log_rate = activation.prior_log_rate.copy()
    log_rate[0] = -60.0
    silent = replace(source.layers[0], activation=replace(activation, prior_log_rate=log_rate))
    neuron = quantize(replace(source, layers=(silent, *source.layers[1:])), images).latent.neuron
    charge = neuron.charge(np.full(12, 2**20, np.int64))
    assert charge[0] == 0
    assert (charge[1:] > 0).any()


def test_rates_that_do_not_fit():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(50, 1, 4, 4)).astype(np.float32)
    assert quantize(float_network(rng, clamp=10.0, prior=-4.0), images).latent.neuron.fraction < 16
    with pytest.raises(LimitError, match=r"'latents'.*24-bit membrane.*lower clamp"):
        quantize(float_network(rng, clamp=10.0, prior=1.0), images)


@pytest.mark.parametrize("bad", [{"weight_bits": 3}, {"weight_bits": 16}, {"input_bits": 2}])
def test_bad_settings(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        QuantizeConfig(**bad)
