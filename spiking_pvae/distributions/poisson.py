"""The Poisson posterior and its divergence from the Poisson prior.

Prior rate r0 = exp(u0); posterior rate r = exp(u0 + du). The divergence of one latent is

    KL = r log(r / r0) - r + r0 = r0 f(du),     f(u) = 1 + e^u (u - 1)

so a silent neuron (du -> -inf) costs at most r0 nats. Source: Vafaii, Galor, Yates, "Poisson variational
autoencoder", NeurIPS 2024 (arXiv 2405.14473), and Vafaii & Yates, arXiv 2602.13421.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus


def soft_clamp(log_residual: Tensor, ceiling: float) -> Tensor:
    """Bound a log-residual smoothly from above: c - softplus(c - x), below `ceiling` everywhere."""
    return ceiling - softplus(ceiling - log_residual)


def divergence(log_residual: Tensor) -> Tensor:
    """f(u) = 1 + e^u (u - 1), the KL in units of the prior rate; same shape, nats.

    Written u e^u - expm1(u), which keeps its relative precision near u = 0, where f ~ u^2 / 2.
    """
    return log_residual * torch.exp(log_residual) - torch.expm1(log_residual)


@dataclass(frozen=True, slots=True)
class PoissonPosterior:
    """Posterior rates of a batch.

    Parameters
    ----------
    log_residual : Tensor, shape (batch, latents)
        du, soft-clamped.
    prior_log_rate : Tensor, shape (latents,)
        u0.
    """

    log_residual: Tensor
    prior_log_rate: Tensor

    @property
    def rate(self) -> Tensor:
        """Posterior rate r, expected spikes an inference; shape (batch, latents)."""
        return torch.exp(self.prior_log_rate + self.log_residual)

    @property
    def mean(self) -> Tensor:
        """Posterior mean of what the decoder reads; for counts, the rate."""
        return self.rate

    @property
    def variance(self) -> Tensor:
        """Posterior variance of what the decoder reads; for counts, the rate."""
        return self.rate

    def kl(self) -> Tensor:
        """Divergence from the prior per latent, nats; shape (batch, latents)."""
        return torch.exp(self.prior_log_rate) * divergence(self.log_residual)

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw exact counts; shape (batch, latents). Has no gradient."""
        return torch.poisson(self.rate.detach(), generator=generator)
