"""Spike rasters as bits, 64 neurons to a word, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from spiking_pvae.compiling import compiled
from spiking_pvae.deploy.kernels.compile import instruction

WORD = 64
_INT64 = ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), WORD)


@instruction
def set_bytes(typing: Any, address: Any) -> Any:
    """Return a bit for each of the 64 bytes at an address: 1 where it is not 0."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        loaded = builder.load(builder.inttoptr(arguments[0], _BYTES.as_pointer()), align=1)
        return builder.bitcast(builder.icmp_unsigned("!=", loaded, ir.Constant(_BYTES, None)), _INT64)

    return types.uint64(types.intp), generate


@instruction
def lowest_bit(typing: Any, word: Any) -> Any:
    """Return the place of the lowest set bit of a word that has one."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@instruction
def _ones(typing: Any, word: Any) -> Any:
    """Return the number of set bits."""

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@compiled
def pack_bits(raster: NDArray[np.uint8], bits: NDArray[np.uint64]) -> int:
    """Turn rasters (samples, steps, inputs) of bytes into bits (samples, steps, words); return the number of spikes."""
    samples, steps, inputs = raster.shape
    whole = inputs // WORD
    spikes = np.uint64(0)
    for s in range(samples):
        for t in range(steps):
            address = raster[s, t].ctypes.data
            for place in range(whole):
                word = set_bytes(address + WORD * place)
                bits[s, t, place] = word
                spikes += _ones(word)
            if whole < bits.shape[2]:
                last = np.uint64(0)
                for i in range(WORD * whole, inputs):
                    last |= np.uint64(raster[s, t, i] != 0) << np.uint64(i - WORD * whole)
                bits[s, t, whole] = last
                spikes += _ones(last)
    return int(spikes)


@compiled
def unpack_bits(bits: NDArray[np.uint64], raster: NDArray[np.uint8]) -> None:
    """Turn bits (samples, steps, words) into rasters (samples, steps, neurons) of bytes 0 and 1."""
    samples, steps, neurons = raster.shape
    for s in range(samples):
        for t in range(steps):
            for n in range(neurons):
                raster[s, t, n] = (bits[s, t, n // WORD] >> np.uint64(n % WORD)) & np.uint64(1)
