"""Exponential thresholds from counter-based draws, in numpy alone: the same integers as the package's own.

Philox4x32-10 (Salmon et al., SC 2011) with counter (neuron // 4, draw, sample low, sample high); neuron % 4 picks the
word u. E = -ln((2u + 1) / 2^33) with 32 fractional bits, ln from a table of 2^11 intervals; the threshold is
floor(E 2^F (1 - 2^-(F+1))) + 1.
"""

from __future__ import annotations

import math

import numpy as np

LN = np.array([round(math.log1p(j / 2048) * 2**32) for j in range(2049)], np.int64)
LN2 = int(LN[-1])


def philox_word(seed: int, sample: int, neuron: np.ndarray, draw: int) -> np.ndarray:
    """Return the 32-bit word of each neuron, as uint64."""
    mask, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    one = np.ones(len(neuron), np.uint64)
    a = (neuron // 4).astype(np.uint64)
    b, c, d = one * np.uint64(draw), one * np.uint64(sample % 2**32), one * np.uint64(sample // 2**32)
    first, second = seed % 2**32, seed // 2**32
    for _ in range(10):
        left, right = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = (
            (right >> half) ^ b ^ np.uint64(first),
            right & mask,
            (left >> half) ^ d ^ np.uint64(second),
            left & mask,
        )
        first, second = (first + 0x9E3779B9) % 2**32, (second + 0xBB67AE85) % 2**32
    return np.stack([a, b, c, d])[neuron % 4, np.arange(len(neuron))]


def threshold(seed: int, sample: int, neuron: np.ndarray, draw: int, fraction: int) -> np.ndarray:
    """Return the threshold of each neuron, int64 with `fraction` fractional bits."""
    odd = 2 * philox_word(seed, sample, neuron, draw).astype(np.int64) + 1
    exponent = np.zeros_like(odd)
    for bits in (32, 16, 8, 4, 2, 1):  # position of the leading one
        high = (odd >> (exponent + bits)) > 0
        exponent += bits * high
    position = (odd << (33 - exponent)) - 2**33
    interval, rest = position >> 22, position & (2**22 - 1)
    logarithm = LN[interval] + ((LN[interval + 1] - LN[interval]) * rest >> 22)
    e = (33 - exponent) * LN2 - logarithm
    return ((e - (e >> (fraction + 1))) >> (32 - fraction)) + 1
