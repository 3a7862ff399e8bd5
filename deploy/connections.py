"""Synapses of the integer network: frozen nodes, each with its equation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.numerics import weight_format
from spiking_pvae.errors import InputError
from spiking_pvae.types import ImageShape


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
    def stored(self) -> int:
        """Mantissas that are held, zeros among them."""
        return int(self.weight.size)

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
    weight_shape: tuple[int, ...],
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
    def stored(self) -> int:
        """Mantissas that are held, zeros among them."""
        return int(self.weight.size)

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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sparse:
    """Listed synapses, by the neuron that they come from: what is not listed is not there.

        a[targets[k]] += (values[k] << exponent) x[i]        for starts[i] <= k < starts[i + 1]

    Parameters
    ----------
    starts : ndarray of int32 or int64, shape (inputs + 1,)
        Where the list of each input begins; the last entry is the number of synapses.
    targets : ndarray of uint16 or int32, shape (synapses,)
        Output of each synapse, rising within the list of an input.
    values : ndarray of int8, shape (synapses,)
        Mantissas within the symmetric range of `bits`, none of them 0.
    outputs : int
        Neurons of the population it leads to.
    exponent : int
        Shared left shift, 0 or more.
    bits : int
        Width of a mantissa.
    """

    starts: NDArray[np.signedinteger[Any]]
    targets: NDArray[np.integer[Any]]
    values: NDArray[np.int8]
    outputs: int
    exponent: int
    bits: int

    def __post_init__(self) -> None:
        weight_format(self.bits).check(self.values, layer="sparse", remedy="Quantise with a larger scale.")
        # Compiled code follows these lists without looking where they lead.
        shaped = self.starts.ndim == self.targets.ndim == self.values.ndim == 1 and len(self.starts) > 0
        fits = (
            shaped
            and self.exponent >= 0
            and self.starts[0] == 0
            and self.starts[-1] == len(self.targets) == len(self.values)
            and bool((np.diff(self.starts) >= 0).all())
            and bool((self.targets.astype(np.int64) < self.outputs).all())
            and bool((self.targets.astype(np.int64) >= 0).all())
            and bool(self.values.all())
        )
        if not fits or bool((np.diff(self.keys) <= 0).any()):
            raise InputError(
                "sparse synapses",
                given=f"{len(self.values)} mantissas, {len(self.targets)} targets, {len(self.starts)} starts, "
                f"exponent {self.exponent}",
                allowed=f"lists of nonzero mantissas with rising targets below {self.outputs}, starts that rise from 0 "
                "to their number, and an exponent of at least 0",
            )

    @property
    def stored(self) -> int:
        """Mantissas that are held: the synapses."""
        return len(self.values)

    @property
    def inputs(self) -> int:
        """Neurons of the population before."""
        return len(self.starts) - 1

    @property
    def sources(self) -> NDArray[np.int64]:
        """Input of each synapse, int64 of shape (synapses,)."""
        return np.repeat(np.arange(self.inputs), np.diff(self.starts))

    @property
    def keys(self) -> NDArray[np.int64]:
        """Place of each synapse in the transposed matrix, int64 of shape (synapses,); rises strictly."""
        return self.sources * max(self.outputs, 1) + self.targets

    @property
    def weight(self) -> NDArray[np.int8]:
        """The matrix of mantissas, written out anew: (outputs, inputs), 0 where no synapse is listed."""
        matrix = np.zeros((self.outputs, self.inputs), np.int8)
        matrix[self.targets, self.sources] = self.values
        return matrix

    @property
    def index_bits(self) -> int:
        """Bits that name one of the outputs."""
        return max(1, (self.outputs - 1).bit_length())


Synapse = Dense | Conv2d | Sparse
