"""From the float network to the integer network, layer by layer, each on the messages that the ones before it send.

Weights get a scale for each output channel (or one a layer). A Poisson layer's accumulator counts units of
log-residual that its gain knows (`spiking_pvae.deploy.latents`); hidden layers are described in
`spiking_pvae.deploy.hidden`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.calibrate import Calibration, Grid, fit_grid
from spiking_pvae.deploy.floatnet import (
    FloatLayer,
    FloatNetwork,
    Identity,
    PoissonRate,
    Rectify,
    accumulate,
    activate,
    flatten,
)
from spiking_pvae.deploy.hidden import MOST_EXPONENT, HiddenFormat, fine_format, power_of_two_format
from spiking_pvae.deploy.ir import ConstantThreshold, InputPort, Layer, Network, Neuron, Readout
from spiking_pvae.deploy.latents import poisson_neuron
from spiking_pvae.deploy.maps import ScaleMap, scale_inputs
from spiking_pvae.deploy.numerics import (
    ACTIVATION_BITS,
    INPUT_BITS,
    MEMBRANE,
    PAYLOAD,
    THRESHOLD_MANTISSA,
    WEIGHT_BITS,
    IntegerFormat,
)
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.ranges import layer_range
from spiking_pvae.deploy.rounding import round_to_output, second_moments
from spiking_pvae.deploy.signal import Signal, first_signal, next_signal
from spiking_pvae.deploy.sparsity import compact
from spiking_pvae.deploy.synapses import RealSynapse, Round, nearest, write_bias
from spiking_pvae.errors import InputError, LimitError
from spiking_pvae.types import FloatArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

MOST_VALUES = 200_000
"""Values that the search for a scale looks at."""
WIDENINGS = 24
"""How often a weight grid is made coarser before a layer is given up as too large for the membrane."""
COARSER = 8
"""How often a layer's power-of-two threshold may be doubled before its weights are made coarser."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeConfig:
    """How a network becomes integer."""

    weight_bits: int = 8
    """Bits of a weight: 2, 4, 6 or 8."""
    input_bits: int = 8
    """Bits of an input message: 4, 6 or 8; 1 for ON/OFF spikes (-1, 0, 1)."""
    activation_bits: int = 8
    """Bits of a hidden unit's count: 4, 6 or 8."""
    calibration: Calibration = "mse"
    """How scales are chosen: clip nothing, clip beyond a percentile, or least squared error."""
    granularity: Literal["channel", "layer"] = "channel"
    """One weight scale for each output channel, or one a layer."""
    rounding: Literal["nearest", "calibrated"] = "nearest"
    """Weights to the nearest integer, or up or down by the error of the layer's output on calibration data."""
    bias_correction: bool = True
    """Whether biases take up the mean error of each layer's output on calibration data."""
    equalisation: bool = False
    """Whether hidden channels are balanced against the weights that read them before anything is rounded."""
    threshold: Literal["fine", "power-of-two"] = "fine"
    """Hidden thresholds: one a channel, or one power of two a layer (in the encoder without a limit on counts)."""

    def __post_init__(self) -> None:
        for what, given, allowed in (
            ("weight_bits", self.weight_bits, WEIGHT_BITS),
            ("input_bits", self.input_bits, INPUT_BITS),
            ("activation_bits", self.activation_bits, ACTIVATION_BITS),
        ):
            if given not in allowed:
                raise InputError(what, given=given, allowed=", ".join(map(str, allowed)))


def _input_port(network: FloatNetwork, images: FloatArray, config: QuantizeConfig) -> InputPort:
    values = flatten(images).reshape(1, -1)
    signed = bool((values < 0).any())
    port = InputPort(shape=network.shape, bits=config.input_bits, signed=signed, scale=1.0)
    scale = float(fit_grid(values, port.format, config.calibration).scale[0, 0])
    return replace(port, scale=scale)


def input_grid(port: InputPort) -> Grid:
    """Return the grid of an input port."""
    return Grid(scale=np.asarray(port.scale), format=port.format)


def _roundings(moments: Float64, config: QuantizeConfig) -> Round:
    """Return the rounding that the settings ask for."""
    if config.rounding == "nearest":
        return nearest

    def calibrated(values: Float64, format_: IntegerFormat) -> Int64:
        groups = np.split(values, len(moments))
        return np.concatenate([round_to_output(g, h, format_) for g, h in zip(groups, moments, strict=True)])

    return calibrated


def _hidden_formats(
    scale: Float64, activations: Float64, config: QuantizeConfig, *, decoding: bool
) -> Iterator[HiddenFormat]:
    """Yield formats of a hidden layer, the finest thresholds first."""
    counts = IntegerFormat("hidden count", 0, 2**config.activation_bits - 1)

    def steps(rows: Float64) -> Float64:
        few = rows[:, :: -(-rows.size // MOST_VALUES)]
        return fit_grid(few, counts, config.calibration).scale[:, 0]

    step = float(steps(activations.reshape(1, -1))[0])
    match config.threshold:
        case "fine":
            for exponent in range(MOST_EXPONENT, -1, -1):
                format_ = fine_format(scale, exponent, step, counts.high)
                # A threshold at its limit would coarsen the weights.
                if exponent == 0 or format_.mantissa.max() < THRESHOLD_MANTISSA.high:
                    yield format_
        case "power-of-two":
            rows = activations.reshape(len(activations), len(scale), -1).swapaxes(0, 1).reshape(len(scale), -1)
            by_channel = np.where((rows > 0).any(1), steps(rows), step)
            # Latents' counts have so wide a range that only a limit keeps the sums of the next layer in bounds.
            n_max = counts.high if decoding else PAYLOAD.high
            for coarser in range(COARSER):
                yield power_of_two_format(scale, by_channel, n_max, coarser)
        case _:
            assert_never(config.threshold)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draft:
    """A layer on its way to integers.

    Parameters
    ----------
    layer : FloatLayer
    synapse : RealSynapse
        Its weights with the scales of the messages in them.
    signal : Signal
        Calibration data.
    """

    layer: FloatLayer
    synapse: RealSynapse
    signal: Signal

    def make(
        self, scale: Float64, hidden: HiddenFormat | None, round_: Round = nearest, *, correct: bool = False
    ) -> Layer:
        """Build the integer layer of weight scales, shape (channels,), or of a hidden format."""
        layer, exponent = self.layer, 0 if hidden is None else hidden.exponent
        integer = self.synapse.integer(scale if hidden is None else hidden.scale, exponent, round_)
        unit = self.synapse.spread(scale if hidden is None else hidden.scale) * 2.0**-exponent
        charge = None if layer.bias is None else layer.bias / unit
        if correct:
            wanted = accumulate(layer, self.signal.real).mean(0) / unit
            charge = wanted - project(integer, self.signal.messages).mean(0)
        neuron: Neuron
        match layer.activation:
            case PoissonRate():
                neuron, value = poisson_neuron(layer.name, layer.activation, unit), np.ones(len(unit))
            case Rectify():
                assert hidden is not None
                mantissa = self.synapse.spread(hidden.mantissa.astype(np.float64)).astype(np.int32)
                neuron = ConstantThreshold(mantissa=mantissa, n_max=hidden.n_max)
                value = self.synapse.spread(hidden.step)
                if charge is not None or hidden.rounds:
                    charge = neuron.theta / 2 + (0.0 if charge is None else charge)
            case Identity():
                neuron, value = Readout(), unit
            case _:
                assert_never(layer.activation)
        bias = write_bias(charge)
        return Layer(name=layer.name, shape=layer.shape, synapse=integer, bias=bias, neuron=neuron, scale=value)

    def bias_excess(self, scale: Float64, hidden: HiddenFormat | None) -> Float64:
        """Return each channel's largest bias as a share of half the membrane: too fine a unit makes it too large."""
        if self.layer.bias is None:
            return np.zeros(len(scale))
        unit = scale if hidden is None else hidden.scale * 2.0**-hidden.exponent
        largest: Float64 = np.abs(self.layer.bias).reshape(len(scale), -1).max(1) / unit
        return largest / (MEMBRANE.high / 2)


def _corrects(layer: FloatLayer, config: QuantizeConfig) -> bool:
    """Tell whether a layer may get a bias that it had not: not where one message and a rectifier shall be all."""
    return layer.bias is not None or config.threshold == "fine" or not isinstance(layer.activation, Rectify)


def _excess(layer: Layer, signal: Signal, channels: int) -> Float64:
    """Return each channel's largest partial sum as a share of the membrane; above 1 it does not fit."""
    sums = layer_range(layer, signal.bounds).sums
    worst = np.maximum(sums.high / MEMBRANE.high, sums.low / MEMBRANE.low)
    by_channel: Float64 = worst.reshape(channels, -1).max(1)
    return by_channel


def _quantize_layer(layer: FloatLayer, signal: Signal, config: QuantizeConfig) -> Layer:
    """Quantise one layer with the finest formats whose sums can't leave the membrane on any input in range."""
    assert not isinstance(layer.linear, ScaleMap)
    synapse = RealSynapse(linear=scale_inputs(layer.linear, signal.scale), bits=config.weight_bits)
    correct = config.bias_correction and _corrects(layer, config)
    # What the mean message does wrong is the bias's to correct: then only the variation around it counts.
    varying = signal.expected - signal.expected.mean(0) if correct else signal.expected
    moments = second_moments(synapse.integer(np.ones(len(synapse.rows)), 0), varying, signal.variance)
    scale = synapse.fit(config.calibration, moments, by_channel=config.granularity == "channel")
    round_ = _roundings(moments, config)
    draft = Draft(layer=layer, synapse=synapse, signal=signal)
    rectifies = isinstance(layer.activation, Rectify)
    activations = activate(layer, accumulate(layer, signal.real)) if rectifies else signal.real
    excess = np.ones(len(scale))
    for _ in range(WIDENINGS):
        formats: Iterator[HiddenFormat | None]
        formats = _hidden_formats(scale, activations, config, decoding=signal.decoding) if rectifies else iter((None,))
        for hidden in formats:
            excess = draft.bias_excess(scale, hidden)
            if excess.max() > 1:
                continue
            excess = _excess(draft.make(scale, hidden), signal, len(scale))
            if excess.max() > 1:
                continue
            made = draft.make(scale, hidden, round_, correct=correct)
            excess = _excess(made, signal, len(scale))
            if excess.max() <= 1:
                return made
        # Coarser weights for the channels that need it: fewer effective bits, but no overflow.
        scale = np.where(excess > 1, scale * np.maximum(excess, 1) * 1.01, scale)
    raise LimitError(
        layer.name,
        limit=str(MEMBRANE),
        value=f"a sum of up to {excess.max() * MEMBRANE.high:.3g}",
        remedy="Use fewer input or activation bits, or a smaller bias.",
    )


def quantize(network: FloatNetwork, images: FloatArray, config: QuantizeConfig | None = None) -> Network:
    """Turn a float network into an integer one.

    Parameters
    ----------
    network : FloatNetwork
        Prepared (`spiking_pvae.deploy.convert.prepare`).
    images : ndarray of float32, shape (samples, channels, height, width)
        Calibration data.
    config : QuantizeConfig, optional

    Returns
    -------
    Network
        No sum can leave the 24-bit membrane for any input in the range of its port; synapses of layers with few
        nonzero weights are listed (`spiking_pvae.deploy.sparsity`).

    Raises
    ------
    LimitError
        An integer does not fit its format.
    """
    config = config or QuantizeConfig()
    port = _input_port(network, images, config)
    signal = first_signal(port, images)
    layers: list[Layer] = []
    for layer in network.layers:
        layers.append(_quantize_layer(layer, signal, config))
        if layer is not network.layers[-1]:
            signal = next_signal(layer, layers[-1], signal)
    return compact(Network(input=port, layers=tuple(layers), beta=network.beta))
