"""The latent distribution that the settings name."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from spiking_pvae.config import ModelConfig, ModelKind
from spiking_pvae.distributions.categorical import CategoricalLatents
from spiking_pvae.distributions.gaussian import GaussianLatents
from spiking_pvae.distributions.grelu import ReluLatents
from spiking_pvae.distributions.interface import Latents
from spiking_pvae.distributions.laplace import LaplaceLatents
from spiking_pvae.distributions.poisson import PoissonLatents

LATENTS: Mapping[ModelKind, type[Latents]] = {
    "poisson": PoissonLatents,
    "grelu": ReluLatents,
    "gaussian": GaussianLatents,
    "laplace": LaplaceLatents,
    "categorical": CategoricalLatents,
}


def encoder_outputs(config: ModelConfig) -> int:
    """Return how many values the encoder gives."""
    return config.latents * LATENTS[config.model].outputs_per_latent


def build_latents(config: ModelConfig, generator: torch.Generator) -> Latents:
    """Build the latents named by the settings, with their prior."""
    return LATENTS[config.model](config, generator)
