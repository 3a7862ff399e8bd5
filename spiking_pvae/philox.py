"""Philox4x32-10: random numbers as a pure function of a counter and a key.

A draw depends on (seed, sample, neuron, draw index) alone, so a result is the same for every batch size, order, thread
count and backend.

References
----------
J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UInt32 = NDArray[np.uint32]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
WORD = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox4x32(counter: tuple[UInt32, UInt32, UInt32, UInt32], key: tuple[int, int]) -> tuple[UInt32, ...]:
    """Return the four words of the block at `counter`.

    Parameters
    ----------
    counter : 4 ndarrays of uint32
        Broadcast against one another.
    key : 2 int
        Below 2^32 each.

    Returns
    -------
    4 ndarrays of uint32
    """
    c0, c1, c2, c3 = (word.astype(np.uint64) for word in np.broadcast_arrays(*counter))
    k0, k1 = key
    for _ in range(ROUNDS):
        first, second = c0 * np.uint64(MULTIPLIERS[0]), c2 * np.uint64(MULTIPLIERS[1])
        c0, c1, c2, c3 = (
            (second >> HALF) ^ c1 ^ np.uint64(k0),
            second & WORD,
            (first >> HALF) ^ c3 ^ np.uint64(k1),
            first & WORD,
        )
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return tuple(word.astype(np.uint32) for word in (c0, c1, c2, c3))


def split_seed(seed: int) -> tuple[int, int]:
    """Split a seed below 2^64 into the two words of a key."""
    return seed & 0xFFFFFFFF, (seed >> 32) & 0xFFFFFFFF
