"""The variational autoencoders: encoder, latents, decoder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from spiking_pvae.config import ModelConfig
from spiking_pvae.decoders import build_decoder
from spiking_pvae.distributions.build import build_latents, encoder_outputs
from spiking_pvae.distributions.interface import Posterior
from spiking_pvae.distributions.poisson import PoissonLatents
from spiking_pvae.encoders import build_encoder
from spiking_pvae.errors import InputError
from spiking_pvae.types import ImageShape


class VAE(nn.Module):
    """Images in, latents, images out; the settings name the latents' distribution.

    Parameters
    ----------
    config : ModelConfig
        Architecture.
    image_shape : tuple of int
        Channels, height and width of the images.
    seed : int
        Seed of the initial weights and prior.
    """

    def __init__(self, config: ModelConfig, image_shape: ImageShape = (1, 16, 16), *, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        # The encoder comes first, so that its initial weights depend on the seed and its own settings alone.
        # A number from here on: a model whose beta is changed later keeps its neurons.
        self.config = replace(config, clamp=config.ceiling)
        self.image_shape = image_shape
        self.encoder = build_encoder(config, image_shape, encoder_outputs(config), generator)
        self.decoder = build_decoder(config, image_shape, generator)
        self.latents = build_latents(config, generator)

    @property
    def device(self) -> torch.device:
        """Where the model lives."""
        return next(self.parameters()).device

    @property
    def has_linear_decoder(self) -> bool:
        """Whether the expected reconstruction error has a closed form."""
        return self.config.decoder == "linear"

    def posterior(self, images: Tensor) -> Posterior:
        """Infer the posterior of images; (batch, channels, height, width) to (batch, latents)."""
        posterior: Posterior = self.latents(self.encoder(images))
        return posterior

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct images; (batch, latents) to (batch, channels, height, width)."""
        images: Tensor = self.decoder(z)
        return images

    def dictionary(self) -> Tensor:
        """Weights of the linear decoder, Phi; shape (pixels, latents).

        Raises
        ------
        InputError
            The decoder is not linear.
        """
        if not self.has_linear_decoder:
            raise InputError(
                "dictionary",
                given=f"a decoder of kind '{self.config.decoder}'",
                allowed="a linear decoder, whose columns are the dictionary",
            )
        layer = self.decoder[0]
        assert isinstance(layer, nn.Linear)
        return layer.weight


class PoissonVAE(VAE):
    """P-VAE: images in, integer spike counts as latents, images out.

    References
    ----------
    Vafaii, Galor, Yates, "Poisson variational autoencoder", NeurIPS 2024, arXiv 2405.14473.
    """

    latents: PoissonLatents

    def __init__(self, config: ModelConfig, image_shape: ImageShape = (1, 16, 16), *, seed: int = 0) -> None:
        if config.model != "poisson":
            raise InputError(
                "model of PoissonVAE",
                given=f"'{config.model}'",
                allowed="'poisson'",
                remedy="spiking_pvae.build_model makes every kind.",
            )
        super().__init__(config, image_shape, seed=seed)

    @property
    def prior_log_rate(self) -> Tensor:
        """Prior log-rates u0; shape (latents,)."""
        return self.latents.prior_log_rate


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, where batch norm neither uses nor changes statistics of the images at hand.

    Afterwards, also after an error, every part is in the mode it was in.
    """
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def build_model(config: ModelConfig, image_shape: ImageShape = (1, 16, 16), *, seed: int = 0) -> VAE:
    """Build the model named by the settings; a `PoissonVAE` for ``model="poisson"``."""
    kind = PoissonVAE if config.model == "poisson" else VAE
    return kind(config, image_shape, seed=seed)
