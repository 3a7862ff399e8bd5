"""The arrival-time sampler fused for the CPU: one pass, threads over samples, the same draws as the torch version.

Work goes by tiles of units, and in each by loops that the compiler puts on vectors: words, numbers of arrivals, then
the arrivals of the soft window gathered in blocks of four.
"""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spiking_pvae.compiling import compiled
from spiking_pvae.config import Indicator
from spiking_pvae.philox import split_seed
from spiking_pvae.sampling.indicators import CODES, LARGEST_RATE, soft_window
from spiking_pvae.sampling.philox_numba import listed_words
from spiking_pvae.sampling.poisson_numba import STEP, numbers
from spiking_pvae.sampling.words import POSITIONS

TILE = 1024
"""Units at once; a multiple of 4."""


@compiled
def _indicate(indicator: int, words: Any, h: Any, dh: Any, count: int, tau: float, low: float, width: float) -> None:
    """Write h(x) and h'(x) t of arrivals uniform in the window, of `count` columns."""
    top, scale = (1 - low) / tau, -width / tau
    for row in range(4):
        if indicator == 0:
            for place in range(count):
                x = top + scale * ((2.0 * words[row, place] + 1.0) * STEP)
                y = x * (-1.0 / 512)  # e^-x is the 512th power of e^(-x / 512), a series of few terms
                e = 1 + y * (1 / 4) * (1 + y * (1 / 5) * (1 + y * (1 / 6)))
                e = 1 + y * (1 + y * (1 / 2) * (1 + y * (1 / 3) * e))
                e *= e
                e *= e
                e *= e
                e *= e
                e *= e
                e *= e
                e *= e
                e *= e
                e *= e
                value = 1 / (1 + e)
                h[row, place], dh[row, place] = value, e * value * value * (1 - tau * x)
        elif indicator == 1:
            for place in range(count):
                x = top + scale * ((2.0 * words[row, place] + 1.0) * STEP)
                h[row, place], dh[row, place] = (x + 1) / 2, 0.5 * (1 - tau * x)
        elif indicator == 2:
            for place in range(count):
                x = top + scale * ((2.0 * words[row, place] + 1.0) * STEP)
                w = (x + 1) / 2
                h[row, place], dh[row, place] = w * w * (3 - 2 * w), 3 * w * (1 - w) * (1 - tau * x)
        elif indicator == 3:
            for place in range(count):
                x = top + scale * ((2.0 * words[row, place] + 1.0) * STEP)
                w = (x + 1) / 2
                h[row, place] = w * w * w * (10 - 15 * w + 6 * w * w)
                dh[row, place] = 15 * (w * (1 - w)) * (w * (1 - w)) * (1 - tau * x)
        else:
            for place in range(count):
                x = top + scale * ((2.0 * words[row, place] + 1.0) * STEP)
                angle = math.pi * (x + 1) / 2
                h[row, place] = (1 - math.cos(angle)) / 2
                dh[row, place] = (math.pi / 4) * math.sin(angle) * (1 - tau * x)


@compiled
def _add_listed(
    z: Any, slope: Any, unit: Any, draw: Any, left: Any, words: Any, h: Any, dh: Any, count: int, start: int,
    tau: float, low: float, width: float, indicator: int, sample: Any, stream: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Add up to four arrivals of every listed block to the sums of its unit."""
    listed_words(words, count, unit, draw, sample, stream, k0, k1)
    _indicate(indicator, words, h, dh, count, tau, low, width)
    for place in range(count):
        n = left[place]
        h[0, place] += (
            (h[1, place] if n > 1 else 0.0) + (h[2, place] if n > 2 else 0.0) + (h[3, place] if n > 3 else 0.0)
        )
        dh[0, place] += (
            (dh[1, place] if n > 1 else 0.0) + (dh[2, place] if n > 2 else 0.0) + (dh[3, place] if n > 3 else 0.0)
        )
    for place in range(count):
        z[unit[place] - start] += h[0, place]
        slope[unit[place] - start] += dh[0, place]


@compiled
def _place_arrivals(
    z: Any, slope: Any, number: Any, unit: Any, draw: Any, left: Any, words: Any, h: Any, dh: Any, start: int,
    tau: float, low: float, width: float, indicator: int, sample: Any, stream: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Add h and h' t of `number` arrivals of each unit of a tile, uniform in the window.

    Blocks of four arrivals are listed: the first of every unit that has one, then the second, and so on. No branch
    depends on a number, for it would be mispredicted.
    """
    begin = end = 0
    for place in range(len(number)):
        unit[end], draw[end], left[end] = start + place, POSITIONS, number[place]
        end += 1 if number[place] > 0 else 0
    while end > begin:
        into = end
        if 2 * end - begin > len(unit):  # the next ones might not fit
            _add_listed(
                z, slope, unit, draw, left, words, h, dh, end, start, tau, low, width, indicator, sample, stream, k0, k1
            )
            into = 0
        kept = into
        for place in range(begin, end):
            n = left[place]
            unit[kept], draw[kept], left[kept] = unit[place], draw[place] + 1, n - 4
            kept += 1 if n > 4 else 0
        begin, end = into, kept
    _add_listed(
        z, slope, unit, draw, left, words, h, dh, end, start, tau, low, width, indicator, sample, stream, k0, k1
    )


@compiled
def _rows(
    rates: Any, zs: Any, slopes: Any, first: int, last: int, tau: float, low: float, width: float, indicator: int,
    first_sample: int, stream: Any, k0: Any, k1: Any,
) -> None:  # fmt: skip
    """Fill the rows from `first` to `last`."""
    units = rates.shape[1]
    tile = min(TILE, (units + 3) // 4 * 4)
    rate, z, slope, soft = np.zeros(tile), np.zeros(tile), np.zeros(tile), np.zeros(tile)
    scratch, owner = np.empty((4, tile)), np.empty(tile, np.int64)
    words, part_words = np.empty(tile, np.uint32), np.empty(tile, np.uint32)
    listed, draw, left = np.empty(2 * tile, np.uint32), np.empty(2 * tile, np.uint32), np.empty(2 * tile)
    list_words, h, dh = np.empty((4, 2 * tile), np.uint32), np.empty((4, 2 * tile)), np.empty((4, 2 * tile))
    for row in range(first, last):
        sample = np.uint32(first_sample + row)
        for start in range(0, units, tile):
            size = min(tile, units - start)
            for unit in range(size):
                r = np.float64(rates[row, start + unit])
                rate[unit] = r if 0 < r <= LARGEST_RATE else 0.0
            rate[size:] = 0
            z[:] = 0
            slope[:] = 0
            if low > 0:
                numbers(z, rate, low, 0, start, words, scratch, part_words, owner, sample, stream, k0, k1)
            if width > 0:
                numbers(soft, rate, width, 1, start, words, scratch, part_words, owner, sample, stream, k0, k1)
                _place_arrivals(
                    z, slope, soft, listed, draw, left, list_words, h, dh, start, tau, low, width, indicator,
                    sample, stream, k0, k1,
                )  # fmt: skip
            for unit in range(size):
                r = rates[row, start + unit]
                zs[row, start + unit] = z[unit] if r <= LARGEST_RATE else np.nan
                divisor = rate[unit] * tau
                slopes[row, start + unit] = slope[unit] / (divisor if divisor > 0 else 1.0)


def sample_numba(
    rate: Tensor, *, temperature: float, indicator: Indicator, seed: int, first_sample: int, stream: int
) -> tuple[Tensor, Tensor]:
    """Draw relaxed counts and their derivatives on the CPU; see `spiking_pvae.sampling.arrivals.relaxed_counts`."""
    rate = rate.detach().contiguous()
    z, slope = torch.empty_like(rate), torch.empty_like(rate)
    arrays = rate.numpy(), z.numpy(), slope.numpy()
    k0, k1 = (np.uint32(word) for word in split_seed(seed))
    low, width = soft_window(indicator, temperature)
    settings: Any = temperature, low, width, CODES[indicator], first_sample, np.uint32(stream), k0, k1
    workers = max(1, min(torch.get_num_threads(), len(rate)))
    edges = [len(rate) * worker // workers for worker in range(workers + 1)]
    others = [threading.Thread(target=_rows, args=(*arrays, low, high, *settings)) for low, high in pairwise(edges[1:])]
    for thread in others:
        thread.start()
    _rows(*arrays, edges[0], edges[1], *settings)
    for thread in others:
        thread.join()
    return z, slope
