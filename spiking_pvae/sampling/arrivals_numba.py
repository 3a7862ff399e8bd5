"""The arrival-time sampler fused for the CPU: one pass, threads over samples, the same draws as the torch version.

Most units are silent. A tile's first words come from vectorised Philox blocks, and a polynomial below e^-x rules out
most silent units; only the rest are followed from arrival to arrival.
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
from spiking_pvae.philox import MULTIPLIERS, ROUNDS, WEYL, split_seed
from spiking_pvae.sampling.indicators import CODES, LARGEST_RATE, cutoff

TILE = 256
"""Philox blocks a tile: 1024 units."""
M0, M1 = np.uint64(MULTIPLIERS[0]), np.uint64(MULTIPLIERS[1])
W0, W1 = np.uint32(WEYL[0]), np.uint32(WEYL[1])
HALF, MASK = np.uint64(32), np.uint64(0xFFFFFFFF)
ONE_WORD = 2.0**-32
BANK, LARGEST_EXPONENT = 1e-200, 600.0
"""Products below the first are banked as logarithms; a further factor of 2^-33 stays above e^-600."""


@compiled
def _block(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return the four words of a Philox block, uint32."""
    for _ in range(ROUNDS):
        first, second = np.uint64(c0) * M0, np.uint64(c2) * M1
        c0, c1, c2, c3 = (
            np.uint32(second >> HALF) ^ c1 ^ k0,
            np.uint32(second & MASK),
            np.uint32(first >> HALF) ^ c3 ^ k1,
            np.uint32(first & MASK),
        )
        k0, k1 = np.uint32(k0 + W0), np.uint32(k1 + W1)
    return c0, c1, c2, c3


@compiled
def _first_words(words: Any, first: int, sample: Any, stream: Any, k0: Any, k1: Any) -> None:
    """Write the words of draw 0 of TILE blocks; written out, which lets the compiler use vector instructions."""
    for block in range(words.shape[1]):
        c0, c1, c2, c3 = np.uint32(first + block), np.uint32(0), sample, stream
        a0, a1 = k0, k1
        for _ in range(ROUNDS):
            p0, p1 = np.uint64(c0) * M0, np.uint64(c2) * M1
            c0, c1, c2, c3 = (
                np.uint32(np.uint32(p1 >> np.uint64(32)) ^ c1 ^ a0),
                np.uint32(p1),
                np.uint32(np.uint32(p0 >> np.uint64(32)) ^ c3 ^ a1),
                np.uint32(p0),
            )
            a0, a1 = np.uint32(a0 + W0), np.uint32(a1 + W1)
        words[0, block], words[1, block], words[2, block], words[3, block] = c0, c1, c2, c3


@compiled
def _survival(time: float) -> float:
    """Return e^-time, and 0 where products do not get before they are banked."""
    return math.exp(-time) if time < LARGEST_EXPONENT else 0.0


@compiled
def _indicate(indicator: int, x: float) -> tuple[float, float]:
    """Return h(x) and h'(x)."""
    if indicator == 0:
        h = 1 / (1 + math.exp(-x))
        return h, h * (1 - h)
    w = (x + 1) / 2
    if indicator == 1:
        return w, 0.5
    if indicator == 2:
        return w * w * (3 - 2 * w), 3 * w * (1 - w)
    if indicator == 3:
        return w * w * w * (10 - 15 * w + 6 * w * w), 15 * (w * (1 - w)) ** 2
    return (1 - math.cos(math.pi * w)) / 2, (math.pi / 4) * math.sin(math.pi * w)


@compiled
def _follow(
    rate: float,
    word: Any,
    unit: Any,
    sample: Any,
    stream: Any,
    k0: Any,
    k1: Any,
    tau: float,
    end: float,
    indicator: int,
) -> tuple[float, float]:
    """Return z and dz/dr of one unit, from the word of its first draw on."""
    # Elapsed time is kept as -ln(product) + banked, so that a logarithm is taken in the soft part of the window alone.
    full = 1 - tau if indicator != 0 else -1.0  # arrivals before it count 1
    product, banked = (2.0 * word + 1.0) * 2.0**-33, 0.0
    over = _survival(end * rate)
    if product < over:
        return 0.0, 0.0
    certain = _survival(full * rate)
    z, slope, draw = 0.0, 0.0, 0
    w0 = w1 = w2 = w3 = np.uint32(0)
    while product >= over:
        if product > certain or tau == 0:
            z += 1
        else:
            time = (banked - math.log(product)) / rate
            h, dh = _indicate(indicator, (1 - time) / tau)
            z += h
            slope += dh * time
        place = draw & 3
        if place == 0:
            w0, w1, w2, w3 = _block(unit, np.uint32(1 + (draw >> 2)), sample, stream, k0, k1)
        word = w0 if place == 0 else w1 if place == 1 else w2 if place == 2 else w3
        product *= (2.0 * word + 1.0) * 2.0**-33
        draw += 1
        if product < BANK:
            banked -= math.log(product)
            product = 1.0
            certain, over = _survival(full * rate - banked), _survival(end * rate - banked)
    return z, slope / (rate * tau) if tau > 0 else 0.0


@compiled
def _rows(
    rate: Any,
    z: Any,
    slope: Any,
    low: int,
    high: int,
    tau: float,
    end: float,
    indicator: int,
    first_sample: int,
    stream: Any,
    k0: Any,
    k1: Any,
) -> None:
    """Fill the rows from `low` to `high`."""
    units = rate.shape[1]
    words = np.empty((4, TILE), np.uint32)
    chosen = np.empty(4 * TILE, np.int64)
    for row in range(low, high):
        sample = np.uint32(first_sample + row)
        for start in range(0, units, 4 * TILE):
            _first_words(words, start // 4, sample, stream, k0, k1)
            found = 0
            for place in range(min(4 * TILE, units - start)):
                r = rate[row, start + place]
                z[row, start + place] = 0
                slope[row, start + place] = 0
                # e^-x > 1 - x + x^2 / 2 - x^3 / 6: below it, the first arrival is certainly too late
                x = np.float64(r) * end
                if not (words[place & 3, place >> 2] + 1.0) * ONE_WORD < 1 - x * (1 - x * (0.5 - x * (1.0 / 6.0))):
                    chosen[found] = place
                    found += 1
            for index in range(found):
                place = chosen[index]
                unit = start + place
                r = rate[row, unit]
                if not r <= LARGEST_RATE:
                    z[row, unit] = np.nan
                elif r > 0:
                    word = words[place & 3, place >> 2]
                    z[row, unit], slope[row, unit] = _follow(
                        np.float64(r), word, np.uint32(unit), sample, stream, k0, k1, tau, end, indicator
                    )


def sample_numba(
    rate: Tensor, *, temperature: float, indicator: Indicator, seed: int, first_sample: int, stream: int
) -> tuple[Tensor, Tensor]:
    """Draw relaxed counts and their derivatives on the CPU; see `spiking_pvae.sampling.arrivals.relaxed_counts`."""
    rate = rate.detach().contiguous()
    z, slope = torch.empty_like(rate), torch.empty_like(rate)
    arrays = rate.numpy(), z.numpy(), slope.numpy()
    k0, k1 = (np.uint32(word) for word in split_seed(seed))
    end, code = cutoff(indicator, temperature), CODES[indicator]
    settings: Any = temperature, end, code, first_sample, np.uint32(stream), k0, k1
    workers = max(1, min(torch.get_num_threads(), len(rate)))
    edges = [len(rate) * worker // workers for worker in range(workers + 1)]
    others = [threading.Thread(target=_rows, args=(*arrays, low, high, *settings)) for low, high in pairwise(edges[1:])]
    for thread in others:
        thread.start()
    _rows(*arrays, edges[0], edges[1], *settings)
    for thread in others:
        thread.join()
    return z, slope
