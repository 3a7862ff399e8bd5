"""Weighted sums of integer messages, for the reference backend.

Products of integers run as float64 matrix products, which are exact while every partial sum stays below 2^53: weights
have at most 8 bits and messages at most 24, so that holds for up to 2^22 synapses a neuron.
"""

from __future__ import annotations

from functools import singledispatch
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Conv2d, Dense, Sparse
from spiking_pvae.errors import UnsupportedError
from spiking_pvae.types import ImageShape

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

MOST_UNFOLDED = 2**22
"""Values of unfolded maps at once: 32 MiB."""


class Convolution(Protocol):
    """What a convolution is made of, in integers or in floating point (`spiking_pvae.deploy.ir.Conv2d`)."""

    @property
    def weight(self) -> NDArray[Any]:
        """Kernels, shape (output channels, input channels / groups, height, width)."""

    @property
    def input_shape(self) -> ImageShape:
        """Channels, height and width of the population before."""

    @property
    def output_shape(self) -> ImageShape:
        """Channels, height and width of the population it leads to."""

    @property
    def stride(self) -> tuple[int, int]:
        """Vertical and horizontal stride."""

    @property
    def padding(self) -> tuple[int, int]:
        """Vertical and horizontal zero padding."""

    @property
    def dilation(self) -> tuple[int, int]:
        """Vertical and horizontal dilation."""

    @property
    def groups(self) -> int:
        """Groups of channels."""


@singledispatch
def project(synapse: object, messages: Int64) -> Int64:
    """Return the weighted sums of messages; (samples, inputs) to (samples, outputs).

    Raises
    ------
    UnsupportedError
        No projection is known for this type of synapse.
    """
    raise UnsupportedError(
        f"The projection of synapses of type '{type(synapse).__name__}'", nearest="Dense, Sparse, Conv2d"
    )


@project.register
def _(synapse: Dense, messages: Int64) -> Int64:
    product = messages.astype(np.float64) @ synapse.weight.T.astype(np.float64)
    return np.left_shift(product.astype(np.int64), synapse.exponent)


@project.register
def _(synapse: Sparse, messages: Int64) -> Int64:
    sums = np.zeros((len(messages), synapse.outputs), np.int64)
    for source in np.flatnonzero(messages.any(0)):
        of_source = slice(synapse.starts[source], synapse.starts[source + 1])
        # No target twice in a list.
        sums[:, synapse.targets[of_source]] += messages[:, source, None] * synapse.values[of_source].astype(np.int64)
    return np.left_shift(sums, synapse.exponent)


@project.register
def _(synapse: Conv2d, messages: Int64) -> Int64:
    return np.left_shift(correlate(synapse, messages.astype(np.float64)).astype(np.int64), synapse.exponent)


def correlate(convolution: Convolution, messages: Float64) -> Float64:
    """Cross-correlate zero-padded maps with the kernels; (samples, inputs) to (samples, outputs)."""
    channels, height, width = convolution.output_shape
    groups = convolution.groups
    kernels = convolution.weight.reshape(groups, channels // groups, -1).astype(np.float64)
    outputs = np.empty((len(messages), channels * height * width))
    chunk = max(1, MOST_UNFOLDED // (kernels.shape[2] * groups * height * width))
    for start in range(0, len(messages), chunk):
        part = messages[start : start + chunk]
        columns = patches(convolution, part.reshape(len(part), *convolution.input_shape))
        # (groups, 1, group outputs, taps) @ (groups, samples, taps, places)
        product = kernels[:, None] @ columns
        outputs[start : start + chunk] = product.transpose(1, 0, 2, 3).reshape(len(part), -1)
    return outputs


def patches(synapse: Convolution, maps: Float64) -> Float64:
    """Unfold maps of shape (samples, channels, height, width) to (groups, samples, taps, places)."""
    (top, left), (down, right), (dy, dx) = synapse.padding, synapse.stride, synapse.dilation
    _, height, width = synapse.output_shape
    rows, columns = synapse.weight.shape[2:]
    padded = np.pad(maps, ((0, 0), (0, 0), (top, top), (left, left)))
    taps = [
        padded[:, :, y : y + (height - 1) * down + 1 : down, x : x + (width - 1) * right + 1 : right]
        for y in range(0, rows * dy, dy)
        for x in range(0, columns * dx, dx)
    ]
    stacked = np.stack(taps, 2)  # (samples, channels, taps, height, width)
    samples, channels = stacked.shape[:2]
    grouped = stacked.reshape(samples, synapse.groups, channels // synapse.groups * rows * columns, height * width)
    return grouped.transpose(1, 0, 2, 3)
