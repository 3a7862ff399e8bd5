"""Weighted sums of graded messages over all-to-all synapses, adding the weight rows of nonzero messages only.

A tile of 64 sums stays in registers while the rows of a sample's messages, listed beforehand, are multiplied and added.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray

from spiking_pvae.compiling import compiled
from spiking_pvae.deploy.kernels.bits import lowest_bit
from spiking_pvae.deploy.kernels.compile import instruction
from spiking_pvae.deploy.kernels.memory import aligned_bytes

TILE = 64
LANES = 16
"""Sums in a register."""

_INT64, _INT32 = ir.IntType(64), ir.IntType(32)
_SUMS, _WEIGHTS = ir.VectorType(_INT32, LANES), ir.VectorType(ir.IntType(8), LANES)


def pack_rows(weight: NDArray[np.int8]) -> NDArray[np.int8]:
    """Lay a matrix (outputs, inputs) out as (tiles, inputs, TILE), each row within one cache line."""
    outputs, inputs = weight.shape
    tiles = -(-outputs // TILE)
    rows = aligned_bytes(tiles, inputs, TILE).view(np.int8)
    for tile in range(tiles):
        part = weight[tile * TILE : (tile + 1) * TILE]
        rows[tile, :, : len(part)] = part.T
    return rows


def _load(builder: Any, address: Any, type_: Any) -> Any:
    return builder.load(builder.inttoptr(address, type_.as_pointer()), align=1)


@instruction
def _add_rows(typing: Any, rows: Any, place: Any, value: Any, events: Any, sums: Any) -> Any:
    """Add value[e] times row place[e] for every event; addresses, TILE int32 out."""
    signature = types.void(*[types.intp] * 5)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        rows, place, value, events, sums = arguments
        registers = TILE // LANES
        totals: list[Any] = [cgutils.alloca_once_value(builder, ir.Constant(_SUMS, None)) for _ in range(registers)]  # type: ignore[no-untyped-call]
        undefined, everywhere = ir.Constant(_SUMS, ir.Undefined), ir.Constant(_SUMS, [0] * LANES)
        with cgutils.for_range(builder, events, intp=_INT64) as loop:
            offset = builder.shl(loop.index, ir.Constant(_INT64, 2))
            row = builder.zext(_load(builder, builder.add(place, offset), _INT32), _INT64)
            first = builder.add(rows, builder.mul(row, ir.Constant(_INT64, TILE)))
            message = _load(builder, builder.add(value, offset), _INT32)
            single = builder.insert_element(undefined, message, ir.Constant(_INT32, 0))
            spread = builder.shuffle_vector(single, undefined, everywhere)
            for index, total in enumerate(totals):
                weights = _load(builder, builder.add(first, ir.Constant(_INT64, LANES * index)), _WEIGHTS)
                product = builder.mul(builder.sext(weights, _SUMS), spread)
                builder.store(builder.add(builder.load(total), product), total)
        for index, total in enumerate(totals):
            address = builder.add(sums, ir.Constant(_INT64, 4 * LANES * index))
            builder.store(builder.load(total), builder.inttoptr(address, _SUMS.as_pointer()), align=1)
        return context.get_dummy_value()

    return signature, generate


@instruction
def _nonzero(typing: Any, address: Any) -> Any:
    """Return a bit for each of the 64 int32 at an address: 1 where it is not 0."""
    values = ir.VectorType(_INT32, TILE)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        return builder.bitcast(
            builder.icmp_unsigned("!=", _load(builder, arguments[0], values), ir.Constant(values, None)), _INT64
        )

    return types.uint64(types.intp), generate


@compiled
def _list(messages: NDArray[np.int32], place: NDArray[np.int32], value: NDArray[np.int32]) -> Any:
    """List the nonzero messages of one sample; return their number."""
    inputs = messages.size
    whole = inputs // TILE * TILE
    events = 0
    for first in range(0, whole, TILE):
        word = _nonzero(messages.ctypes.data + 4 * first)
        while word != 0:
            lowest = first + np.int64(lowest_bit(word))
            place[events], value[events] = lowest, messages[lowest]
            events += 1
            word &= word - np.uint64(1)
    for i in range(whole, inputs):
        if messages[i] != 0:
            place[events], value[events] = i, messages[i]
            events += 1
    return events


@compiled
def event_sums(rows: NDArray[np.int8], messages: NDArray[np.int32], sums: NDArray[np.int32]) -> None:
    """Add the weight rows of nonzero messages: sums[s, o] = sum_i W[o, i] messages[s, i].

    Parameters
    ----------
    rows : ndarray of int8, shape (tiles, inputs, TILE)
        `pack_rows` of W.
    messages : ndarray of int32, shape (samples, inputs)
    sums : ndarray of int32, shape (samples, outputs)
        Written; exact while |sum| < 2^31.
    """
    samples, inputs = messages.shape
    outputs = sums.shape[1]
    place, value = np.empty(inputs, np.int32), np.empty(inputs, np.int32)
    whole = outputs // TILE
    last = np.empty(TILE, np.int32)
    for s in range(samples):
        events = _list(messages[s], place, value)
        target = sums[s].ctypes.data
        for tile in range(whole):
            _add_rows(rows[tile].ctypes.data, place.ctypes.data, value.ctypes.data, events, target + 4 * TILE * tile)
        if whole < len(rows):
            _add_rows(rows[whole].ctypes.data, place.ctypes.data, value.ctypes.data, events, last.ctypes.data)
            for o in range(outputs - whole * TILE):
                sums[s, whole * TILE + o] = last[o]


@compiled
def wide_event_sums(rows: NDArray[np.int8], messages: Any, sums: NDArray[np.int64]) -> None:
    """Add up as `event_sums` where 32 bits might not hold a message or a sum."""
    samples, inputs = messages.shape
    tiles = len(rows)
    outputs = sums.shape[1]
    for s in range(samples):
        sums[s] = 0
        for i in range(inputs):
            message = np.int64(messages[s, i])
            if message != 0:
                for tile in range(tiles):
                    first = tile * TILE
                    for o in range(min(TILE, outputs - first)):
                        sums[s, first + o] += rows[tile, i, o] * message
