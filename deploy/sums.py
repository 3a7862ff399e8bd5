"""Weighted sums by compiled kernels: for each type of synapse the layout of its weights and the choice of a kernel."""

from __future__ import annotations

from functools import singledispatch
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Conv2d, Dense, Sparse
from spiking_pvae.deploy.kernels import convolution, dense, events, sparse, tally
from spiking_pvae.deploy.sparsity import convolution_matrix, matrix
from spiking_pvae.errors import UnsupportedError

Integers = NDArray[np.signedinteger[Any]]
Int32 = NDArray[np.int32]


class Sums(Protocol):
    """Adds up weighted messages, before the exponent."""

    def __call__(self, messages: Integers, room: Int32 | None = None) -> Integers:
        """Return sums (samples, outputs) of messages (samples, inputs), in the array given where 32 bits hold them."""


LARGEST_WEIGHT = 127
INT32_SUM = 2**31 - 1
DENSE_FROM = {True: 0.13, False: 2.0}
"""Share of nonzero messages from which every weight is multiplied, with and without a dot-product instruction."""
ROW, SYNAPSE, STEP, LONE_STEP = 1.1, 2.3, 0.27, 1.2
"""Times of the parts of kernels for listed synapses, of which only the ratios count (nanoseconds on one processor): a
message's row of 64 outputs, a synapse of a list, and a step of the gathering kernel, among others or for one sample."""
UNROLLED_UP_TO = 2**22
"""Weights of the largest matrix that a convolution is written out as: products of bytes that are mostly 0 take less
time than kernels added one message after the other, as long as the matrix stays in the cache."""


def sum_type(largest: int) -> type[np.int32] | type[np.int64]:
    """Return the type that holds every sum of messages whose magnitudes add up to `largest`: |a| <= 127 * sum |x|."""
    return np.int32 if largest * LARGEST_WEIGHT <= INT32_SUM else np.int64


@singledispatch
def compile_sums(synapse: object) -> Sums:
    """Return the function that adds up weighted messages.

    Raises
    ------
    UnsupportedError
        No kernel is known for this type of synapse.
    """
    raise UnsupportedError(
        f"The projection of synapses of type '{type(synapse).__name__}'", nearest="Dense, Sparse, Conv2d"
    )


@compile_sums.register
def _(synapse: Dense) -> Sums:
    rows = events.pack_rows(synapse.weight)
    packed = dense.pack_groups(synapse.weight)
    weight_sum = synapse.weight.sum(1, dtype=np.int32)
    corrections = {offset: offset * weight_sum for offset in (0, 128)}
    dense_from = DENSE_FROM[dense.has_dot_product()]

    def sums(messages: Integers, room: Int32 | None = None) -> Integers:
        low, high, nonzero, largest = tally.survey(messages)
        if sum_type(largest) is np.int64:
            wide = np.empty((len(messages), synapse.outputs), np.int64)
            events.wide_event_sums(rows, messages, wide)
            return wide
        result = np.empty((len(messages), synapse.outputs), np.int32) if room is None else room
        offset = 0 if low >= 0 else 128
        if nonzero > dense_from * messages.size and low >= -offset and high <= 255 - offset:
            dense.dense_sums(packed, offset, corrections[offset], messages, result)
        else:
            events.event_sums(rows, np.ascontiguousarray(messages, np.int32), result)
        return result

    return sums


@compile_sums.register
def _(synapse: Sparse) -> Sums:
    weight = synapse.weight
    following = SYNAPSE * len(synapse.values) / max(1, synapse.inputs)
    adding = ROW * -(-synapse.outputs // events.TILE)
    if not sparse.has_gather() and adding < following:
        return compile_sums(matrix(synapse))
    rows = events.pack_rows(weight)
    first, offsets, packed = sparse.pack_steps(weight)
    weight_sum = weight.sum(1, dtype=np.int32)
    lists = synapse.starts, synapse.targets, synapse.values

    def sums(messages: Integers, room: Int32 | None = None) -> Integers:
        low, high, nonzero, largest = tally.survey(messages)
        if sum_type(largest) is np.int64:
            wide = np.empty((len(messages), synapse.outputs), np.int64)
            sparse.event_sums(*lists, messages, wide)
            return wide
        result = np.empty((len(messages), synapse.outputs), np.int32) if room is None else room
        offset = 0 if low >= 0 else 128
        blocks, alone = divmod(len(messages), sparse.ROWS)
        gathering = (blocks * sparse.ROWS * STEP + alone * LONE_STEP) * len(offsets)
        fits = sparse.has_gather() and low >= -offset and high <= 255 - offset
        if fits and gathering < nonzero * min(adding, following):
            sparse.gather_sums(first, offsets, packed, offset, offset * weight_sum, messages, result)
        elif following < adding:
            sparse.event_sums(*lists, messages, result)
        else:
            events.event_sums(rows, np.ascontiguousarray(messages, np.int32), result)
        return result

    return sums


@compile_sums.register
def _(synapse: Conv2d) -> Sums:
    if synapse.inputs * synapse.outputs <= UNROLLED_UP_TO:
        return compile_sums(convolution_matrix(synapse))
    return _convolve(synapse)


def _convolve(synapse: Conv2d) -> Sums:
    """Return the sums of the kernels of nonzero messages."""
    taps = convolution.pack_taps(synapse.weight, synapse.groups)
    channels, height, width = synapse.output_shape
    geometry = (
        *synapse.input_shape[1:],
        *synapse.output_shape,
        *synapse.stride,
        *synapse.padding,
        *synapse.dilation,
        synapse.groups,
    )

    def sums(messages: Integers, room: Int32 | None = None) -> Integers:
        if sum_type(tally.survey(messages)[3]) is np.int64:
            wide = np.empty((len(messages), synapse.outputs), np.int64)
            convolution.event_sums(taps, geometry, messages, np.empty((height * width, channels), np.int64), wide)
            return wide
        result = np.empty((len(messages), synapse.outputs), np.int32) if room is None else room
        convolution.event_sums(taps, geometry, messages, np.empty((height * width, channels), np.int32), result)
        return result

    return sums
