"""The integer network: frozen nodes, each with its equation.

A network is a chain: an input port, then layers. Every layer adds up weighted messages of the population before it
and hands the sum to its neurons:

    a = (W << exponent) x + bias            accumulators, int
    counts = neuron(a)                      messages of the next layer

Floating-point members (`scale`, `prior_rate`) never enter the computation; they say what an integer means.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.numerics import (
    BIAS_MANTISSA,
    MEMBRANE,
    PAYLOAD,
    THRESHOLD_MANTISSA,
    THRESHOLD_SHIFT,
    IntegerFormat,
    input_format,
    round_shift,
    weight_format,
)
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray, ImageShape

Shape = tuple[int, ...]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InputPort:
    """Images to integer messages: x = clip(rint(image / scale), low, high), and 0 where |x| < threshold.

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width.
    bits : int
        Width of a message.
    signed : bool
        Whether messages may be negative (a signed graded payload; an ON/OFF pair of lines in unary form).
    scale : float
        Pixel value of one count.
    threshold : int
        Counts below which an input is silent (`spiking_pvae.deploy.event_inputs`).
    """

    shape: ImageShape
    bits: int
    signed: bool
    scale: float
    threshold: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise InputError("input scale", given=self.scale, allowed="a finite number above 0")
        if self.threshold < 0:
            raise InputError("input threshold", given=self.threshold, allowed="counts, an integer of at least 0")

    @property
    def format(self) -> IntegerFormat:
        """Range of a message."""
        return input_format(self.bits, signed=self.signed)

    @property
    def neurons(self) -> int:
        """Number of input lines."""
        return math.prod(self.shape)

    def encode(self, images: FloatArray) -> Int64:
        """Quantise images.

        Parameters
        ----------
        images : ndarray of float32, shape (samples, channels, height, width)

        Returns
        -------
        ndarray of int64, shape (samples, neurons)

        Raises
        ------
        InputError
            The shape is not the network's, or a value is not finite.
        """
        if images.shape[1:] != self.shape:
            raise InputError("images", given=f"shape {images.shape}", allowed=f"shape (samples, {self.shape})")
        if not np.isfinite(images).all():
            raise InputError("images", given="NaN or infinity", allowed="finite values")
        flat = images.reshape(len(images), -1).astype(np.float64)
        counts = np.clip(np.rint(flat / self.scale), self.format.low, self.format.high).astype(np.int64)
        return np.where(np.abs(counts) < self.threshold, 0, counts)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dense:
    """All-to-all synapses: a = (weight << exponent) x.

    Parameters
    ----------
    weight : ndarray of int8, shape (outputs, inputs)
        Mantissas within the symmetric range of `bits`.
    exponent : int
        Shared left shift, 0 or more.
    bits : int
        Width of a mantissa.
    """

    weight: NDArray[np.int8]
    exponent: int
    bits: int

    def __post_init__(self) -> None:
        weight_format(self.bits).check(self.weight, layer="dense", remedy="Quantise with a larger scale.")
        if self.weight.ndim != 2 or self.exponent < 0:
            raise InputError(
                "dense synapses",
                given=f"weight of shape {self.weight.shape}, exponent {self.exponent}",
                allowed="a matrix (outputs, inputs) and an exponent of at least 0",
            )

    @property
    def inputs(self) -> int:
        """Neurons of the population before."""
        return int(self.weight.shape[1])

    @property
    def outputs(self) -> int:
        """Neurons of the population it leads to."""
        return int(self.weight.shape[0])


def convolved_shape(
    input_shape: ImageShape,
    weight_shape: Shape,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> ImageShape:
    """Return channels, height and width after a convolution with weights (outputs, inputs / groups, height, width)."""
    height, width = (
        (side + 2 * pad - gap * (taps - 1) - 1) // step + 1
        for side, pad, gap, taps, step in zip(input_shape[1:], padding, dilation, weight_shape[2:], stride, strict=True)
    )
    return weight_shape[0], height, width


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Conv2d:
    """Convolutional synapses: cross-correlation of zero-padded maps, as in torch.

        a[o, y, x] = sum_{c, i, j} (weight[o, c, i, j] << exponent) x[g + c, y s - p + i d, x s - p + j d]

    with g the first input channel of the output channel's group.

    Parameters
    ----------
    weight : ndarray of int8, shape (output channels, input channels / groups, kernel height, kernel width)
        Mantissas within the symmetric range of `bits`.
    exponent : int
        Shared left shift, 0 or more.
    bits : int
        Width of a mantissa.
    input_shape : tuple of int
        Channels, height and width of the population before.
    stride, padding, dilation : tuple of int
        Vertical and horizontal.
    groups : int
        Number of groups of channels.
    """

    weight: NDArray[np.int8]
    exponent: int
    bits: int
    input_shape: ImageShape
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        weight_format(self.bits).check(self.weight, layer="convolution", remedy="Quantise with a larger scale.")
        channels = self.input_shape[0]
        fits = (
            self.weight.ndim == 4
            and self.exponent >= 0
            and self.groups >= 1
            and self.weight.shape[0] % self.groups == 0
            and self.weight.shape[1] * self.groups == channels
            and min(*self.stride, *self.dilation) >= 1
            and min(self.padding) >= 0
        )
        if not fits or min(self.output_shape) < 1:
            raise InputError(
                "convolutional synapses",
                given=f"weight of shape {self.weight.shape}, {self.groups} groups, input {self.input_shape}",
                allowed="weight (outputs, inputs / groups, height, width) whose kernel fits the padded input",
            )

    @property
    def inputs(self) -> int:
        """Neurons of the population before."""
        return math.prod(self.input_shape)

    @property
    def output_shape(self) -> ImageShape:
        """Channels, height and width of the population it leads to."""
        return convolved_shape(
            self.input_shape, self.weight.shape, stride=self.stride, padding=self.padding, dilation=self.dilation
        )

    @property
    def outputs(self) -> int:
        """Neurons of the population it leads to."""
        return math.prod(self.output_shape)


Synapse = Dense | Conv2d


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bias:
    """Charge added once an inference: mantissa << exponent, shape (neurons,)."""

    mantissa: NDArray[np.int16]
    exponent: int

    @property
    def value(self) -> Int64:
        """The charge, int64 of shape (neurons,)."""
        return np.left_shift(self.mantissa.astype(np.int64), self.exponent)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConstantThreshold:
    """Soft-reset integrate-and-fire: n = clip(floor(a / theta), 0, n_max), theta = mantissa << 6.

    Parameters
    ----------
    mantissa : ndarray of int32, shape (neurons,)
        Threshold mantissas.
    n_max : int
        Largest count a step in the graded schedule.
    """

    mantissa: NDArray[np.int32]
    n_max: int

    @property
    def theta(self) -> Int64:
        """Thresholds, int64 of shape (neurons,)."""
        return np.left_shift(self.mantissa.astype(np.int64), THRESHOLD_SHIFT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExponentialThreshold:
    """Poisson neuron: the accumulator sets a rate, exponential thresholds turn the rate into a count.

    With a the accumulator, in integers:

        u = (a * gain + 2^(gain_shift - 1)) >> gain_shift               log-residual, 8 fractional bits
        e = table[clip(u, table_low, table_low + len(table) - 1) - table_low]    exp(softclamp(u))
        q = (e * rate + 2^(rate_shift - 1)) >> rate_shift               rate, `fraction` fractional bits

    and n = number of arrivals of a unit-rate process in [0, q] (`spiking_pvae.deploy.exponential`).

    Parameters
    ----------
    gain, gain_shift : ndarray of int64, shape (neurons,)
        Log-residual per accumulator unit, as mantissa and right shift.
    table : ndarray of int32, shape (entries,)
        exp of the soft-clamped log-residual in fixed point.
    table_low : int
        Log-residual (8 fractional bits) of the first entry.
    rate, rate_shift : ndarray of int64, shape (neurons,)
        Prior rate r0 as mantissa and right shift (the table's fractional bits and `fraction` folded in).
    fraction : int
        Fractional bits of the rate and of the thresholds.
    n_max : int
        Largest count an inference.
    prior_rate : ndarray of float64, shape (neurons,)
        r0 = exp(u0) of the model: the reference of the KL. Not used by the computation.
    """

    gain: Int64
    gain_shift: Int64
    table: NDArray[np.int32]
    table_low: int
    rate: Int64
    rate_shift: Int64
    fraction: int
    n_max: int
    prior_rate: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, shifts in (("gain_shift", self.gain_shift), ("rate_shift", self.rate_shift)):
            if shifts.min() < 1 or shifts.max() > 62:
                raise InputError(
                    f"{name} of Poisson neurons", given=f"{shifts.min()} .. {shifts.max()}", allowed="1 .. 62"
                )

    def charge(self, accumulator: Int64) -> Int64:
        """Return the rate q of each accumulator; shape (..., neurons) to the same shape."""
        u = round_shift(accumulator * self.gain, self.gain_shift)
        index = np.clip(u - self.table_low, 0, len(self.table) - 1)
        return round_shift(self.table[index].astype(np.int64) * self.rate, self.rate_shift)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readout:
    """Accumulators read by the host; they never fire."""


Neuron = ConstantThreshold | ExponentialThreshold | Readout


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One population and the synapses that lead to it.

    Parameters
    ----------
    name : str
        Unique in the network.
    shape : tuple of int
        Shape of the population; (channels, height, width) or (neurons,).
    synapse : Synapse
        Connections from the population before.
    bias : Bias, optional
        Charge added once an inference.
    neuron : Neuron
        What turns accumulators into counts.
    scale : ndarray of float64, shape (neurons,)
        Real value of one count, or of one accumulator unit where the neuron is a `Readout`.
    """

    name: str
    shape: Shape
    synapse: Synapse
    bias: Bias | None
    neuron: Neuron
    scale: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.scale.shape != (self.neurons,):
            raise InputError(
                f"scale of layer '{self.name}'", given=f"shape {self.scale.shape}", allowed=f"shape ({self.neurons},)"
            )
        if self.synapse.outputs != self.neurons:
            raise InputError(
                f"synapses of layer '{self.name}'",
                given=f"{self.synapse.outputs} outputs",
                allowed=f"{self.neurons}, the size of the population",
            )
        if self.bias is not None:
            BIAS_MANTISSA.check(self.bias.mantissa, layer=self.name, remedy="Use a larger bias exponent.")
            MEMBRANE.check(self.bias.value, layer=self.name, remedy="Use a smaller bias, or a larger weight scale.")
        if isinstance(self.neuron, ConstantThreshold):
            THRESHOLD_MANTISSA.check(self.neuron.mantissa, layer=self.name, remedy="Use a smaller weight exponent.")
            PAYLOAD.check(self.neuron.n_max, layer=self.name, remedy="Lower n_max.")
        if isinstance(self.neuron, ExponentialThreshold):
            largest = self.neuron.charge(np.full(self.neurons, MEMBRANE.high, np.int64))
            MEMBRANE.check(largest, layer=self.name, remedy="Use fewer fractional bits or a lower clamp.")
            PAYLOAD.check(self.neuron.n_max, layer=self.name, remedy="Lower n_max.")

    @property
    def neurons(self) -> int:
        """Size of the population."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """An input port and a chain of layers with exactly one Poisson (latent) layer and a readout at the end.

    Parameters
    ----------
    input : InputPort
        Where images enter.
    layers : tuple of Layer
        In the order of the flow.
    beta : float
        Weight of the KL with which the model was trained; for reports.
    """

    input: InputPort
    layers: tuple[Layer, ...]
    beta: float

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        if len(set(names)) != len(names) or "input" in names:
            raise InputError("layer names", given=names, allowed="unique names other than 'input'")
        poisson = [layer for layer in self.layers if isinstance(layer.neuron, ExponentialThreshold)]
        if len(poisson) != 1 or not isinstance(self.layers[-1].neuron, Readout):
            raise InputError(
                "network",
                given=f"{len(poisson)} Poisson layers, last layer {type(self.layers[-1].neuron).__name__}",
                allowed="exactly one Poisson layer, and a Readout at the end",
            )
        size = self.input.neurons
        for layer in self.layers:
            if layer.synapse.inputs != size:
                raise InputError(
                    f"synapses of layer '{layer.name}'",
                    given=f"{layer.synapse.inputs} inputs",
                    allowed=f"{size}, the size of the population before",
                )
            size = layer.neurons

    @property
    def latent(self) -> Layer:
        """The layer of Poisson neurons."""
        return next(layer for layer in self.layers if isinstance(layer.neuron, ExponentialThreshold))

    @property
    def readout(self) -> Layer:
        """The last layer, whose accumulators are the reconstruction."""
        return self.layers[-1]
