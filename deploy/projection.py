"""Weighted sums of integer messages, for the reference backend.

Products of integers run as float64 matrix products, which are exact while every partial sum stays below 2^53: weights
have at most 8 bits and messages at most 24, so that holds for up to 2^22 synapses a neuron.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Conv2d, Dense
from spiking_pvae.errors import UnsupportedError

Int64 = NDArray[np.int64]


@singledispatch
def project(synapse: object, messages: Int64) -> Int64:
    """Return the weighted sums of messages; (samples, inputs) to (samples, outputs).

    Raises
    ------
    UnsupportedError
        No projection is known for this type of synapse.
    """
    raise UnsupportedError(f"The projection of synapses of type '{type(synapse).__name__}'", nearest="Dense, Conv2d")


@project.register
def _(synapse: Dense, messages: Int64) -> Int64:
    product = messages.astype(np.float64) @ synapse.weight.T.astype(np.float64)
    return np.left_shift(product.astype(np.int64), synapse.exponent)


@project.register
def _(synapse: Conv2d, messages: Int64) -> Int64:
    samples = len(messages)
    channels, height, width = synapse.output_shape
    columns = patches(synapse, messages.reshape(samples, *synapse.input_shape).astype(np.float64))
    kernels = synapse.weight.reshape(synapse.groups, channels // synapse.groups, -1).astype(np.float64)
    # (groups, 1, group outputs, taps) @ (groups, samples, taps, places)
    product = kernels[:, None] @ columns
    ordered = product.transpose(1, 0, 2, 3).reshape(samples, channels * height * width)
    return np.left_shift(ordered.astype(np.int64), synapse.exponent)


def patches(synapse: Conv2d, maps: NDArray[np.float64]) -> NDArray[np.float64]:
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
