"""Neurons in one pass over their sums: charge, membrane limits, counts.

The formulas are those of `spiking_pvae.deploy.ir`, `spiking_pvae.deploy.philox` and `spiking_pvae.deploy.exponential`,
whose tables and constants are read here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.compiling import compiled
from spiking_pvae.deploy.exponential import INTERPOLATION_BITS, LOG2, LOG_TABLE, PRECISION
from spiking_pvae.deploy.kernels.compile import inlined
from spiking_pvae.deploy.philox import MULTIPLIERS, ROUNDS, WEYL

M0, M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
W0, W1 = np.uint64(WEYL[0]), np.uint64(WEYL[1])
WORD, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
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


@inlined
def _philox(block: int, draw: int, sample: np.int64, low: np.uint64, high: np.uint64) -> Any:
    """Return the four words of four neighbouring neurons: `spiking_pvae.deploy.philox.uniform_words`.

    Words are held in 64 bits whose upper halves are left dirty until a product or the end needs them clean.
    """
    c0, c1, c2, c3 = np.uint64(block), np.uint64(draw), np.uint64(sample) & WORD, np.uint64(sample) >> HALF
    for step in range(ROUNDS):
        p0, p1 = (c0 & WORD) * M0, (c2 & WORD) * M1
        k0, k1 = low + np.uint64(step) * W0, high + np.uint64(step) * W1
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1, (p0 >> HALF) ^ c3 ^ k1, p0
    return np.uint32(c0), np.uint32(c1), np.uint32(c2), np.uint32(c3)


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
def _first_words(sample: np.int64, key: tuple[np.uint64, np.uint64], words: NDArray[np.uint32]) -> None:
    """Write the words of every neuron's first draw; words[n % 4, n // 4] is that of neuron n."""
    low, high = key
    for block in range(words.shape[1]):
        words[0, block], words[1, block], words[2, block], words[3, block] = _philox(block, 0, sample, low, high)


@compiled
def _rates(value: NDArray[np.int32], constants: NDArray[np.int64], table: NDArray[np.int32], table_low: int) -> None:
    """Replace accumulators by rates: `spiking_pvae.deploy.ir.ExponentialThreshold.charge`.

    Three loops, of which the first and the last run on vectors; constants are gain, its shift, rate and its shift.
    """
    last = np.int64(len(table) - 1)
    for n in range(value.size):
        shift = constants[1, n]
        u = (value[n] * constants[0, n] + (np.int64(1) << (shift - 1))) >> shift
        value[n] = min(max(u - table_low, np.int64(0)), last)
    for n in range(value.size):
        value[n] = table[np.uint32(value[n])]
    for n in range(value.size):
        shift = constants[3, n]
        value[n] = (value[n] * constants[2, n] + (np.int64(1) << (shift - 1))) >> shift


@compiled
def exponential(
    sums: Any,
    exponent: int,
    bias: NDArray[np.int64],
    constants: NDArray[np.int64],
    table: NDArray[np.int32],
    table_low: int,
    fraction: int,
    n_max: int,
    key: tuple[np.uint64, np.uint64],
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
    widen = PRECISION - fraction
    for s in range(len(sums)):
        low, high = _charges(sums[s], exponent, bias, charge[s])
        limits[0], limits[1] = min(limits[0], low), max(limits[1], high)
        _rates(charge[s], constants, table, table_low)
        sample = np.int64(first_sample + s)
        _first_words(sample, key, words)
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
                    following = _philox(n >> 2, fired, sample, key[0], key[1])
                    theta = _threshold(following[n & 3], fraction)
            counts[s, n] = fired
