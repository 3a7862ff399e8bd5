"""What the Gaussian, the rectified Gaussian and the Laplace latents share: a location and a scale beside the prior's.

The encoder gives residuals (d, e) to the prior's location m0 and log-scale s0:

    location = m0 + d,      log scale = s0 + c tanh(e / c),      c = 5.3

with m0 = s0 = 0 where the prior is fixed. The symmetric soft clamp keeps the scale within a factor of 200.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spiking_pvae.config import ModelConfig
from spiking_pvae.distributions.interface import Latents, hold

LOG_SCALE_LIMIT = 5.3


def symmetric_clamp(x: Tensor, limit: float) -> Tensor:
    """Bound values smoothly to (-limit, limit): c tanh(x / c)."""
    return limit * torch.tanh(x / limit)


@dataclass(frozen=True, slots=True)
class LocationScale:
    """Residuals of a batch and the prior they refer to.

    Parameters
    ----------
    shift : Tensor, shape (batch, latents)
        d, location minus the prior's.
    log_ratio : Tensor, shape (batch, latents)
        Log of scale over the prior's scale.
    prior_location, prior_log_scale : Tensor, shape (latents,)
    """

    shift: Tensor
    log_ratio: Tensor
    prior_location: Tensor
    prior_log_scale: Tensor

    @property
    def location(self) -> Tensor:
        """Location; shape (batch, latents)."""
        return self.prior_location + self.shift

    @property
    def log_scale(self) -> Tensor:
        """Log of the scale; shape (batch, latents)."""
        return self.prior_log_scale + self.log_ratio

    @property
    def scale(self) -> Tensor:
        """Scale; shape (batch, latents)."""
        return torch.exp(self.log_scale)

    @property
    def standard_shift(self) -> Tensor:
        """Return d in units of the prior's scale; shape (batch, latents)."""
        return self.shift * torch.exp(-self.prior_log_scale)


class LocationScaleLatents(Latents):
    """Prior location and scale, constant at (0, 1) unless learned.

    Parameters
    ----------
    config : ModelConfig
    generator : torch.Generator
        Unused: the prior starts at (0, 1).
    """

    outputs_per_latent = 2
    prior_location: Tensor
    prior_log_scale: Tensor

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        learned = config.prior == "learned"
        hold(self, "prior_location", torch.zeros(config.latents), learned=learned)
        hold(self, "prior_log_scale", torch.zeros(config.latents), learned=learned)

    def parameters_of(self, features: Tensor) -> LocationScale:
        """Split the encoder's output of shape (batch, 2 latents) into location and scale."""
        # In 32 bits under mixed precision too: in 16 the divergence from the prior is rounded away.
        exact = features if features.dtype == torch.float64 else features.float()
        shift, log_ratio = exact.chunk(2, 1)
        log_ratio = symmetric_clamp(log_ratio, LOG_SCALE_LIMIT)
        return LocationScale(shift, log_ratio, self.prior_location, self.prior_log_scale)

    def prior_parameters(self, rows: int) -> LocationScale:
        """Return the prior's location and scale for `rows` samples."""
        zero = self.prior_location.new_zeros(rows, len(self.prior_location))
        return LocationScale(zero, zero, self.prior_location, self.prior_log_scale)
