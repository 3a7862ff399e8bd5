"""Encoders: images to the log-residual du of every latent."""

from __future__ import annotations

import math
from typing import assert_never

import torch
from torch import nn

from spiking_pvae.config import ModelConfig
from spiking_pvae.types import ImageShape

INITIAL_STD = 0.05
"""Standard deviation of initial weights (the papers' public code)."""


def linear(inputs: int, outputs: int, *, bias: bool, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer with weights ~ N(0, INITIAL_STD^2) and zero bias."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        layer.weight.normal_(0.0, INITIAL_STD, generator=generator)
        if bias:
            layer.bias.zero_()
    return layer


def build_encoder(config: ModelConfig, image_shape: ImageShape, generator: torch.Generator) -> nn.Sequential:
    """Build the encoder named by the settings: (batch, channels, height, width) to (batch, latents)."""
    match config.encoder:
        case "linear":
            return nn.Sequential(
                nn.Flatten(), linear(math.prod(image_shape), config.latents, bias=config.bias, generator=generator)
            )
        case _:
            assert_never(config.encoder)
