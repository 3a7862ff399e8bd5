"""Philox blocks inside compiled loops, written out so that the compiler uses vector instructions."""

from __future__ import annotations

from typing import Any

import numpy as np

from spiking_pvae.compiling import compiled
from spiking_pvae.philox import MULTIPLIERS, ROUNDS, WEYL

M0, M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
W0, W1 = np.uint32(WEYL[0]), np.uint32(WEYL[1])
HALF = np.uint64(32)


@compiled
def unit_words(words: Any, first: int, draw: Any, sample: Any, stream: Any, k0: Any, k1: Any) -> None:
    """Write word n mod 4 of the block (n // 4, draw, sample, stream) for the units from 4 `first` on."""
    for block in range(len(words) // 4):
        c0, c1, c2, c3 = np.uint32(first + block), draw, sample, stream
        a0, a1 = k0, k1
        for _ in range(ROUNDS):
            p0, p1 = np.uint64(c0) * M0, np.uint64(c2) * M1
            c0, c1, c2, c3 = (
                np.uint32(np.uint32(p1 >> HALF) ^ c1 ^ a0),
                np.uint32(p1),
                np.uint32(np.uint32(p0 >> HALF) ^ c3 ^ a1),
                np.uint32(p0),
            )
            a0, a1 = np.uint32(a0 + W0), np.uint32(a1 + W1)
        words[4 * block], words[4 * block + 1], words[4 * block + 2], words[4 * block + 3] = c0, c1, c2, c3


@compiled
def listed_words(words: Any, count: int, unit: Any, draw: Any, sample: Any, stream: Any, k0: Any, k1: Any) -> None:
    """Write the four words of the first `count` blocks (first + unit, draw, sample, stream)."""
    for place in range(count):
        c0, c1, c2, c3 = unit[place], draw[place], sample, stream
        a0, a1 = k0, k1
        for _ in range(ROUNDS):
            p0, p1 = np.uint64(c0) * M0, np.uint64(c2) * M1
            c0, c1, c2, c3 = (
                np.uint32(np.uint32(p1 >> HALF) ^ c1 ^ a0),
                np.uint32(p1),
                np.uint32(np.uint32(p0 >> HALF) ^ c3 ^ a1),
                np.uint32(p0),
            )
            a0, a1 = np.uint32(a0 + W0), np.uint32(a1 + W1)
        words[0, place], words[1, place], words[2, place], words[3, place] = c0, c1, c2, c3


@compiled
def block_words(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return the four words of one block."""
    for _ in range(ROUNDS):
        p0, p1 = np.uint64(c0) * M0, np.uint64(c2) * M1
        c0, c1, c2, c3 = (
            np.uint32(np.uint32(p1 >> HALF) ^ c1 ^ k0),
            np.uint32(p1),
            np.uint32(np.uint32(p0 >> HALF) ^ c3 ^ k1),
            np.uint32(p0),
        )
        k0, k1 = np.uint32(k0 + W0), np.uint32(k1 + W1)
    return c0, c1, c2, c3
