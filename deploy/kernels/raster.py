"""Spike rasters through layers of soft-reset integrate-and-fire neurons, driven by events.

A raster is kept as bits, 64 neurons to a word. A tile of 64 neurons runs through all steps at once: its membranes stay
in registers, and a step adds up the weight rows of the inputs that spike in it. Weights are stored as bytes w + 128, so
that one 16-bit lane holds two of them, low + 256 high: the sum of the lanes and the sum of the high bytes give both
sums, exactly as long as none passes 2^16, which takes more than 256 rows.
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
FLUSH = 256
"""Rows after which 16-bit sums are added to 32-bit ones: 256 * 255 < 2^16."""
OFFSET = 128

_llvm: Any = cgutils
_INT64, _INT32, _INT16 = (ir.IntType(bits) for bits in (64, 32, 16))
_HALF = TILE // 2
_PAIRS, _WIDE = ir.VectorType(_INT16, _HALF), ir.VectorType(_INT32, _HALF)
_EIGHTS, _ZERO = ir.Constant(_PAIRS, [8] * _HALF), ir.Constant(_WIDE, None)


def pack_rows(weight: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Lay a matrix (outputs, inputs) out as bytes (tiles, inputs, TILE), neurons n and n + 32 side by side."""
    outputs, inputs = weight.shape
    tiles = -(-outputs // TILE)
    padded = np.zeros((tiles * TILE, inputs), np.int16)
    padded[:outputs] = weight
    halves = (padded + OFFSET).astype(np.uint8).reshape(tiles, 2, _HALF, inputs)
    rows = aligned_bytes(tiles, inputs, TILE)
    rows[:] = halves.transpose(0, 3, 2, 1).reshape(tiles, inputs, TILE)
    return rows


def _pointer(builder: Any, address: Any, type_: Any) -> Any:
    return builder.inttoptr(address, type_.as_pointer())


def _plus(builder: Any, address: Any, offset: int) -> Any:
    return builder.add(address, ir.Constant(_INT64, offset))


def _splat(builder: Any, scalar: Any, type_: Any) -> Any:
    undefined = ir.Constant(type_, ir.Undefined)
    single = builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
    lanes = ir.Constant(ir.VectorType(_INT32, type_.count), [0] * type_.count)
    return builder.shuffle_vector(single, undefined, lanes)


def _add_rows(builder: Any, weights: Any, offsets: Any, first: Any, last: Any, sums: list[Any]) -> None:
    """Add the weight rows at byte offsets[first:last] to two vectors of sums."""
    with cgutils.for_range_slice(builder, first, last, ir.Constant(_INT64, FLUSH), _INT64) as (start, _):
        rest = builder.add(start, ir.Constant(_INT64, FLUSH))
        stop = builder.select(builder.icmp_signed("<", rest, last), rest, last)
        both, upper = (_llvm.alloca_once_value(builder, ir.Constant(_PAIRS, None)) for _ in range(2))
        with cgutils.for_range(builder, stop, start=start, intp=_INT64) as rows:
            place = builder.add(offsets, builder.shl(rows.index, ir.Constant(_INT64, 2)))
            offset = builder.zext(builder.load(_pointer(builder, place, _INT32)), _INT64)
            pairs = builder.load(_pointer(builder, builder.add(weights, offset), _PAIRS), align=1)
            builder.store(builder.add(builder.load(both), pairs), both)
            builder.store(builder.add(builder.load(upper), builder.lshr(pairs, _EIGHTS)), upper)
        high = builder.load(upper)
        low = builder.sub(builder.load(both), builder.shl(high, _EIGHTS))
        for total, part in zip(sums, (low, high), strict=True):
            builder.store(builder.add(builder.load(total), builder.zext(part, _WIDE)), total)


@instruction
def _run_tile(
    typing: Any,
    weights: Any,
    offsets: Any,
    ends: Any,
    steps: Any,
    shift: Any,
    theta: Any,
    current: Any,
    state: Any,
    bounds: Any,
    bits: Any,
    words: Any,
) -> Any:
    """Run one tile through all steps; every argument but steps, shift and words (a step) is an address.

    Bounds are the smallest and largest membranes seen, each kept in half a tile of lanes.
    """
    signature = types.void(*[types.intp] * 11)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        weights, offsets, ends, steps, shift, theta, current, state, bounds, bits, words = arguments
        size = 4 * _HALF
        thetas, currents = (
            [builder.load(_pointer(builder, _plus(builder, first, h * size), _WIDE), align=1) for h in (0, 1)]
            for first in (theta, current)
        )
        places = [[_plus(builder, first, h * size) for h in (0, 1)] for first in (state, bounds)]
        places.append([_plus(builder, state, (2 + h) * size) for h in (0, 1)])
        held = [
            [_llvm.alloca_once_value(builder, builder.load(_pointer(builder, place, _WIDE), align=1)) for place in row]
            for row in places
        ]
        membrane, bound, count = held
        shifts = _splat(builder, builder.trunc(shift, _INT32), _WIDE)
        sums = [_llvm.alloca_once(builder, _WIDE) for _ in (0, 1)]
        with cgutils.for_range(builder, steps, intp=_INT64) as step:
            for total in sums:
                builder.store(_ZERO, total)
            end = builder.add(ends, builder.shl(step.index, ir.Constant(_INT64, 3)))
            first = builder.load(_pointer(builder, end, _INT64))
            last = builder.load(_pointer(builder, _plus(builder, end, 8), _INT64))
            _add_rows(builder, weights, offsets, first, last, sums)
            offset = builder.mul(builder.sub(last, first), ir.Constant(_INT64, OFFSET))
            taken = _splat(builder, builder.trunc(offset, _INT32), _WIDE)
            spikes = []
            for half in (0, 1):
                charge = builder.shl(builder.sub(builder.load(sums[half]), taken), shifts)
                value = builder.add(builder.load(membrane[half]), builder.add(charge, currents[half]))
                for kept, sign in zip(bound, ("<", ">"), strict=True):
                    old = builder.load(kept)
                    builder.store(builder.select(builder.icmp_signed(sign, value, old), value, old), kept)
                fires = builder.icmp_signed(">=", value, thetas[half])
                builder.store(builder.sub(value, builder.select(fires, thetas[half], _ZERO)), membrane[half])
                builder.store(builder.add(builder.load(count[half]), builder.zext(fires, _WIDE)), count[half])
                spikes.append(builder.zext(builder.bitcast(fires, _INT32), _INT64))
            word = builder.or_(spikes[0], builder.shl(spikes[1], ir.Constant(_INT64, _HALF)))
            place = builder.add(bits, builder.shl(builder.mul(step.index, words), ir.Constant(_INT64, 3)))
            builder.store(word, _pointer(builder, place, _INT64))
        for row, row_places in zip(held, places, strict=True):
            for value, place in zip(row, row_places, strict=True):
                builder.store(builder.load(value), _pointer(builder, place, _WIDE), align=1)
        return context.get_dummy_value()

    return signature, generate


@compiled
def _list_rows(bits: NDArray[np.uint64], offsets: NDArray[np.uint32], ends: NDArray[np.int64]) -> None:
    """List the byte offsets of the weight rows of every spike of one sample, and where each step's list ends."""
    place = 0
    ends[0] = 0
    for t in range(bits.shape[0]):
        for w in range(bits.shape[1]):
            word = bits[t, w]
            first = np.uint64(w * TILE)
            while word != 0:
                offsets[place] = np.uint32((first + lowest_bit(word)) * np.uint64(TILE))
                place += 1
                word &= word - np.uint64(1)
        ends[t + 1] = place


@compiled
def _keep(state: NDArray[np.int32], unit: int, counts: NDArray[np.int32], membrane: NDArray[np.int32]) -> int:
    """Take a sample's counts and last membranes out of its state; return the number of spikes."""
    spikes = 0
    for tile in range(len(state)):
        last, count = state[tile]
        for n in range(min(TILE, len(counts) - TILE * tile)):
            counts[TILE * tile + n] = count[n]
            membrane[TILE * tile + n] = last[n] << unit
            spikes += count[n]
    return spikes


@compiled
def run_events(
    weights: NDArray[np.uint8],
    exponent: int,
    unit: int,
    theta: NDArray[np.int32],
    current: NDArray[np.int32],
    start: NDArray[np.int32],
    incoming: NDArray[np.uint64],
    bits: NDArray[np.uint64],
    counts: NDArray[np.int32],
    membrane: NDArray[np.int32],
    limits: NDArray[np.int64],
) -> int:
    """Run samples through a layer, adding up the weight rows of inputs that spike.

    Charges are counted in units of 2^unit.

    Parameters
    ----------
    weights : ndarray of uint8, shape (tiles, inputs, TILE)
        `pack_rows`.
    exponent : int
        Left shift of the weights.
    unit : int
        At most the exponent; every threshold and first membrane is a multiple of 2^unit.
    theta : ndarray of int32, shape (tiles, TILE)
        In units.
    current : ndarray of int32, shape (samples or 1, tiles, TILE)
        What neurons receive in every step beside spikes, in units; one row for all samples or one each.
    start : ndarray of int32, shape (tiles, 2, TILE)
        First membrane, in units, and zeros: membrane and spikes.
    incoming : ndarray of uint64, shape (samples, steps, words)
        What the layer receives, as bits.
    bits : ndarray of uint64, shape (samples, steps, tiles)
        Written: the layer's spikes.
    counts, membrane : ndarray of int32, shape (samples, neurons)
        Written: spikes over all steps, membranes after the last one.
    limits : ndarray of int64, shape (2,)
        Smallest and largest membrane in units, widened.

    Returns
    -------
    int
        Spikes in all.
    """
    samples, steps, words = incoming.shape
    tiles = len(weights)
    offsets = np.empty(steps * words * TILE, np.uint32)
    ends = np.empty(steps + 1, np.int64)
    state = np.empty(start.shape, np.int32)
    bounds = np.zeros((2, TILE // 2), np.int32)
    spikes = 0
    for s in range(samples):
        _list_rows(incoming[s], offsets, ends)
        state[:] = start
        for tile in range(tiles):
            _run_tile(
                weights[tile].ctypes.data,
                offsets.ctypes.data,
                ends.ctypes.data,
                steps,
                exponent - unit,
                theta[tile].ctypes.data,
                current[min(s, len(current) - 1), tile].ctypes.data,
                state[tile].ctypes.data,
                bounds.ctypes.data,
                bits[s].ctypes.data + 8 * tile,
                tiles,
            )
        spikes += _keep(state, unit, counts[s], membrane[s])
    limits[0], limits[1] = min(limits[0], bounds[0].min()), max(limits[1], bounds[1].max())
    return spikes


@compiled
def run_sums(
    sums: NDArray[np.int32],
    exponent: int,
    unit: int,
    theta: NDArray[np.int32],
    current: NDArray[np.int32],
    start: NDArray[np.int32],
    spikes: NDArray[np.uint8],
    counts: NDArray[np.int32],
    membrane: NDArray[np.int32],
    limits: NDArray[np.int64],
) -> None:
    """Run samples through a layer whose weighted sums are known; see `run_events`.

    Sums and spikes, which are written, have shape (samples, steps, neurons); the current is one row for all samples.
    """
    samples, steps, neurons = sums.shape
    state = np.empty(start.shape, np.int32)
    bounds = np.zeros((2, TILE), np.int32)
    for s in range(samples):
        state[:] = start
        for tile in range(len(start)):
            value, count = state[tile]
            low, high = bounds
            first = TILE * tile
            for t in range(steps):
                for n in range(min(TILE, neurons - first)):
                    value[n] += (sums[s, t, first + n] << (exponent - unit)) + current[0, tile, n]
                    low[n], high[n] = min(low[n], value[n]), max(high[n], value[n])
                    fires = value[n] >= theta[tile, n]
                    spikes[s, t, first + n] = fires
                    value[n] -= theta[tile, n] * fires
                    count[n] += fires
        _keep(state, unit, counts[s], membrane[s])
    limits[0], limits[1] = min(limits[0], bounds[0].min()), max(limits[1], bounds[1].max())
