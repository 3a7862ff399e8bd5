"""The simulator's counters: which words of the generator belong to which sample, neuron and draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.philox import MULTIPLIERS, ROUNDS, WEYL, UInt32, philox4x32, split_seed

__all__ = ["MULTIPLIERS", "ROUNDS", "WEYL", "UInt32", "philox4x32", "split_seed", "uniform_words"]


def uniform_words(seed: int, sample: NDArray[np.int64], neuron: NDArray[np.int64], draw: int) -> UInt32:
    """Return the 32-bit word of each (sample, neuron) pair for draw number `draw`.

    Four neighbouring neurons share one Philox block: its counter is (neuron // 4, draw, sample low, sample high) and
    neuron % 4 picks the word, since most neurons need only their first draw.

    Parameters
    ----------
    seed : int
        0 .. 2^64 - 1.
    sample, neuron : ndarray of int64
        Broadcast against one another; the shape of the result.
    draw : int
        0 for the first threshold of an inference.
    """
    sample, neuron = np.broadcast_arrays(sample, neuron)
    block = (neuron >> 2).astype(np.uint32)
    words = philox4x32(
        (
            block,
            np.full_like(block, draw),
            (sample & 0xFFFFFFFF).astype(np.uint32),
            (sample >> 32).astype(np.uint32),
        ),
        split_seed(seed),
    )
    return np.choose(neuron & 3, words).astype(np.uint32)
