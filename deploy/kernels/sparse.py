"""Weighted sums of integer messages over listed synapses.

Two forms of one sum. `event_sums` follows the lists of nonzero messages, a synapse at a time. `gather_sums` takes every
synapse, 64 in one instruction: the bytes of 64 inputs stand in a register, a permutation (AVX-512 VBMI) brings to each
of 16 outputs the four inputs that its next four synapses come from, and a dot product (AVX-512 VNNI) adds them up.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numpy.typing import NDArray

from spiking_pvae.compiling import compiled
from spiking_pvae.deploy.kernels.compile import instruction
from spiking_pvae.deploy.kernels.memory import aligned_bytes

LANES = 16
"""Outputs computed together: the 32-bit sums of a register."""
CHUNK = 64
"""Inputs that one register holds."""
GROUP = 4
"""Synapses of one output that one instruction adds up."""
ROWS = 8
"""Samples computed together, so that a loaded synapse is used eight times."""

_INT64 = ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), 64)
_SUMS = ir.VectorType(ir.IntType(32), LANES)


@cache
def has_gather() -> bool:
    """Tell whether this processor permutes the bytes of a register and has dot products of bytes."""
    features = llvm.get_host_cpu_features()
    return all(features.get(name) for name in ("avx512bw", "avx512vbmi", "avx512vnni"))


def pack_steps(weight: NDArray[np.int8]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Lay the nonzero weights of a matrix (outputs, inputs) out for `gather_sums`.

    Returns
    -------
    first : ndarray of int64, shape (tiles + 1,)
        Where the steps of each LANES outputs begin.
    offsets : ndarray of int64, shape (steps,)
        First input of the chunk that a step reads.
    packed : ndarray of uint8, shape (steps, 2, LANES, GROUP)
        Places of the inputs in the chunk, and the weights (int8); a weight of 0 where an output has none left.
    """
    outputs, inputs = weight.shape
    tiles, chunks = -(-outputs // LANES), -(-inputs // CHUNK)
    padded = np.zeros((tiles * LANES, chunks * CHUNK), np.int8)
    padded[:outputs, :inputs] = weight
    blocks = padded.reshape(tiles, LANES, chunks, CHUNK).transpose(0, 2, 1, 3)  # (tiles, chunks, LANES, CHUNK)
    number = np.count_nonzero(blocks, axis=3)
    rank = np.cumsum(blocks != 0, axis=3) - 1
    steps = -(-number.max(2) // GROUP)  # (tiles, chunks)
    begin = np.concatenate([[0], np.cumsum(steps.ravel())])
    packed = aligned_bytes(int(begin[-1]), 2, LANES, GROUP)
    tile, chunk, lane, place = np.nonzero(blocks)
    at = rank[tile, chunk, lane, place]
    step = begin[tile * chunks + chunk] + at // GROUP
    packed[step, 0, lane, at % GROUP] = place
    packed[step, 1, lane, at % GROUP] = blocks[tile, chunk, lane, place].view(np.uint8)
    offsets = np.repeat(np.tile(np.arange(chunks) * CHUNK, tiles), steps.ravel())
    return begin[::chunks].astype(np.int64), offsets.astype(np.int64), packed


def _gather_tile(rows: int) -> Any:
    """Return what adds the steps of one tile for so many message rows."""

    @instruction
    def gather(typing: Any, packed: Any, offsets: Any, steps: Any, messages: Any, stride: Any, sums: Any) -> Any:
        """Take addresses, the number of steps and the bytes from one message row to the next; LANES int32 a row out."""
        signature = types.void(*(types.intp,) * 6)

        def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            _emit(builder, arguments, rows)
            return context.get_dummy_value()

        return signature, generate

    return gather


def _emit(builder: Any, arguments: Any, rows: int) -> None:
    packed, offsets, steps, messages, stride, sums = arguments

    def load(address: Any, type_: Any) -> Any:
        return builder.load(builder.inttoptr(address, type_.as_pointer()), align=1)

    def number(value: int) -> Any:
        return ir.Constant(_INT64, value)

    insert: Any = cgutils.get_or_insert_function
    multiply = insert(builder.module, ir.FunctionType(_SUMS, [_SUMS] * 3), "llvm.x86.avx512.vpdpbusd.512")
    permute = insert(builder.module, ir.FunctionType(_BYTES, [_BYTES] * 2), "llvm.x86.avx512.permvar.qi.512")
    entry, loop = builder.block, builder.append_basic_block("loop")
    body, done = builder.append_basic_block("body"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    step = builder.phi(_INT64)
    step.add_incoming(number(0), entry)
    total = [builder.phi(_SUMS) for _ in range(rows)]
    builder.cbranch(builder.icmp_signed("<", step, steps), body, done)
    builder.position_at_end(body)
    here = builder.add(packed, builder.mul(step, number(2 * CHUNK)))
    places, weights = load(here, _BYTES), load(builder.add(here, number(CHUNK)), _SUMS)
    chunk = builder.add(messages, load(builder.add(offsets, builder.mul(step, number(8))), _INT64))
    step.add_incoming(builder.add(step, number(1)), body)
    for row in range(rows):
        bytes_ = load(builder.add(chunk, builder.mul(stride, number(row))), _BYTES)
        chosen = builder.bitcast(builder.call(permute, [bytes_, places]), _SUMS)
        total[row].add_incoming(ir.Constant(_SUMS, [0] * LANES), entry)
        total[row].add_incoming(builder.call(multiply, [total[row], chosen, weights]), body)
    builder.branch(loop)
    builder.position_at_end(done)
    for row in range(rows):
        address = builder.add(sums, number(row * LANES * 4))
        builder.store(total[row], builder.inttoptr(address, _SUMS.as_pointer()), align=1)


_gather_one, _gather_rows = _gather_tile(1), _gather_tile(ROWS)


@compiled
def gather_sums(
    first: NDArray[np.int64],
    offsets: NDArray[np.int64],
    packed: NDArray[np.uint8],
    offset: int,
    correction: NDArray[np.int32],
    messages: Any,
    sums: Any,
) -> None:
    """Add every synapse: sums[s, o] = sum_i W[o, i] messages[s, i].

    Parameters
    ----------
    first, offsets, packed
        `pack_steps` of W.
    offset : int
        Added to messages to make them 0 .. 255.
    correction : ndarray of int32, shape (outputs,)
        offset * sum_i W[o, i], taken off again.
    messages : ndarray of int, shape (samples, inputs)
        In -offset .. 255 - offset.
    sums : ndarray of int32, shape (samples, outputs)
        Written; exact while |sum| < 2^31.
    """
    samples, inputs = messages.shape
    outputs = sums.shape[1]
    stride = (inputs + CHUNK - 1) // CHUNK * CHUNK
    # A chunk must not lie across two cache lines: loads from two cost twice as much.
    room = np.zeros(ROWS * stride + CHUNK, np.uint8)
    rows = room[-room.ctypes.data % CHUNK :]
    block = np.empty((ROWS, LANES), np.int32)
    shift = np.int32(offset)
    steps, places, into = packed.ctypes.data, offsets.ctypes.data, block.ctypes.data
    whole = samples // ROWS
    for turn in range(whole + samples % ROWS):
        count = ROWS if turn < whole else 1
        start = turn * ROWS if turn < whole else whole * ROWS + turn - whole
        for row in range(count):
            for i in range(inputs):
                rows[row * stride + i] = np.uint8(np.int32(messages[start + row, i]) + shift)
        for tile in range(len(first) - 1):
            begin = first[tile]
            here, there = steps + begin * (2 * CHUNK), places + begin * 8
            if count == ROWS:
                _gather_rows(here, there, first[tile + 1] - begin, rows.ctypes.data, stride, into)
            else:
                _gather_one(here, there, first[tile + 1] - begin, rows.ctypes.data, stride, into)
            lane = tile * LANES
            width = min(LANES, outputs - lane)
            for row in range(count):
                for o in range(width):
                    sums[start + row, lane + o] = block[row, o] - correction[lane + o]


@compiled
def event_sums(starts: Any, targets: Any, values: NDArray[np.int8], messages: Any, sums: Any) -> None:
    """Add the synapses of nonzero messages: sums[s, targets[k]] += values[k] messages[s, i].

    Parameters
    ----------
    starts : ndarray of int, shape (inputs + 1,)
        Where the list of each input begins.
    targets : ndarray of int, shape (synapses,)
    values : ndarray of int8, shape (synapses,)
    messages : ndarray of int, shape (samples, inputs)
    sums : ndarray of int32 or int64, shape (samples, outputs)
        Written; exact while |sum| fits its type.
    """
    samples, inputs = messages.shape
    for s in range(samples):
        total = sums[s]
        total[:] = 0
        for i in range(inputs):
            message = messages[s, i]
            if message != 0:
                for k in range(starts[i], starts[i + 1]):
                    total[targets[k]] += values[k] * message
