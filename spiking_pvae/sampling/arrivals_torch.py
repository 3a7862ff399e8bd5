"""The arrival-time sampler in plain torch: any device, and the yardstick of the fused kernels."""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_pvae.config import Indicator
from spiking_pvae.sampling.indicators import LARGEST_RATE, cutoff, indicate
from spiking_pvae.sampling.words import first_words, later_words, unit_interval


def sample_torch(
    rate: Tensor, *, temperature: float, indicator: Indicator, seed: int, first_sample: int, stream: int
) -> tuple[Tensor, Tensor]:
    """Draw relaxed counts and their derivatives; see `spiking_pvae.sampling.arrivals.relaxed_counts`.

    Units whose arrivals have passed the window are dropped, so that the work shrinks from draw to draw.
    """
    rows, units = rate.shape
    places = {"seed": seed, "stream": stream}
    uniform = unit_interval(first_words(rows, units, first_sample=first_sample, device=rate.device, **places))
    alive = (rate.flatten() > 0) & (rate.flatten() <= LARGEST_RATE)
    index = alive.nonzero().squeeze(1)
    r = rate.flatten()[index].double()
    time = -torch.log(uniform.flatten()[index]) / r
    possible = rate.flatten() <= LARGEST_RATE
    z = torch.where(possible, 0.0, torch.nan).double()
    slope = torch.zeros_like(z)
    end = cutoff(indicator, temperature)
    draw, words = 0, uniform
    while True:
        keep = time <= end if temperature > 0 else time <= 1
        index, r, time = index[keep], r[keep], time[keep]
        if not len(index):
            return z.view_as(rate).to(rate.dtype), slope.view_as(rate).to(rate.dtype)
        if temperature > 0:
            h, dh = indicate(indicator, (1 - time) / temperature)
            z[index] += h
            slope[index] += dh * time / (r * temperature)
        else:
            z[index] += 1
        if draw % 4 == 0:
            sample = torch.div(index, units, rounding_mode="floor") + first_sample
            words = unit_interval(later_words(index % units, sample, draw // 4, **places))
        else:
            words = words[keep]
        time = time - torch.log(words[:, draw % 4]) / r
        draw += 1
