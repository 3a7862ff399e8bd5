"""Neurons in one pass over their sums: charge, membrane limits, counts.

The formulas are those of `spiking_pvae.deploy.ir`, `spiking_pvae.deploy.philox` and `spiking_pvae.deploy.exponential`,
whose tables and constants are read here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exponential import INTERPOLATION_BITS, LOG2, LOG_TABLE, PRECISION
from spiking_pvae.deploy.kernels.compile import compiled
from spiking_pvae.deploy.philox import MULTIPLIERS, ROUNDS, WEYL

M0, M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
W0, W1 = np.uint32(WEYL[0]), np.uint32(WEYL[1])
SLACK = 256
"""Units of 2^-32 by which the bound on a threshold is lowered; the logarithm's error is below 140 of them."""
MANTISSA_MASK = 2**INTERPOLATION_BITS - 1


@compiled
def _charges(sums: Any, exponent: int, bias: NDArray[np.int64], charge: NDArray[np.int32]) -> tuple[np.int64, np.int64]:
    """Write (sums << exponent) + bias; return the smallest and the largest before they are cut to 32 bits."""
    low, high = np.int64(2**62), np.int64(-(2**62))
    for n in range(charge.size):
        value = (np.int64(sums[n]) << exponent) + bias[n]
        low, high = min(low, value), max(high, value)
        charge[n] = value
    return low, high


@compiled
def readout(
    sums: Any, exponent: int, bias: NDArray[np.int64], charge: NDArray[np.int32], limits: NDArray[np.int64]
) -> None:
    """Accumulators alone; widens `limits` (smallest, largest) to what was seen."""
    for s in range(len(sums)):
        low, high = _charges(sums[s], exponent, bias, charge[s])
        limits[0], limits[1] = min(limits[0], low), max(limits[1], high)


@compiled
def constant(
    sums: Any,
    exponent: int,
    bias: NDArray[np.int64],
    theta: NDArray[np.float64],
    n_max: int,
    charge: NDArray[np.int32],
    counts: NDArray[np.int32],
    limits: NDArray[np.int64],
) -> None:
    """Emit clip(floor(a / theta), 0, n_max).

    Both numbers have at most 24 bits, so that the quotient in double precision never rounds up to an integer.
    """
    most = np.float64(n_max)
    for s in range(len(sums)):
        low, high = _charges(sums[s], exponent, bias, charge[s])
        limits[0], limits[1] = min(limits[0], low), max(limits[1], high)
        for n in range(charge.shape[1]):
            quotient = np.floor(np.float64(charge[s, n]) / theta[n])
            counts[s, n] = np.int32(min(max(quotient, 0.0), most))


@compiled
def _words(
    seed: tuple[np.uint32, np.uint32], sample: np.int64, draw: int, first: int, words: NDArray[np.uint32]
) -> None:
    """Write the Philox words of blocks first, first + 1, ... of four neurons; words has shape (4, blocks)."""
    low, high = np.uint32(sample & 0xFFFFFFFF), np.uint32(sample >> 32)
    for block in range(words.shape[1]):
        c0, c1, c2, c3 = np.uint32(first + block), np.uint32(draw), low, high
        k0, k1 = seed
        for _ in range(ROUNDS):
            p0, p1 = np.uint64(c0) * M0, np.uint64(c2) * M1
            c0, c1, c2, c3 = (
                np.uint32(np.uint32(p1 >> np.uint64(32)) ^ c1 ^ k0),
                np.uint32(p1),
                np.uint32(np.uint32(p0 >> np.uint64(32)) ^ c3 ^ k1),
                np.uint32(p0),
            )
            k0, k1 = np.uint32(k0 + W0), np.uint32(k1 + W1)
        words[0, block], words[1, block], words[2, block], words[3, block] = c0, c1, c2, c3


@compiled
def _threshold(word: np.uint32, fraction: int) -> Any:
    """Exponential threshold of a uniform word: `spiking_pvae.deploy.exponential.thresholds` for one number."""
    odd = 2 * np.int64(word) + 1
    power, rest = 0, odd
    for step in (32, 16, 8, 4, 2, 1):
        if rest >> step:
            rest >>= step
            power += step
    mantissa = (odd << (33 - power)) - (1 << 33)
    index = mantissa >> INTERPOLATION_BITS
    low = LOG_TABLE[index]
    logarithm = low + (((LOG_TABLE[index + 1] - low) * (mantissa & MANTISSA_MASK)) >> INTERPOLATION_BITS)
    exponential = (33 - power) * LOG2 - logarithm
    return ((exponential - (exponential >> (fraction + 1))) >> (PRECISION - fraction)) + 1


@compiled
def _rates(
    accumulator: NDArray[np.int32],
    gain: NDArray[np.int64],
    gain_shift: NDArray[np.int64],
    table: NDArray[np.int32],
    table_low: int,
    rate: NDArray[np.int64],
    rate_shift: NDArray[np.int64],
) -> None:
    """Replace accumulators by rates: `spiking_pvae.deploy.ir.ExponentialThreshold.charge`."""
    last = np.int64(len(table) - 1)
    for n in range(accumulator.size):
        u = (accumulator[n] * gain[n] + (np.int64(1) << (gain_shift[n] - 1))) >> gain_shift[n]
        index = min(max(u - table_low, np.int64(0)), last)
        product = np.int64(table[np.uint64(index)]) * rate[n]
        accumulator[n] = (product + (np.int64(1) << (rate_shift[n] - 1))) >> rate_shift[n]


@compiled
def exponential(
    sums: Any,
    exponent: int,
    bias: NDArray[np.int64],
    gain: NDArray[np.int64],
    gain_shift: NDArray[np.int64],
    table: NDArray[np.int32],
    table_low: int,
    rate: NDArray[np.int64],
    rate_shift: NDArray[np.int64],
    fraction: int,
    n_max: int,
    seed: tuple[np.uint32, np.uint32],
    first_sample: int,
    charge: NDArray[np.int32],
    counts: NDArray[np.int32],
    limits: NDArray[np.int64],
) -> None:
    """Count the unit-rate arrivals in [0, rate]; most neurons are silent and are passed by one comparison.

    -ln U >= 1 - U, so that a word w with 2^32 - w above the charge (in units of 2^-32, SLACK allowed for the
    logarithm's error) can't be reached by the membrane.
    """
    neurons = charge.shape[1]
    words = np.empty((4, -(-neurons // 4)), np.uint32)
    more = np.empty((4, 1), np.uint32)
    widen = PRECISION - fraction
    for s in range(len(sums)):
        low, high = _charges(sums[s], exponent, bias, charge[s])
        limits[0], limits[1] = min(limits[0], low), max(limits[1], high)
        _rates(charge[s], gain, gain_shift, table, table_low, rate, rate_shift)
        sample = np.int64(first_sample + s)
        _words(seed, sample, 0, 0, words)
        for n in range(neurons):
            membrane = np.int64(charge[s, n])
            scaled = membrane << widen
            word = words[np.uint64(n) & np.uint64(3), np.uint64(n) >> np.uint64(2)]
            fired = 0
            if (1 << 32) - SLACK - np.int64(word) <= scaled + (scaled >> fraction):
                theta = _threshold(word, fraction)
                while fired < n_max and membrane >= theta:
                    membrane -= theta
                    fired += 1
                    _words(seed, sample, fired, n >> 2, more)
                    theta = _threshold(more[n & 3, 0], fraction)
            counts[s, n] = fired
