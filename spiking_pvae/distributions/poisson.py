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

from spiking_pvae.config import HIGHEST_CLAMP, ModelConfig
from spiking_pvae.distributions.interface import Independent, Latents, Terms, hold, uniform, weighted_variance
from spiking_pvae.distributions.terms import PoissonTerms
from spiking_pvae.sampling.arrivals import relaxed_counts
from spiking_pvae.sampling.draws import Draws


def soft_clamp(log_residual: Tensor, ceiling: float) -> Tensor:
    """Bound a log-residual smoothly from above: c - softplus(c - x), below `ceiling` everywhere."""
    return ceiling - softplus(ceiling - log_residual)


def divergence(log_residual: Tensor) -> Tensor:
    """f(u) = 1 + e^u (u - 1), the KL in units of the prior rate; same shape, nats.

    Written u e^u - expm1(u), which near u = 0, where f ~ u^2 / 2, has an absolute error of about eps |u|.
    """
    return log_residual * torch.exp(log_residual) - torch.expm1(log_residual)


@dataclass(frozen=True, slots=True)
class PoissonPosterior(Independent):
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
        """Posterior rate r, expected spikes an inference."""
        return torch.exp(self.prior_log_rate + self.log_residual)

    @property
    def mean(self) -> Tensor:
        """E z = r."""
        return self.rate

    @property
    def variance(self) -> Tensor:
        """Var z = r."""
        return self.rate

    @property
    def activity(self) -> Tensor:
        """E |z| = r."""
        return self.rate

    @property
    def zeros(self) -> Tensor:
        """P(z = 0) = e^-r."""
        return torch.exp(-self.rate)

    def kl(self) -> Tensor:
        """Divergence from the prior per latent, r0 f(du), nats."""
        return torch.exp(self.prior_log_rate) * divergence(self.log_residual)

    def terms(self, dictionary: Tensor) -> Terms:
        """Return mean, readout variance and summed KL, sharing one exponential."""
        rate, kl = PoissonTerms.apply(self.log_residual, self.prior_log_rate)  # type: ignore[no-untyped-call]
        return Terms(rate, weighted_variance(rate, dictionary), kl)

    def sample(self, draws: Draws) -> Tensor:
        """Draw exact counts, without gradient."""
        return relaxed_counts(self.rate.detach(), 0.0, "cubic", draws)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return z log r - r - log z!."""
        return z * (self.prior_log_rate + self.log_residual) - self.rate - torch.lgamma(z + 1)


class PoissonLatents(Latents):
    """Poisson counts with prior log-rates u0; the encoder gives the log-residual du.

    Parameters
    ----------
    config : ModelConfig
        u0 starts uniform in (-6, -4) for a linear decoder and in (-6, -2) otherwise, as in the papers' public code;
        with a clamp c below 5 it starts 5 - c higher, so that the largest rates r0 e^c do not start lower.
    generator : torch.Generator
    """

    prior_log_rate: Tensor

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        self.ceiling = config.ceiling
        high = -4.0 if config.decoder == "linear" else -2.0
        start = uniform(config.latents, -6.0, high, generator) + max(0.0, HIGHEST_CLAMP - self.ceiling)
        hold(self, "prior_log_rate", start, learned=config.prior != "fixed")

    def forward(self, features: Tensor) -> PoissonPosterior:
        """Turn log-residuals of shape (batch, latents) into the posterior."""
        return PoissonPosterior(soft_clamp(features, self.ceiling), self.prior_log_rate)

    def prior(self, rows: int) -> PoissonPosterior:
        """Return the prior for `rows` samples."""
        return PoissonPosterior(self.prior_log_rate.new_zeros(rows, len(self.prior_log_rate)), self.prior_log_rate)
