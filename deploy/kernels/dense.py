"""Weighted sums of small messages over all-to-all synapses: a = W x.

Every weight is multiplied, four inputs in one instruction (AVX-512 VNNI: unsigned messages times signed weights). Where
most messages are zero, `spiking_pvae.deploy.kernels.events` does less.
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

TILE = 64
"""Outputs computed together: four registers of 16 sums."""
ROWS = 4
"""Samples computed together, so that a loaded weight is used four times."""
GROUP = 4
"""Inputs multiplied by one instruction."""

_INT64 = ir.IntType(64)
_INT32 = ir.IntType(32)
_SUMS = ir.VectorType(_INT32, 16)
_REGISTER_BYTES = 64


@cache
def has_dot_product() -> bool:
    """Tell whether this processor multiplies and adds 64 bytes in one instruction."""
    features = llvm.get_host_cpu_features()
    return bool(features.get("avx512vnni") and features.get("avx512bw"))


def pack_groups(weight: NDArray[np.int8]) -> NDArray[np.int8]:
    """Lay a matrix (outputs, inputs) out for `dense_sums`: (tiles, groups, TILE, GROUP), padded with zeros."""
    outputs, inputs = weight.shape
    tiles, groups = -(-outputs // TILE), -(-inputs // GROUP)
    padded = np.zeros((tiles * TILE, groups * GROUP), np.int8)
    padded[:outputs, :inputs] = weight
    packed = aligned_bytes(tiles, groups, TILE, GROUP).view(np.int8)
    packed[:] = padded.reshape(tiles, TILE, groups, GROUP).transpose(0, 2, 1, 3)
    return packed


def _load(builder: Any, address: Any, type_: Any) -> Any:
    return builder.load(builder.inttoptr(address, type_.as_pointer()), align=1)


def _dot_tile(rows: int) -> Any:
    """Return the instructions that multiply `rows` message rows by one tile.

    They take addresses of weights and messages, the number of groups, and the address of the sums: 4 groups bytes a row
    in, TILE int32 a row out.
    """

    @instruction
    def dot_tile(typing: Any, weight: Any, message: Any, groups: Any, sums: Any) -> Any:
        signature = types.void(types.intp, types.intp, types.intp, types.intp)

        def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
            _multiply(builder, rows, *arguments)
            return context.get_dummy_value()

        return signature, generate

    return dot_tile


def _multiply(builder: Any, rows: int, weight: Any, message: Any, groups: Any, sums: Any) -> None:
    """Write a loop over the groups that keeps the sums of all rows in registers."""
    registers = TILE // 16
    insert: Any = cgutils.get_or_insert_function
    multiply = insert(builder.module, ir.FunctionType(_SUMS, [_SUMS] * 3), "llvm.x86.avx512.vpdpbusd.512")
    undefined = ir.Constant(_SUMS, ir.Undefined)
    everywhere = ir.Constant(_SUMS, [0] * 16)
    entry, loop, done = builder.block, builder.append_basic_block("loop"), builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    group = builder.phi(_INT64)
    group.add_incoming(ir.Constant(_INT64, 0), entry)
    total = [[builder.phi(_SUMS) for _ in range(registers)] for _ in range(rows)]
    first = builder.add(weight, builder.mul(group, ir.Constant(_INT64, TILE * GROUP)))
    weights = [
        _load(builder, builder.add(first, ir.Constant(_INT64, _REGISTER_BYTES * r)), _SUMS) for r in range(registers)
    ]
    stride = builder.mul(groups, ir.Constant(_INT64, GROUP))
    added = []
    for row in range(rows):
        offset = builder.mul(stride, ir.Constant(_INT64, row))
        address = builder.add(message, builder.add(offset, builder.mul(group, ir.Constant(_INT64, GROUP))))
        single = builder.insert_element(undefined, _load(builder, address, _INT32), ir.Constant(_INT32, 0))
        spread = builder.shuffle_vector(single, undefined, everywhere)
        added.append([builder.call(multiply, [total[row][r], spread, weights[r]]) for r in range(registers)])
    following = builder.add(group, ir.Constant(_INT64, 1))
    group.add_incoming(following, loop)
    for row in range(rows):
        for r in range(registers):
            total[row][r].add_incoming(ir.Constant(_SUMS, [0] * 16), entry)
            total[row][r].add_incoming(added[row][r], loop)
    builder.cbranch(builder.icmp_signed("<", following, groups), loop, done)
    builder.position_at_end(done)
    for row in range(rows):
        for r in range(registers):
            offset = ir.Constant(_INT64, (row * registers + r) * _REGISTER_BYTES)
            builder.store(added[row][r], builder.inttoptr(builder.add(sums, offset), _SUMS.as_pointer()), align=1)


_dot_one, _dot_rows = _dot_tile(1), _dot_tile(ROWS)


@compiled
def dense_sums(packed: NDArray[np.int8], offset: int, correction: NDArray[np.int32], messages: Any, sums: Any) -> None:
    """Add every product: sums[s, o] = sum_i W[o, i] messages[s, i].

    Parameters
    ----------
    packed : ndarray of int8, shape (tiles, groups, TILE, GROUP)
        `pack_groups` of W.
    offset : int
        Added to messages to make them 0 .. 255.
    correction : ndarray of int32, shape (outputs,)
        offset * sum_i W[o, i], taken off again.
    messages : ndarray of int, shape (samples, inputs)
        In -offset .. 255 - offset.
    sums : ndarray of int32, shape (samples, outputs)
        Written; exact while |sum| < 2^31.
    """
    tiles, groups = packed.shape[:2]
    samples, inputs = messages.shape
    outputs = sums.shape[1]
    rows = np.zeros((ROWS, groups * GROUP), np.uint8)
    block = np.empty((ROWS, TILE), np.int32)
    whole = samples // ROWS
    for turn in range(whole + samples % ROWS):
        count = ROWS if turn < whole else 1
        first = turn * ROWS if turn < whole else whole * ROWS + turn - whole
        for row in range(count):
            for i in range(inputs):
                rows[row, i] = np.uint8(messages[first + row, i] + offset)
        for tile in range(tiles):
            if count == ROWS:
                _dot_rows(packed[tile].ctypes.data, rows.ctypes.data, groups, block.ctypes.data)
            else:
                _dot_one(packed[tile].ctypes.data, rows.ctypes.data, groups, block.ctypes.data)
            start = tile * TILE
            width = min(TILE, outputs - start)
            for row in range(count):
                for o in range(width):
                    sums[first + row, start + o] = block[row, o] - correction[start + o]
