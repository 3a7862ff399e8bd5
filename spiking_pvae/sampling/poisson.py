"""Exact Poisson numbers of given means from uniform words, for any device.

A mean is split into equal parts of at most LARGEST_PART, whose counts add up, so that e^-mean stays far from the
smallest float. The count of a part is the number of k with F(k) < U, F its distribution function; as U is one of 2^32
evenly spaced numbers, the distribution function of a part's count is off by no more than 2^-33, and that of the sum of
P parts by no more than P times as much.

    part 0 of draw d of unit n        word of draw d of unit n (`spiking_pvae.sampling.words`)
    part p > 0 of draw d of unit n    word d of the block (n, PARTS + p, sample, stream)
"""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_pvae.sampling.words import Integer, philox_blocks, unit_interval

LARGEST_PART = 64.0
"""Largest mean that is inverted in one part."""
PARTS = 1 << 31


def poisson(
    mean: Tensor, uniform: Tensor, unit: Tensor, sample: Tensor, *, draw: int, seed: Integer, stream: int
) -> Tensor:
    """Draw counts.

    Parameters
    ----------
    mean : Tensor of float64, shape (n,)
        At least 0 and below LARGEST_PART * PARTS; the time grows with the largest.
    uniform : Tensor of float64, shape (n,)
        Inside (0, 1), of part 0.
    unit, sample : Tensor of int64, shape (n,)
        Place of each number, of which further parts take their words.
    draw : int
        0 or 1.
    seed, stream : int

    Returns
    -------
    Tensor of float64, shape (n,)
    """
    parts = torch.ceil(mean / LARGEST_PART).clamp(min=1)
    count = _invert(mean / parts, uniform)
    zero, part = torch.zeros((), dtype=torch.int64, device=mean.device), 1
    while len(index := (parts > part).nonzero().squeeze(1)):
        words = philox_blocks((unit[index], zero + PARTS + part, sample[index], zero + stream), seed)
        count[index] += _invert(mean[index] / parts[index], unit_interval(words[:, draw]))
        part += 1
    return count


def _invert(mean: Tensor, uniform: Tensor) -> Tensor:
    """Return the number of k with F(k) < U."""
    term = torch.exp(-mean)
    below, count, k = term.clone(), torch.zeros_like(mean), 0
    while bool((more := below < uniform).any()):
        count += more
        k += 1
        term = term * mean / k
        below += term
    return count
