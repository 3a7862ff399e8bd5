"""The arrival-time sampler in plain torch: any device, and the yardstick of the fused kernels."""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_pvae.config import Indicator
from spiking_pvae.sampling.indicators import LARGEST_RATE, indicate, soft_window
from spiking_pvae.sampling.poisson import poisson
from spiking_pvae.sampling.words import POSITIONS, philox_blocks, unit_interval, unit_words


def sample_torch(
    rate: Tensor, *, temperature: float, indicator: Indicator, seed: int, first_sample: int, stream: int
) -> tuple[Tensor, Tensor]:
    """Draw relaxed counts and their derivatives; see `spiking_pvae.sampling.arrivals.relaxed_counts`.

    Units whose arrivals are all placed are dropped, so that the work shrinks from block to block.
    """
    rows, units = rate.shape
    device = rate.device
    places = {"seed": seed, "stream": stream}
    r = rate.flatten().double()
    possible = r <= LARGEST_RATE
    r = torch.where((r > 0) & possible, r, 0.0)
    index = torch.arange(rows * units, device=device)
    unit, sample = index % units, torch.div(index, units, rounding_mode="floor") + first_sample

    def number(window: float, draw: int) -> Tensor:
        words = unit_words(rows, units, draw=draw, first_sample=first_sample, device=device, **places)
        return poisson(r * window, unit_interval(words).flatten(), unit, sample, draw=draw, **places)

    low, width = soft_window(indicator, temperature)
    none = torch.zeros_like(r)
    z = torch.where(possible, number(low, 0) if low > 0 else none, torch.nan)
    slope = none.clone()
    left = number(width, 1) if width > 0 else none
    lane = torch.arange(4, device=device)
    zero = torch.zeros((), dtype=torch.int64, device=device)
    block = POSITIONS
    while len(index := index[left[index] > 0]):
        words = philox_blocks((unit[index], zero + block, sample[index], zero + stream), seed)
        time = low + width * unit_interval(words)
        h, dh = indicate(indicator, (1 - time) / temperature)
        counts = lane < left[index][:, None]
        z[index] += torch.where(counts, h, 0.0).sum(1)
        slope[index] += torch.where(counts, dh * time, 0.0).sum(1) / (r[index] * temperature)
        left -= 4
        block += 1
    return z.view_as(rate).to(rate.dtype), slope.view_as(rate).to(rate.dtype)
