"""Exact Poisson numbers inside compiled loops; the method stands in `spiking_pvae.sampling.poisson`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from spiking_pvae.compiling import compiled
from spiking_pvae.sampling.philox_numba import block_words, unit_words
from spiking_pvae.sampling.poisson import LARGEST_PART, PARTS

STEP = 2.0**-33
SMALL = 8.0
"""Means up to it are inverted together; a unit of a larger one would make its whole tile take many steps."""


@compiled
def _invert(size: int, word: Any, mean: Any, count: Any, term: Any, below: Any) -> None:
    """Write the number of k with F(k) < U, for `size` means; `term` and `below` are scratch.

    All take the same steps, four terms of F at a time, until the last of them is done: on vectors that is far cheaper
    than following each by itself.
    """
    for place in range(size):
        x = mean[place] * (-1.0 / 512)  # e^-m is the 512th power of e^(-m / 512), a series of few terms
        e = 1 + x * (1 / 5) * (1 + x * (1 / 6) * (1 + x * (1 / 7) * (1 + x * (1 / 8))))
        e = 1 + x * (1 + x * (1 / 2) * (1 + x * (1 / 3) * (1 + x * (1 / 4) * e)))
        for _ in range(9):
            e *= e
        count[place], term[place], below[place] = 0.0, e, e
    k, left = 0.0, 1
    while left:
        left = 0
        a, b, c, d = 1 / (k + 1), 1 / (k + 2), 1 / (k + 3), 1 / (k + 4)
        k += 4
        for place in range(size):
            u = (2.0 * word[place] + 1.0) * STEP
            n, p, f, m = count[place], term[place], below[place], mean[place]
            n += 1.0 if f < u else 0.0
            p *= m * a
            f += p
            n += 1.0 if f < u else 0.0
            p *= m * b
            f += p
            n += 1.0 if f < u else 0.0
            p *= m * c
            f += p
            n += 1.0 if f < u else 0.0
            p *= m * d
            f += p
            count[place], term[place], below[place] = n, p, f
            left += 1 if f < u else 0


@compiled
def _invert_parts(
    count: Any, rate: Any, share: float, half: int, start: int, words: Any, parts: Any, part_words: Any, owner: Any,
    sample: Any, stream: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Add the counts of the units of a tile whose mean is not small, split into parts."""
    size = len(owner)
    mean, drawn, term, below = parts[0], parts[1], parts[2], parts[3]
    found = 0
    for unit in range(len(rate)):
        m = rate[unit] * share
        if m > SMALL:
            number = math.ceil(m / LARGEST_PART)
            for part in range(number):
                word = words[unit]
                if part:
                    w0, w1, _, _ = block_words(
                        np.uint32(start + unit), np.uint32(PARTS + part), sample, stream, k0, k1
                    )  # fmt: skip
                    word = np.uint32(w1 if half else w0)
                owner[found], part_words[found], mean[found] = unit, word, m / number
                found += 1
                if found == size:
                    _invert(found, part_words, mean, drawn, term, below)
                    for place in range(found):
                        count[owner[place]] += drawn[place]
                    found = 0
    _invert(found, part_words, mean, drawn, term, below)
    for place in range(found):
        count[owner[place]] += drawn[place]


@compiled
def numbers(
    count: Any, rate: Any, share: float, half: int, start: int, words: Any, scratch: Any, part_words: Any, owner: Any,
    sample: Any, stream: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Write how many arrivals each unit of a tile has in a window of length `share`.

    Parameters
    ----------
    count, rate : ndarray of float64, shape (tile,)
    share : float
    half : int
        0 or 1: which of a unit's two numbers it is.
    start : int
        The tile's first unit, a multiple of 4.
    words, part_words : ndarray of uint32, shape (tile,)
    scratch : ndarray of float64, shape (4, tile)
    owner : ndarray of int64, shape (tile,)
    sample, stream, k0, k1 : uint32
    """
    mean, term, below = scratch[0], scratch[1], scratch[2]
    larger = 0
    for unit in range(len(rate)):
        m = rate[unit] * share
        larger += 1 if m > SMALL else 0
        mean[unit] = 0.0 if m > SMALL else m
    unit_words(words, start // 4, np.uint32(half), sample, stream, k0, k1)
    _invert(len(rate), words, mean, count, term, below)
    if larger:
        _invert_parts(
            count, rate, share, half, start, words, scratch, part_words, owner, sample, stream, k0, k1
        )  # fmt: skip
