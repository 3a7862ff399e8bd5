"""Synapses of the integer network: frozen nodes, each with its equation."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
