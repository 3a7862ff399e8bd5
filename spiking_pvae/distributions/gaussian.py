"""Gaussian latents.

    KL = 1/2 [d^2 / sigma0^2 + e^dv - dv - 1],     dv = log(sigma^2 / sigma0^2)

Source: D. P. Kingma, M. Welling, "Auto-encoding variational Bayes", 2014; in this form Vafaii & Yates, arXiv
2602.13421.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spiking_pvae.distributions.interface import Independent
from spiking_pvae.distributions.location_scale import LocationScale, LocationScaleLatents
from spiking_pvae.sampling.draws import Draws


def gaussian_kl(parameters: LocationScale) -> Tensor:
    """Divergence of N(mu, sigma^2) from N(mu0, sigma0^2), nats; shape (batch, latents).

    With expm1 the second part, dv^2 / 4 near dv = 0, has an absolute error of about eps |dv| there.
    """
    dv = 2 * parameters.log_ratio
    return 0.5 * (parameters.standard_shift.square() + torch.expm1(dv) - dv)


def standard_density(a: Tensor) -> Tensor:
    """Density of N(0, 1); same shape."""
    return torch.exp(-0.5 * a.square()) / math.sqrt(2 * math.pi)


def standard_cdf(a: Tensor) -> Tensor:
    """Distribution function of N(0, 1); same shape."""
    cdf: Tensor = torch.special.ndtr(a)
    return cdf


def gaussian_draw(parameters: LocationScale, draws: Draws) -> Tensor:
    """Draw mu + sigma eps, which carries its gradient; shape (batch, latents)."""
    location = parameters.location
    rows, latents = location.shape
    noise = draws.normal(rows, latents, location.device)
    return location + parameters.scale * noise.to(location.dtype)


def gaussian_log_density(parameters: LocationScale, z: Tensor) -> Tensor:
    """Log-density of N(mu, sigma^2), nats; same shape as z."""
    standard = (z - parameters.location) / parameters.scale
    return -0.5 * standard.square() - parameters.log_scale - 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class GaussianPosterior(Independent):
    """N(mu, sigma^2) for a batch.

    Parameters
    ----------
    parameters : LocationScale
    """

    parameters: LocationScale

    @property
    def mean(self) -> Tensor:
        """E z = mu."""
        return self.parameters.location

    @property
    def variance(self) -> Tensor:
        """Var z = sigma^2."""
        return torch.exp(2 * self.parameters.log_scale)

    @property
    def activity(self) -> Tensor:
        """E |z| = 2 sigma phi(a) + mu (2 Phi(a) - 1), a = mu / sigma."""
        mu, sigma = self.parameters.location, self.parameters.scale
        a = mu / sigma
        return 2 * sigma * standard_density(a) + mu * (2 * standard_cdf(a) - 1)

    @property
    def zeros(self) -> Tensor:
        """P(z = 0) = 0."""
        return torch.zeros_like(self.parameters.location)

    def kl(self) -> Tensor:
        """Divergence from the prior per latent, nats."""
        return gaussian_kl(self.parameters)

    def reparameterised(self, draws: Draws) -> Tensor:
        """Draw z = mu + sigma eps, which carries its gradient."""
        return gaussian_draw(self.parameters, draws)

    def sample(self, draws: Draws) -> Tensor:
        """Draw z, without gradient."""
        return self.reparameterised(draws).detach()

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density of z, nats."""
        return gaussian_log_density(self.parameters, z)


class GaussianLatents(LocationScaleLatents):
    """Gaussian latents; the encoder gives location and log-scale residuals."""

    def forward(self, features: Tensor) -> GaussianPosterior:
        """Turn features of shape (batch, 2 latents) into the posterior."""
        return GaussianPosterior(self.parameters_of(features))

    def prior(self, rows: int) -> GaussianPosterior:
        """Return the prior for `rows` samples."""
        return GaussianPosterior(self.prior_parameters(rows))
