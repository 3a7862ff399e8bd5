"""The arrival-time sampler fused for CUDA: one Triton kernel, the same draws as on the CPU.

Its arithmetic is checked by Triton's interpreter, which runs kernels on the CPU; it has never been timed on a GPU.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from spiking_pvae.config import Indicator
from spiking_pvae.philox import MULTIPLIERS, ROUNDS, WEYL, split_seed
from spiking_pvae.sampling.indicators import CODES, LARGEST_RATE, soft_window
from spiking_pvae.sampling.poisson import LARGEST_PART, PARTS
from spiking_pvae.sampling.words import POSITIONS

BLOCK = 256
"""Units a program."""
M0, M1 = tl.constexpr(MULTIPLIERS[0]), tl.constexpr(MULTIPLIERS[1])
W0, W1 = tl.constexpr(WEYL[0]), tl.constexpr(WEYL[1])
N_ROUNDS = tl.constexpr(ROUNDS)
LIMIT = tl.constexpr(LARGEST_RATE)
PART = tl.constexpr(LARGEST_PART)
FIRST_PART, FIRST_POSITION = tl.constexpr(PARTS), tl.constexpr(POSITIONS)


@triton.jit
def _block(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Return the four words of each Philox block, uint32."""
    for _ in tl.static_range(N_ROUNDS):
        first, second = c0, c2
        c0 = tl.umulhi(tl.full(c0.shape, M1, tl.uint32), second) ^ c1 ^ k0
        c2 = tl.umulhi(tl.full(c0.shape, M0, tl.uint32), first) ^ c3 ^ k1
        c1 = second * tl.full(c0.shape, M1, tl.uint32)
        c3 = first * tl.full(c0.shape, M0, tl.uint32)
        k0 = k0 + tl.full(c0.shape, W0, tl.uint32)
        k1 = k1 + tl.full(c0.shape, W1, tl.uint32)
    return c0, c1, c2, c3


@triton.jit
def _uniform(word):  # type: ignore[no-untyped-def]
    """Return U = (2 word + 1) / 2^33."""
    return (word.to(tl.float64) * 2.0 + 1.0) * 1.1641532182693481e-10


@triton.jit
def _of_lane(lane, w0, w1, w2, w3):  # type: ignore[no-untyped-def]
    """Choose a word."""
    return tl.where(lane == 0, w0, tl.where(lane == 1, w1, tl.where(lane == 2, w2, w3)))


@triton.jit  # type: ignore[untyped-decorator]
def _number(mean, unit, sample, stream, key0, key1, DRAW: tl.constexpr):  # type: ignore[no-untyped-def]
    """Draw exact Poisson numbers, as `spiking_pvae.sampling.poisson` does."""
    zero = tl.zeros(unit.shape, tl.uint32)
    w0, w1, w2, w3 = _block(unit // 4, zero + DRAW, sample, stream, key0, key1)
    u = _uniform(_of_lane(unit % 4, w0, w1, w2, w3))
    parts = tl.maximum(tl.ceil(mean / PART), 1.0)
    m = mean / parts
    silent = tl.exp(-m)
    count = tl.zeros(unit.shape, tl.float64)
    part = 0
    alive = mean >= 0.0
    while tl.max(alive.to(tl.int32), 0) > 0:
        if part > 0:
            w0, w1, w2, w3 = _block(unit, zero + FIRST_PART + part, sample, stream, key0, key1)
            u = _uniform(w1 if DRAW == 1 else w0)
        term = silent
        below = silent
        k = 0.0
        more = alive & (below < u)
        while tl.max(more.to(tl.int32), 0) > 0:
            count += tl.where(more, 1.0, 0.0)
            k += 1.0
            term = term * m / k
            below += term
            more = more & (below < u)
        part += 1
        alive = alive & (parts > part)
    return count


@triton.jit  # type: ignore[untyped-decorator]
def _indicate(x, INDICATOR: tl.constexpr):  # type: ignore[no-untyped-def]
    """Return h(x) and h'(x)."""
    w = tl.minimum(tl.maximum((x + 1.0) * 0.5, 0.0), 1.0)
    if INDICATOR == 0:
        h = 1.0 / (1.0 + tl.exp(-x))
        dh = h * (1.0 - h)
    elif INDICATOR == 1:
        h = w
        dh = tl.where(tl.abs(x) < 1.0, 0.5, 0.0)
    elif INDICATOR == 2:
        h = w * w * (3.0 - 2.0 * w)
        dh = 3.0 * w * (1.0 - w)
    elif INDICATOR == 3:
        h = w * w * w * (10.0 - 15.0 * w + 6.0 * w * w)
        dh = 15.0 * w * w * (1.0 - w) * (1.0 - w)
    else:
        h = (1.0 - tl.cos(w * 3.141592653589793)) * 0.5
        dh = tl.sin(w * 3.141592653589793) * 0.7853981633974483
    return h, dh


@triton.jit  # type: ignore[untyped-decorator]
def _counts(  # type: ignore[no-untyped-def]
    rate_at, z_at, slope_at, total, units, tau, low, width, k0, k1, first_sample, stream,
    INDICATOR: tl.constexpr, SURE: tl.constexpr, SOFT: tl.constexpr, SIZE: tl.constexpr,
):  # fmt: skip
    """Fill z and dz/dr of SIZE units."""
    index = tl.program_id(0).to(tl.int64) * SIZE + tl.arange(0, SIZE)
    inside = index < total
    rate = tl.load(rate_at + index, mask=inside, other=0.0).to(tl.float64)
    unit = (index % units).to(tl.uint32)
    sample = (index // units + first_sample).to(tl.uint32)
    zero = tl.zeros([SIZE], tl.uint32)
    key0, key1, stream_word = zero + k0.to(tl.uint32), zero + k1.to(tl.uint32), zero + stream.to(tl.uint32)
    follows = inside & (rate > 0.0) & (rate <= LIMIT)
    r = tl.where(follows, rate, 0.0)
    z = tl.zeros([SIZE], tl.float64)
    slope = tl.zeros([SIZE], tl.float64)
    if SURE:
        z += _number(r * low, unit, sample, stream_word, key0, key1, 0)
    if SOFT:
        left = _number(r * width, unit, sample, stream_word, key0, key1, 1)
        draw = 0
        alive = left > 0.0
        while tl.max(alive.to(tl.int32), 0) > 0:
            if draw % 4 == 0:
                w0, w1, w2, w3 = _block(unit, zero + FIRST_POSITION + draw // 4, sample, stream_word, key0, key1)
            time = low + width * _uniform(_of_lane(draw % 4, w0, w1, w2, w3))
            h, dh = _indicate((1.0 - time) / tau, INDICATOR)
            z += tl.where(alive, h, 0.0)
            slope += tl.where(alive, dh * time, 0.0)
            draw += 1
            alive = alive & (left > draw)
        slope = slope / (tl.where(follows, rate, 1.0) * tau)
    z = tl.where(rate <= LIMIT, z, float("nan"))
    tl.store(z_at + index, z, mask=inside)
    tl.store(slope_at + index, slope, mask=inside)


def sample_triton(
    rate: Tensor, *, temperature: float, indicator: Indicator, seed: int, first_sample: int, stream: int
) -> tuple[Tensor, Tensor]:
    """Draw relaxed counts and their derivatives on CUDA; see `spiking_pvae.sampling.arrivals.relaxed_counts`."""
    rate = rate.detach().contiguous()
    z, slope = torch.empty_like(rate), torch.empty_like(rate)
    if rate.numel():
        k0, k1 = split_seed(seed)
        low, width = soft_window(indicator, temperature)
        launch: Any = _counts[(triton.cdiv(rate.numel(), BLOCK),)]
        launch(
            rate, z, slope, rate.numel(), rate.shape[1], temperature, low, width, k0, k1, first_sample, stream,
            INDICATOR=CODES[indicator], SURE=low > 0, SOFT=width > 0, SIZE=BLOCK,
        )  # fmt: skip
    return z, slope
