"""Poisson neurons in one pass over their sums: rates, draws, counts.

The formulas are those of `spiking_pvae.deploy.neurons`, `spiking_pvae.deploy.philox` and
`spiking_pvae.deploy.exponential`, whose tables and constants are read here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.compiling import compiled
from spiking_pvae.deploy.exponential import INTERPOLATION_BITS, LOG2, LOG_TABLE, PRECISION
from spiking_pvae.deploy.kernels.bits import lowest_bit, set_bytes
from spiking_pvae.deploy.kernels.compile import inlined
from spiking_pvae.deploy.philox import MULTIPLIERS, ROUNDS, WEYL

M0, M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
W0, W1 = np.uint64(WEYL[0]), np.uint64(WEYL[1])
WORD, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
SLACK = 256
"""Units of 2^-32 by which the bound on a threshold is lowered; the logarithm's error is below 140 of them."""
MANTISSA_MASK = 2**INTERPOLATION_BITS - 1
DOUBLE_BITS, DOUBLE_BIAS = 52, 1023
DOUBLE_MASK = 2**DOUBLE_BITS - 1
GROUP = 64
"""Neurons whose comparisons make one word."""
LANES = 8
"""Neurons that draw together: 64-bit numbers in a register."""


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


@inlined
def _threshold(word: np.uint32, fraction: int) -> Any:
    """Exponential threshold of a uniform word: `spiking_pvae.deploy.exponential.thresholds` for one number.

    The odd number 2 w + 1 has at most 33 bits, so that its double holds power and mantissa exactly.
    """
    bits = np.float64(2 * np.int64(word) + 1).view(np.int64)
    power = (bits >> DOUBLE_BITS) - DOUBLE_BIAS
    mantissa = (bits & DOUBLE_MASK) >> (DOUBLE_BITS - PRECISION - 1)
    index = mantissa >> INTERPOLATION_BITS
    low = LOG_TABLE[index]
    logarithm = low + (((LOG_TABLE[index + 1] - low) * (mantissa & MANTISSA_MASK)) >> INTERPOLATION_BITS)
    exponential = (PRECISION + 1 - power) * LOG2 - logarithm
    return ((exponential - (exponential >> (fraction + 1))) >> (PRECISION - fraction)) + 1


@compiled
def _first_words(sample: np.int64, key: tuple[np.uint64, np.uint64], words: NDArray[np.uint32]) -> None:
    """Write the word of every neuron's first draw."""
    low, high = key
    for block in range(words.size // 4):
        first, second, third, fourth = _philox(block, 0, sample, low, high)
        words[4 * block], words[4 * block + 1] = first, second
        words[4 * block + 2], words[4 * block + 3] = third, fourth


@compiled
def _next_words(
    place: NDArray[np.int64],
    number: int,
    draw: int,
    sample: np.int64,
    key: tuple[np.uint64, np.uint64],
    words: NDArray[np.uint32],
) -> None:
    """Write the word of a later draw of the neurons place[:number]; both arrays have room for whole registers."""
    low, high = key
    for j in range((number + LANES - 1) & -LANES):
        neuron = place[j]
        first, second, third, fourth = _philox(neuron >> 2, draw, sample, low, high)
        even = first if neuron & 2 == 0 else third
        odd = second if neuron & 2 == 0 else fourth
        words[j] = even if neuron & 1 == 0 else odd


@compiled
def _rates(
    sums: Any,
    exponent: int,
    bias: NDArray[np.int64],
    constants: NDArray[np.int64],
    table: NDArray[np.int32],
    table_low: int,
    charge: NDArray[np.int32],
) -> tuple[np.int64, np.int64]:
    """Write the rates of accumulators, `spiking_pvae.deploy.ir.ExponentialThreshold.charge`; return their extremes.

    Three loops, of which the first and the last run on vectors; constants are gain, its shift, rate and its shift.
    """
    low, high = np.int64(2**62), np.int64(-(2**62))
    last = np.int64(len(table) - 1)
    for n in range(charge.size):
        value = (np.int64(sums[n]) << exponent) + bias[n]
        low, high = min(low, value), max(high, value)
        shift = constants[1, n]
        u = (value * constants[0, n] + (np.int64(1) << (shift - 1))) >> shift
        charge[n] = min(max(u - table_low, np.int64(0)), last)
    for n in range(charge.size):
        charge[n] = table[np.uint32(charge[n])]
    for n in range(charge.size):
        shift = constants[3, n]
        charge[n] = (charge[n] * constants[2, n] + (np.int64(1) << (shift - 1))) >> shift
    return low, high


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
    key_low: int,
    key_high: int,
    first_sample: int,
    charge: NDArray[np.int32],
    counts: NDArray[np.int32],
    limits: NDArray[np.int64],
) -> None:
    """Count the unit-rate arrivals in [0, rate]; most neurons are silent and are passed by one comparison.

    -ln U >= 1 - U, so that a word w with 2^32 - w above the charge (in units of 2^-32, SLACK allowed for the
    logarithm's error) can't be reached by the membrane. Neurons that fired are listed and draw again together.
    """
    neurons = charge.shape[1]
    words = np.empty(-(-neurons // 4) * 4, np.uint32)
    near = np.zeros(-(-neurons // GROUP) * GROUP, np.uint8)
    place, rest = np.zeros(neurons + LANES, np.int64), np.empty(neurons + LANES, np.int64)
    drawn = np.empty(neurons + LANES, np.uint32)
    widen, key = PRECISION - fraction, (np.uint64(key_low), np.uint64(key_high))
    for s in range(len(sums)):
        low, high = _rates(sums[s], exponent, bias, constants, table, table_low, charge[s])
        limits[0], limits[1] = min(limits[0], low), max(limits[1], high)
        sample = np.int64(first_sample + s)
        _first_words(sample, key, words)
        for n in range(neurons):
            scaled = np.int64(charge[s, n]) << widen
            near[n] = (1 << 32) - SLACK - np.int64(words[n]) <= scaled + (scaled >> fraction)
        counts[s] = 0
        fired = 0
        for first in range(0, neurons, GROUP):
            bits = set_bytes(near.ctypes.data + first)
            while bits != 0:
                lowest = first + np.int64(lowest_bit(bits))
                bits &= bits - np.uint64(1)
                place[fired], rest[fired] = lowest, charge[s, lowest] - _threshold(words[lowest], fraction)
                fired += rest[fired] >= 0
        for draw in range(1, n_max + 1):
            for j in range(fired):
                counts[s, place[j]] = draw
            if fired == 0 or draw == n_max:
                break
            _next_words(place, fired, draw, sample, key, drawn)
            again = 0
            for j in range(fired):
                place[again], rest[again] = place[j], rest[j] - _threshold(drawn[j], fraction)
                again += rest[again] >= 0
            fired = again


@compiled
def first_thresholds(fraction: int, key_low: int, key_high: int, first_sample: int, theta: NDArray[np.int64]) -> None:
    """Write every neuron's first threshold; (samples, neurons)."""
    samples, neurons = theta.shape
    key = np.uint64(key_low), np.uint64(key_high)
    words = np.empty(-(-neurons // 4) * 4, np.uint32)
    for s in range(samples):
        _first_words(np.int64(first_sample + s), key, words)
        for n in range(neurons):
            theta[s, n] = _threshold(words[n], fraction)


@compiled
def stream(
    sums: Any,
    exponent: int,
    bias: NDArray[np.int64],
    constants: NDArray[np.int64],
    table: NDArray[np.int32],
    table_low: int,
    fraction: int,
    n_max: int,
    key_low: int,
    key_high: int,
    first_sample: int,
    clock: tuple[int, int, int],
    membrane_limits: tuple[int, int],
    received: NDArray[np.int64],
    integrated: NDArray[np.int64],
    membrane: NDArray[np.int64],
    theta: NDArray[np.int64],
    counts: NDArray[np.int32],
    spikes: NDArray[np.int32],
    limits: NDArray[np.int64],
) -> None:
    """Run one step of the streaming schedule (`spiking_pvae.deploy.streaming`).

    The clock is step, steps and period; quotients in double precision are exact for numerators below 2^53.
    """
    neurons = counts.shape[1]
    key = np.uint64(key_low), np.uint64(key_high)
    step, steps, period = clock
    lowest, highest = membrane_limits
    last = np.int64(len(table) - 1)
    index = np.empty(neurons, np.int64)
    low, high = np.int64(0), np.int64(0)
    for s in range(len(sums)):
        for n in range(neurons):
            value = received[s, n] + (np.int64(sums[s, n]) << exponent) + bias[n]
            received[s, n] = value
            low, high = min(low, value), max(high, value)
        for n in range(neurons):
            estimate = np.int64(np.floor(np.float64(received[s, n] * period) / np.float64(step)))
            value = min(max(estimate, np.int64(lowest)), np.int64(highest))
            shift = constants[1, n]
            u = (value * constants[0, n] + (np.int64(1) << (shift - 1))) >> shift
            index[n] = min(max(u - table_low, np.int64(0)), last)
        for n in range(neurons):
            index[n] = table[np.uint64(index[n])]
        for n in range(neurons):
            shift = constants[3, n]
            before = np.floor(np.float64(integrated[s, n]) / np.float64(steps))
            integrated[s, n] += (index[n] * constants[2, n] + (np.int64(1) << (shift - 1))) >> shift
            membrane[s, n] += np.int64(np.floor(np.float64(integrated[s, n]) / np.float64(steps)) - before)
            high = max(high, membrane[s, n])
        for n in range(neurons):
            spikes[s, n] = (membrane[s, n] >= theta[s, n]) & (counts[s, n] < n_max)
        for n in range(neurons):
            if spikes[s, n] != 0:
                membrane[s, n] -= theta[s, n]
                counts[s, n] += 1
                words = _philox(n >> 2, counts[s, n], np.int64(first_sample + s), key[0], key[1])
                theta[s, n] = _threshold(words[n & 3], fraction)
    limits[0], limits[1] = min(limits[0], low), max(limits[1], high)
