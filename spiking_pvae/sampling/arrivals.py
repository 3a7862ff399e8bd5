"""Relaxed Poisson counts from exponential arrival times, as an autograd operation.

Arrivals of rate r come at t_1 < t_2 < ..., with independent gaps ~ Exp(r). The relaxed count of the window [0, 1] and
its derivative, at fixed s_m = r t_m, are

    z = sum_m h((1 - t_m) / tau),      dz/dr = sum_m h'((1 - t_m) / tau) t_m / (r tau)

Both are functions of the set of arrivals alone, so any exact way to draw that set gives their law, and here none is
drawn whose place does not matter. Before the soft window, [1 - c tau, 1 + c tau] with c = 1 (12 for the sigmoid), an
arrival counts 1 and has no gradient: of these only the number is drawn, Poisson(r (1 - c tau)). Within it their number
is Poisson(2 c tau r), and each is uniform. No logarithm is taken and nothing is sorted or summed up over time; memory
is O(batch x latents) whatever the rate. The sigmoid's c makes an error below 6.2e-6 an arrival at either end.

At tau = 0 the count is an exact Poisson draw and has no gradient. A rate above 65,536, or NaN, gives NaN.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from spiking_pvae.config import Indicator
from spiking_pvae.sampling.arrivals_torch import sample_torch
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.sampling.indicators import require_temperature

torch.library.define(
    "spiking_pvae::arrival_counts",
    "(Tensor rate, *, float temperature, str indicator, int seed, int first_sample, int stream) -> (Tensor, Tensor)",
)


@torch.library.impl("spiking_pvae::arrival_counts", "default")
def _counts(
    rate: Tensor, *, temperature: float, indicator: str, seed: int, first_sample: int, stream: int
) -> tuple[Tensor, Tensor]:
    return sample_torch(
        rate,
        temperature=temperature,
        indicator=cast(Indicator, indicator),
        seed=seed,
        first_sample=first_sample,
        stream=stream,
    )


@torch.library.impl("spiking_pvae::arrival_counts", "cpu")
def _counts_on_cpu(
    rate: Tensor, *, temperature: float, indicator: str, seed: int, first_sample: int, stream: int
) -> tuple[Tensor, Tensor]:
    from spiking_pvae.sampling.arrivals_numba import sample_numba

    return sample_numba(
        rate,
        temperature=temperature,
        indicator=cast(Indicator, indicator),
        seed=seed,
        first_sample=first_sample,
        stream=stream,
    )


@torch.library.impl("spiking_pvae::arrival_counts", "cuda")
def _counts_on_cuda(
    rate: Tensor, *, temperature: float, indicator: str, seed: int, first_sample: int, stream: int
) -> tuple[Tensor, Tensor]:
    try:
        from spiking_pvae.sampling.arrivals_triton import sample_triton as sample
    except ImportError:  # Triton comes with CUDA builds of torch for Linux alone
        sample = sample_torch
    return sample(
        rate,
        temperature=temperature,
        indicator=cast(Indicator, indicator),
        seed=seed,
        first_sample=first_sample,
        stream=stream,
    )


@torch.library.register_fake("spiking_pvae::arrival_counts")  # type: ignore[untyped-decorator]
def _counts_of_no_data(
    rate: Tensor, *, temperature: float, indicator: str, seed: int, first_sample: int, stream: int
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(rate), torch.empty_like(rate)


class _ArrivalCounts(torch.autograd.Function):
    """The operation with its derivative: forward keeps dz/dr, backward is one product."""

    @staticmethod
    def forward(rate: Tensor, temperature: float, indicator: Indicator, draws: Draws) -> tuple[Tensor, Tensor]:
        counts: tuple[Tensor, Tensor] = torch.ops.spiking_pvae.arrival_counts(
            rate,
            temperature=temperature,
            indicator=indicator,
            seed=draws.seed,
            first_sample=draws.first_sample,
            stream=draws.stream,
        )
        return counts

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        slope = output[1]
        ctx.mark_non_differentiable(slope)
        ctx.save_for_backward(slope)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None, None, None


def relaxed_counts(rate: Tensor, temperature: float, indicator: Indicator, draws: Draws) -> Tensor:
    """Draw relaxed counts that carry their gradient.

    Parameters
    ----------
    rate : Tensor, shape (batch, latents)
        Expected count.
    temperature : float
        tau, 0 .. 1; 0 draws exact counts without gradient.
    indicator : Indicator
        h.
    draws : Draws

    Returns
    -------
    Tensor, shape (batch, latents)

    Raises
    ------
    InputError
        The temperature is outside of 0 .. 1.
    """
    require_temperature(temperature)
    counts: Tensor
    exact = rate if rate.dtype == torch.float64 else rate.float()  # not in 16 bits under mixed precision
    counts, _ = _ArrivalCounts.apply(exact, temperature, indicator, draws)  # type: ignore[no-untyped-call]
    return counts
