"""The Poisson variational autoencoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spiking_pvae.config import ModelConfig
from spiking_pvae.decoders import build_decoder
from spiking_pvae.distributions.poisson import PoissonPosterior, soft_clamp
from spiking_pvae.encoders import build_encoder
from spiking_pvae.types import ImageShape

PRIOR_LOG_RATE_RANGE = (-6.0, -4.0)
"""Initial prior log-rates are uniform in this range (linear decoder, the papers' public code)."""


class PoissonVAE(nn.Module):
    """P-VAE: images in, integer spike counts as latents, images out.

    Parameters
    ----------
    config : ModelConfig
        Architecture.
    image_shape : tuple of int
        Channels, height and width of the images.
    seed : int
        Seed of the initial weights and prior log-rates.

    References
    ----------
    Vafaii, Galor, Yates, "Poisson variational autoencoder", NeurIPS 2024, arXiv 2405.14473.
    """

    def __init__(self, config: ModelConfig, image_shape: ImageShape = (1, 16, 16), *, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.config = config
        self.image_shape = image_shape
        self.encoder = build_encoder(config, image_shape, generator)
        self.decoder = build_decoder(config, image_shape, generator)
        low, high = PRIOR_LOG_RATE_RANGE
        self.prior_log_rate = nn.Parameter(low + (high - low) * torch.rand(config.latents, generator=generator))

    def posterior(self, images: Tensor) -> PoissonPosterior:
        """Infer the posterior of images; (batch, channels, height, width) to rates of (batch, latents)."""
        log_residual = soft_clamp(self.encoder(images), self.config.clamp)
        return PoissonPosterior(log_residual, self.prior_log_rate)

    def decode(self, counts: Tensor) -> Tensor:
        """Reconstruct images; (batch, latents) to (batch, channels, height, width)."""
        images: Tensor = self.decoder(counts)
        return images

    def dictionary(self) -> Tensor:
        """Weights of the linear decoder, Phi; shape (pixels, latents)."""
        (layer,) = (module for module in self.decoder if isinstance(module, nn.Linear))
        return layer.weight
