"""Draws as a value: who asks with the same seed, sample and unit gets the same number.

Nothing is consumed, so a result depends neither on the batch size, nor the order, nor the number of threads or
processes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spiking_pvae.errors import InputError
from spiking_pvae.sampling.words import Integer, unit_interval, unit_words

SEED_LIMIT = 2**63
WORD_LIMIT = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """A source of random numbers for a batch.

    Parameters
    ----------
    seed : int or Tensor
        0 .. 2^63 - 1. A tensor of no dimensions is not checked; a compiled graph holds for all its values.
    first_sample : int or Tensor
        Index of the batch's first sample; parts of one batch on several processes differ in it alone.
    stream : int
        Independent streams for the several draws of one sample.
    """

    seed: Integer
    first_sample: Integer = 0
    stream: int = 0

    def __post_init__(self) -> None:
        for name, value, limit in (
            ("seed", self.seed, SEED_LIMIT),
            ("first_sample", self.first_sample, WORD_LIMIT),
            ("stream", self.stream, WORD_LIMIT),
        ):
            if not isinstance(value, Tensor) and not 0 <= value < limit:
                raise InputError(name, given=value, allowed=f"an integer of at least 0 and below {limit}")

    def at(self, first_sample: Integer) -> Draws:
        """Return the same source for a batch that starts at another sample."""
        return replace(self, first_sample=first_sample)

    def split(self, index: int) -> Draws:
        """Return the `index`-th of the streams that follow this one; index 0 is this one."""
        return replace(self, stream=self.stream + index)

    def uniform(self, rows: int, units: int, device: torch.device) -> Tensor:
        """Return numbers inside (0, 1); float64 of shape (rows, units)."""
        words = unit_words(
            rows, units, seed=self.seed, first_sample=self.first_sample, stream=self.stream, device=device
        )
        return unit_interval(words)

    def normal(self, rows: int, units: int, device: torch.device) -> Tensor:
        """Return standard normal numbers (Box & Muller, 1958); float32 of shape (rows, units)."""
        half = -(-units // 2)
        uniform = self.uniform(rows, 2 * half, device).float()
        radius = torch.sqrt(-2 * torch.log(uniform[:, :half]))
        angle = 2 * math.pi * uniform[:, half:]
        return torch.cat([radius * torch.cos(angle), radius * torch.sin(angle)], 1)[:, :units]
