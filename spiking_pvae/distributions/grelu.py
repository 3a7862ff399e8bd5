"""Rectified Gaussian latents: the decoder reads relu(y), y ~ N(mu, sigma^2); the KL is that of y.

With a = mu / sigma, phi and Phi the density and the distribution function of N(0, 1):

    E relu = mu Phi(a) + sigma phi(a)
    E relu^2 = (mu^2 + sigma^2) Phi(a) + mu sigma phi(a)
    P(z = 0) = Phi(-a)

At a standard normal prior the mean is 0.3989, the variance 0.3408 and half of the values are zero. Source: Vafaii &
Yates, arXiv 2602.13421, where the prior is fixed at N(0, 1); a learned prior is the control it lacks.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spiking_pvae.distributions.gaussian import (
    gaussian_draw,
    gaussian_kl,
    gaussian_log_density,
    standard_cdf,
    standard_density,
)
from spiking_pvae.distributions.interface import Independent, Terms, weighted_variance
from spiking_pvae.distributions.location_scale import LocationScale, LocationScaleLatents
from spiking_pvae.distributions.terms import ReluTerms
from spiking_pvae.sampling.draws import Draws


@dataclass(frozen=True, slots=True)
class ReluPosterior(Independent):
    """relu(N(mu, sigma^2)) for a batch.

    Parameters
    ----------
    parameters : LocationScale
        Of the variable before rectification.
    """

    parameters: LocationScale

    @property
    def mean(self) -> Tensor:
        """E z = mu Phi(a) + sigma phi(a)."""
        mu, sigma = self.parameters.location, self.parameters.scale
        a = mu / sigma
        return mu * standard_cdf(a) + sigma * standard_density(a)

    @property
    def variance(self) -> Tensor:
        """Var z = E relu^2 - (E relu)^2, at least 0.

        Written sigma^2 [Phi + m (a - m)], m = a Phi + phi, which cancels less than the difference of moments.
        """
        mu, sigma = self.parameters.location, self.parameters.scale
        a = mu / sigma
        cdf = standard_cdf(a)
        m = a * cdf + standard_density(a)
        return (sigma.square() * (cdf + m * (a - m))).clamp_min(0)

    @property
    def activity(self) -> Tensor:
        """E |z| = E z."""
        return self.mean

    @property
    def zeros(self) -> Tensor:
        """P(z = 0) = Phi(-mu / sigma)."""
        return standard_cdf(-self.parameters.location / self.parameters.scale)

    def kl(self) -> Tensor:
        """Divergence of the variable before rectification from its prior, nats."""
        return gaussian_kl(self.parameters)

    def terms(self, dictionary: Tensor) -> Terms:
        """Return mean, readout variance and summed KL, sharing their exponentials."""
        q = self.parameters
        mean, variance, kl = ReluTerms.apply(q.shift, q.log_ratio, q.prior_location, q.prior_log_scale)  # type: ignore[no-untyped-call]
        return Terms(mean, weighted_variance(variance, dictionary), kl)

    def reparameterised(self, draws: Draws) -> Tensor:
        """Draw z = relu(mu + sigma eps), which carries its gradient."""
        return torch.relu(gaussian_draw(self.parameters, draws))

    def sample(self, draws: Draws) -> Tensor:
        """Draw z, without gradient."""
        return self.reparameterised(draws).detach()

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density of z where z > 0, log-probability of 0 elsewhere, nats."""
        silent = torch.special.log_ndtr(-self.parameters.location / self.parameters.scale)
        return torch.where(z > 0, gaussian_log_density(self.parameters, z), silent)


class ReluLatents(LocationScaleLatents):
    """Rectified Gaussian latents; the encoder gives location and log-scale residuals."""

    def forward(self, features: Tensor) -> ReluPosterior:
        """Turn features of shape (batch, 2 latents) into the posterior."""
        return ReluPosterior(self.parameters_of(features))

    def prior(self, rows: int) -> ReluPosterior:
        """Return the prior for `rows` samples."""
        return ReluPosterior(self.prior_parameters(rows))
