"""Philox words as tensors: what the draws of (sample, unit) are made of, on any device.

Four neighbouring units share the block of their first draw, since most need no second one:

    draw 0 of unit n        word n mod 4 of the block (n // 4, 0, sample, stream)
    draw d > 0 of unit n    word (d - 1) mod 4 of the block (n, 1 + (d - 1) // 4, sample, stream)
"""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_pvae.philox import MULTIPLIERS, ROUNDS, WEYL, split_seed

WORD = 0xFFFFFFFF


def philox_blocks(counter: tuple[Tensor, Tensor, Tensor, Tensor], seed: int) -> Tensor:
    """Return the four words of each block.

    Parameters
    ----------
    counter : 4 Tensors of int64
        Below 2^32 each; broadcast against one another.
    seed : int
        Below 2^63; the key.

    Returns
    -------
    Tensor of int64, shape (..., 4)
        Below 2^32.

    Notes
    -----
    A product of two words exceeds int64 and wraps; its bits are still right, so masks recover both halves.
    """
    c0, c1, c2, c3 = torch.broadcast_tensors(*counter)  # type: ignore[no-untyped-call]
    k0, k1 = split_seed(seed)
    for _ in range(ROUNDS):
        first, second = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (
            ((second >> 32) & WORD) ^ c1 ^ k0,
            second & WORD,
            ((first >> 32) & WORD) ^ c3 ^ k1,
            first & WORD,
        )
        k0, k1 = (k0 + WEYL[0]) & WORD, (k1 + WEYL[1]) & WORD
    return torch.stack([c0, c1, c2, c3], -1)


def first_words(rows: int, units: int, *, seed: int, first_sample: int, stream: int, device: torch.device) -> Tensor:
    """Return the word of draw 0 of every (sample, unit); int64 of shape (rows, units)."""
    block = torch.arange(-(-units // 4), device=device)
    sample = torch.arange(first_sample, first_sample + rows, device=device)[:, None]
    zero = torch.zeros((), dtype=torch.int64, device=device)
    words = philox_blocks((block, zero, sample, zero + stream), seed)
    return words.flatten(1)[:, :units]


def later_words(unit: Tensor, sample: Tensor, block: int, *, seed: int, stream: int) -> Tensor:
    """Return the words of draws 4 `block` + 1 .. 4 `block` + 4; int64 of shape (..., 4)."""
    zero = torch.zeros((), dtype=torch.int64, device=unit.device)
    return philox_blocks((unit, zero + 1 + block, sample, zero + stream), seed)


def unit_interval(words: Tensor) -> Tensor:
    """Turn words u into (2 u + 1) / 2^33, float64 inside (0, 1); same shape."""
    return (2 * words + 1).double() * 2.0**-33
