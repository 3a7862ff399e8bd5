"""The integer network: frozen nodes, each with its equation.

A network is a chain: an input port, then layers. Every layer adds up weighted messages of the population before it
and hands the sum to its neurons:

    a = (W << exponent) x + bias            accumulators, int
    counts = neuron(a)                      messages of the next layer

Floating-point members (`scale`, `prior_rate`) never enter the computation; they say what an integer means.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.connections import Conv2d, Dense, Sparse, Synapse
from spiking_pvae.deploy.neurons import ConstantThreshold, ExponentialThreshold, Neuron, Readout
from spiking_pvae.deploy.numerics import (
    BIAS_EXPONENT,
    BIAS_MANTISSA,
    COUNT,
    MEMBRANE,
    THRESHOLD_MANTISSA,
    IntegerFormat,
    input_format,
)
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray, ImageShape

__all__ = [
    "Bias",
    "ConstantThreshold",
    "Conv2d",
    "Dense",
    "ExponentialThreshold",
    "InputPort",
    "Layer",
    "Network",
    "Neuron",
    "Readout",
    "Sparse",
    "Synapse",
]

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
class Bias:
    """Charge added once an inference: mantissa << exponent, shape (neurons,)."""

    mantissa: NDArray[np.int16]
    exponent: int

    @property
    def value(self) -> Int64:
        """The charge, int64 of shape (neurons,)."""
        return np.left_shift(self.mantissa.astype(np.int64), self.exponent)


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
        if self.synapse.outputs != self.neurons:
            raise InputError(
                f"synapses of layer '{self.name}'",
                given=f"{self.synapse.outputs} outputs",
                allowed=f"{self.neurons}, the size of the population",
            )
        for what, values in self._members():
            if values.shape != (self.neurons,):
                raise InputError(
                    f"{what} of layer '{self.name}'", given=f"shape {values.shape}", allowed=f"shape ({self.neurons},)"
                )
        if self.bias is not None:
            BIAS_EXPONENT.check(self.bias.exponent, layer=self.name, remedy="Use a smaller bias.")
            BIAS_MANTISSA.check(self.bias.mantissa, layer=self.name, remedy="Use a larger bias exponent.")
            MEMBRANE.check(self.bias.value, layer=self.name, remedy="Use a smaller bias, or a larger weight scale.")
        if isinstance(self.neuron, ConstantThreshold):
            THRESHOLD_MANTISSA.check(self.neuron.mantissa, layer=self.name, remedy="Use a smaller weight exponent.")
            COUNT.check(self.neuron.n_max, layer=self.name, remedy="Choose n_max in this range.")
        if isinstance(self.neuron, ExponentialThreshold):
            largest = self.neuron.charge(np.full(self.neurons, MEMBRANE.high, np.int64))
            MEMBRANE.check(largest, layer=self.name, remedy="Use fewer fractional bits or a lower clamp.")
            COUNT.check(self.neuron.n_max, layer=self.name, remedy="Choose n_max in this range.")

    def _members(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield what must have one value a neuron; compiled code reads it without looking at its length."""
        yield "scale", self.scale
        if self.bias is not None:
            yield "bias", self.bias.mantissa
        match self.neuron:
            case ConstantThreshold():
                yield "threshold mantissas", self.neuron.mantissa
            case ExponentialThreshold():
                for name in ("gain", "gain_shift", "rate", "rate_shift", "prior_rate"):
                    yield name, getattr(self.neuron, name)
            case Readout():
                return
            case _:
                assert_never(self.neuron)

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
    data : str, optional
        Name or path of the data that it was made for.
    """

    input: InputPort
    layers: tuple[Layer, ...]
    beta: float
    data: str | None = None

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
    def message_scales(self) -> tuple[NDArray[np.float64], ...]:
        """Real value of one count of each message that a layer receives; one array of shape (inputs,) a layer."""
        first = np.full(self.input.neurons, self.input.scale)
        return first, *(layer.scale for layer in self.layers[:-1])

    @property
    def readout(self) -> Layer:
        """The last layer, whose accumulators are the reconstruction."""
        return self.layers[-1]
