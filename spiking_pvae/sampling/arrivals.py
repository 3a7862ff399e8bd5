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
    "(Tensor rate, Tensor temperature, Tensor seed, Tensor first_sample, *, str indicator, int stream)"
    " -> (Tensor, Tensor)",
)
# What changes from step to step is a tensor, so that a compiled step is compiled once.


def _plain(temperature: Tensor, seed: Tensor, first_sample: Tensor, indicator: str, stream: int) -> dict[str, Any]:
    """Return the settings of a sampler as plain values."""
    return {
        "temperature": float(temperature),
        "indicator": cast(Indicator, indicator),
        "seed": int(seed),
        "first_sample": int(first_sample),
        "stream": stream,
    }


@torch.library.impl("spiking_pvae::arrival_counts", "default")
def _counts(
    rate: Tensor, temperature: Tensor, seed: Tensor, first_sample: Tensor, *, indicator: str, stream: int
) -> tuple[Tensor, Tensor]:
    return sample_torch(rate, **_plain(temperature, seed, first_sample, indicator, stream))


@torch.library.impl("spiking_pvae::arrival_counts", "cpu")
def _counts_on_cpu(
    rate: Tensor, temperature: Tensor, seed: Tensor, first_sample: Tensor, *, indicator: str, stream: int
) -> tuple[Tensor, Tensor]:
    from spiking_pvae.sampling.arrivals_numba import sample_numba

    return sample_numba(rate, **_plain(temperature, seed, first_sample, indicator, stream))


@torch.library.impl("spiking_pvae::arrival_counts", "cuda")
def _counts_on_cuda(
    rate: Tensor, temperature: Tensor, seed: Tensor, first_sample: Tensor, *, indicator: str, stream: int
) -> tuple[Tensor, Tensor]:
    try:
        from spiking_pvae.sampling.arrivals_triton import sample_triton as sample
    except ImportError:  # Triton comes with CUDA builds of torch for Linux alone
        sample = sample_torch
    return sample(rate, **_plain(temperature, seed, first_sample, indicator, stream))


@torch.library.register_fake("spiking_pvae::arrival_counts")  # type: ignore[untyped-decorator]
def _counts_of_no_data(
    rate: Tensor, temperature: Tensor, seed: Tensor, first_sample: Tensor, *, indicator: str, stream: int
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(rate), torch.empty_like(rate)


class _ArrivalCounts(torch.autograd.Function):
    """The operation with its derivative: forward keeps dz/dr, backward is one product."""

    @staticmethod
    def forward(  # noqa: PLR0917 - autograd passes no keyword arguments
        rate: Tensor, temperature: Tensor, seed: Tensor, first_sample: Tensor, indicator: Indicator, stream: int
    ) -> tuple[Tensor, Tensor]:
        counts: tuple[Tensor, Tensor] = torch.ops.spiking_pvae.arrival_counts(
            rate, temperature, seed, first_sample, indicator=indicator, stream=stream
        )
        return counts

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        slope = output[1]
        ctx.mark_non_differentiable(slope)
        ctx.save_for_backward(slope)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None, None, None, None, None


def relaxed_counts(rate: Tensor, temperature: float | Tensor, indicator: Indicator, draws: Draws) -> Tensor:
    """Draw relaxed counts that carry their gradient.

    Parameters
    ----------
    rate : Tensor, shape (batch, latents)
        Expected count.
    temperature : float or Tensor
        tau, 0 .. 1; 0 draws exact counts without gradient. A tensor of no dimensions is not checked.
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
    if not isinstance(temperature, Tensor):
        require_temperature(temperature)
        temperature = torch.tensor(temperature, dtype=torch.float64)
    seed, first_sample = (
        value if isinstance(value, Tensor) else torch.tensor(value) for value in (draws.seed, draws.first_sample)
    )
    counts: Tensor
    exact = rate if rate.dtype == torch.float64 else rate.float()  # not in 16 bits under mixed precision
    counts, _ = _ArrivalCounts.apply(exact, temperature, seed, first_sample, indicator, draws.stream)  # type: ignore[no-untyped-call]
    return counts
