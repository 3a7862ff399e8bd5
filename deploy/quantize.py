"""From the float network to the integer network.

Weights get a scale for each output channel, inputs one scale for all. A Poisson layer's accumulator counts units of
(weight scale x input scale); its integer gain turns them into log-residuals with 8 fractional bits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.calibrate import Calibration, Grid, fit_grid
from spiking_pvae.deploy.floatnet import FloatLayer, FloatNetwork, Identity, PoissonRate, flatten
from spiking_pvae.deploy.ir import Bias, Dense, ExponentialThreshold, InputPort, Layer, Network, Neuron, Readout
from spiking_pvae.deploy.numerics import (
    BIAS_MANTISSA,
    INPUT_BITS,
    MEMBRANE,
    WEIGHT_BITS,
    mantissa_exponent,
    weight_format,
)
from spiking_pvae.errors import InputError, LimitError
from spiking_pvae.types import FloatArray

Float64 = NDArray[np.float64]

LOG_FRACTION = 8
"""Fractional bits of the log-residual: a step of 1/256 changes a rate by at most 0.4%."""
GAIN_BITS = 15
RATE_BITS = 16
RATE_FRACTION = 16
"""Most fractional bits of a rate; fewer where large rates need the room in the membrane."""
LEAST_RATE_FRACTION = 8
TABLE_MARGIN = 7.0
"""The table ends this far above the clamp, where exp(softclamp) is within 0.1% of its limit."""
LATENT_N_MAX = 2**15 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeConfig:
    """How a network becomes integer."""

    weight_bits: int = 8
    """Bits of a weight: 2, 4, 6 or 8."""
    input_bits: int = 8
    """Bits of an input message: 4, 6 or 8."""
    calibration: Calibration = "mse"
    """How scales are chosen: clip nothing, clip beyond a percentile, or least squared error."""

    def __post_init__(self) -> None:
        for what, given, allowed in (
            ("weight_bits", self.weight_bits, WEIGHT_BITS),
            ("input_bits", self.input_bits, INPUT_BITS),
        ):
            if given not in allowed:
                raise InputError(what, given=given, allowed=", ".join(map(str, allowed)))


def rate_table(clamp: float) -> tuple[NDArray[np.int32], int, int]:
    """Tabulate exp(c - softplus(c - u)) for u in steps of 2^-LOG_FRACTION.

    Returns
    -------
    table : ndarray of int32
        In fixed point, every entry below 2^23.
    low : int
        Log-residual of the first entry, in steps; below it the value rounds to 0.
    fraction : int
        Fractional bits of the entries.
    """
    fraction = 22 - math.floor(clamp / math.log(2))
    low = math.floor(-(fraction + 1) * math.log(2) * 2**LOG_FRACTION)
    high = math.ceil((clamp + TABLE_MARGIN) * 2**LOG_FRACTION)
    u = np.arange(low, high + 1) / 2**LOG_FRACTION
    values = np.rint(np.exp(clamp - np.logaddexp(0.0, clamp - u)) * 2.0**fraction)
    return values.astype(np.int32), low, fraction


def _poisson_neuron(name: str, activation: PoissonRate, unit: Float64) -> ExponentialThreshold:
    """Build the Poisson neurons of accumulators whose unit is `unit` nats of log-residual, shape (neurons,)."""
    table, low, table_fraction = rate_table(activation.clamp)
    prior_rate = np.exp(activation.prior_log_rate)
    largest = float(prior_rate.max()) * math.exp(activation.clamp)
    fraction = min(RATE_FRACTION, 22 - math.floor(math.log2(max(largest, 2.0**-40))))
    if fraction < LEAST_RATE_FRACTION:
        raise LimitError(
            name,
            limit=f"{MEMBRANE} with {LEAST_RATE_FRACTION} fractional bits",
            value=f"a rate of up to {largest:.3g} spikes an inference",
            remedy="Train with a lower clamp.",
        )
    gain, gain_shift = mantissa_exponent(unit * 2**LOG_FRACTION, GAIN_BITS)
    rate, rate_exponent = mantissa_exponent(prior_rate, RATE_BITS)
    return ExponentialThreshold(
        gain=gain,
        gain_shift=gain_shift,
        table=table,
        table_low=low,
        rate=rate,
        rate_shift=rate_exponent + table_fraction - fraction,
        fraction=fraction,
        n_max=LATENT_N_MAX,
        prior_rate=prior_rate,
    )


def _bias(values: Float64 | None, unit: Float64) -> Bias | None:
    """Write biases in accumulator units as 13-bit mantissas with one exponent."""
    if values is None:
        return None
    charge = values / unit
    largest = float(np.abs(charge).max())
    exponent = max(0, math.ceil(math.log2(max(largest, 1.0) / BIAS_MANTISSA.high)))
    return Bias(mantissa=np.rint(charge / 2.0**exponent).astype(np.int16), exponent=exponent)


def _quantize_layer(layer: FloatLayer, input_scale: float, shape: tuple[int, ...], config: QuantizeConfig) -> Layer:
    grid = fit_grid(layer.weight, weight_format(config.weight_bits), config.calibration)
    unit = grid.scale[:, 0] * input_scale
    neuron: Neuron
    match layer.activation:
        case PoissonRate():
            neuron, scale = _poisson_neuron(layer.name, layer.activation, unit), np.ones(len(unit))
        case Identity():
            neuron, scale = Readout(), unit
        case _:
            assert_never(layer.activation)
    return Layer(
        name=layer.name,
        shape=shape,
        synapse=Dense(weight=grid.integers(layer.weight).astype(np.int8), exponent=0, bits=config.weight_bits),
        bias=_bias(layer.bias, unit),
        neuron=neuron,
        scale=scale,
    )


def input_grid(port: InputPort) -> Grid:
    """Return the grid of an input port."""
    return Grid(scale=np.asarray(port.scale), format=port.format)


def _input_port(network: FloatNetwork, images: FloatArray, config: QuantizeConfig) -> InputPort:
    values = flatten(images).reshape(1, -1)
    signed = bool((values < 0).any())
    port = InputPort(shape=network.shape, bits=config.input_bits, signed=signed, scale=1.0)
    scale = float(fit_grid(values, port.format, config.calibration).scale[0, 0])
    return InputPort(shape=network.shape, bits=config.input_bits, signed=signed, scale=scale)


def quantize(network: FloatNetwork, images: FloatArray, config: QuantizeConfig | None = None) -> Network:
    """Turn a float network into an integer one.

    Parameters
    ----------
    network : FloatNetwork
    images : ndarray of float32, shape (samples, channels, height, width)
        Calibration data.
    config : QuantizeConfig, optional

    Returns
    -------
    Network

    Raises
    ------
    LimitError
        An integer does not fit its format.
    """
    config = config or QuantizeConfig()
    port = _input_port(network, images, config)
    layers: list[Layer] = []
    scale = port.scale
    for layer in network.layers:
        outputs = len(layer.weight)
        shape = network.shape if isinstance(layer.activation, Identity) else (outputs,)
        layers.append(_quantize_layer(layer, scale, shape, config))
        scale = 1.0
    return Network(input=port, layers=tuple(layers), beta=network.beta)
