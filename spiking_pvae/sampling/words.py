"""Philox words as tensors: what the draws of (sample, unit) are made of, on any device.

Four neighbouring units share a block of what each of them needs; the rest is their own:

    draw d < 2 of unit n               word n mod 4 of the block (n // 4, d, sample, stream)
    position j of an arrival of n      word j mod 4 of the block (n, POSITIONS + j // 4, sample, stream)
"""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_pvae.philox import MULTIPLIERS, ROUNDS, WEYL

Integer = int | Tensor
"""An integer, or an int64 tensor of no dimensions: a compiled graph holds for every value of a tensor."""

WORD = 0xFFFFFFFF
POSITIONS = 2
"""First of the blocks that a unit has for itself."""


def philox_blocks(counter: tuple[Tensor, Tensor, Tensor, Tensor], seed: Integer) -> Tensor:
    """Return the four words of each block.

    Parameters
    ----------
    counter : 4 Tensors of int64
        Below 2^32 each; broadcast against one another.
    seed : int or Tensor
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
    k0, k1 = seed & WORD, (seed >> 32) & WORD
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


def unit_words(
    rows: int, units: int, *, draw: int = 0, seed: Integer, first_sample: Integer, stream: int, device: torch.device
) -> Tensor:
    """Return one word of every (sample, unit); int64 of shape (rows, units)."""
    block = torch.arange(-(-units // 4), device=device)
    sample = first_sample + torch.arange(rows, device=device)[:, None]
    zero = torch.zeros((), dtype=torch.int64, device=device)
    words = philox_blocks((block, zero + draw, sample, zero + stream), seed)
    return words.flatten(1)[:, :units]


def unit_interval(words: Tensor) -> Tensor:
    """Turn words u into (2 u + 1) / 2^33, float64 inside (0, 1); same shape."""
    return (2 * words + 1).double() * 2.0**-33
