"""Decoders: counts to reconstructed images."""

from __future__ import annotations

import math
from typing import assert_never

import torch
from torch import nn

from spiking_pvae.config import ModelConfig
from spiking_pvae.encoders import linear
from spiking_pvae.types import ImageShape


def build_decoder(config: ModelConfig, image_shape: ImageShape, generator: torch.Generator) -> nn.Sequential:
    """Build the decoder named by the settings: (batch, latents) to (batch, channels, height, width)."""
    match config.decoder:
        case "linear":
            return nn.Sequential(
                linear(config.latents, math.prod(image_shape), bias=config.bias, generator=generator),
                nn.Unflatten(1, image_shape),
            )
        case _:
            assert_never(config.decoder)
