"""Laplace latents.

    KL = (b / b0) e^(-|d| / b) + |d| / b0 - log(b / b0) - 1

with location residual d and scales b, b0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from spiking_pvae.distributions.interface import Independent
from spiking_pvae.distributions.location_scale import LocationScale, LocationScaleLatents
from spiking_pvae.sampling.draws import Draws


@dataclass(frozen=True, slots=True)
class LaplacePosterior(Independent):
    """Laplace(mu, b) for a batch.

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
        """Var z = 2 b^2."""
        return 2 * torch.exp(2 * self.parameters.log_scale)

    @property
    def activity(self) -> Tensor:
        """E |z| = |mu| + b e^(-|mu| / b)."""
        size, scale = self.parameters.location.abs(), self.parameters.scale
        return size + scale * torch.exp(-size / scale)

    @property
    def zeros(self) -> Tensor:
        """P(z = 0) = 0."""
        return torch.zeros_like(self.parameters.location)

    def kl(self) -> Tensor:
        """Divergence from the prior per latent, nats."""
        distance = self.parameters.standard_shift.abs()
        log_ratio = self.parameters.log_ratio
        return torch.expm1(log_ratio - distance * torch.exp(-log_ratio)) + distance - log_ratio

    def reparameterised(self, draws: Draws) -> Tensor:
        """Draw z = mu - b sign(v) log(1 - |v|), v uniform in (-1, 1), which carries its gradient."""
        location = self.parameters.location
        rows, latents = location.shape
        centred = 2 * draws.uniform(rows, latents, location.device) - 1
        noise = -torch.sign(centred) * torch.log1p(-centred.abs())
        return location + self.parameters.scale * noise.to(location.dtype)

    def sample(self, draws: Draws) -> Tensor:
        """Draw z, without gradient."""
        return self.reparameterised(draws).detach()

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density of z, nats."""
        distance = (z - self.parameters.location).abs() / self.parameters.scale
        return -distance - self.parameters.log_scale - math.log(2)


class LaplaceLatents(LocationScaleLatents):
    """Laplace latents; the encoder gives location and log-scale residuals."""

    def forward(self, features: Tensor) -> LaplacePosterior:
        """Turn features of shape (batch, 2 latents) into the posterior."""
        return LaplacePosterior(self.parameters_of(features))

    def prior(self, rows: int) -> LaplacePosterior:
        """Return the prior for `rows` samples."""
        return LaplacePosterior(self.prior_parameters(rows))
