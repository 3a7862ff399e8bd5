"""Decoders: counts (or other latent values) to reconstructed images.

Plain chains of standard modules, so that they can be lowered to spiking neurons:

    linear   Linear, Unflatten
    mlp      [Linear, ReLU] x depth, Linear, Unflatten
    conv     Linear, ReLU, Unflatten, [Conv2d 3x3, BatchNorm2d, ReLU] x (depth - 1), Conv2d 3x3

The conv decoder works at the full resolution: it needs no upsampling, for which the hardware has no form.
"""

from __future__ import annotations

import math
from typing import assert_never

import torch
from torch import nn

from spiking_pvae.config import ModelConfig
from spiking_pvae.encoders import INITIAL_STD, hidden_conv, hidden_linear, linear
from spiking_pvae.types import ImageShape


def build_decoder(config: ModelConfig, image_shape: ImageShape, generator: torch.Generator) -> nn.Sequential:
    """Build the decoder named by the settings: (batch, latents) to (batch, channels, height, width)."""
    pixels = math.prod(image_shape)
    layers: list[nn.Module] = []
    size = config.latents
    match config.decoder:
        case "linear":
            pass
        case "mlp":
            for _ in range(config.depth):
                layers += hidden_linear(size, config.width, config, generator)
                size = config.width
        case "conv":
            return nn.Sequential(*_conv_decoder(config, image_shape, generator))
        case _:
            assert_never(config.decoder)
    layers.append(linear(size, pixels, bias=config.bias, generator=generator))
    return nn.Sequential(*layers, nn.Unflatten(1, image_shape))


def _conv_decoder(config: ModelConfig, image_shape: ImageShape, generator: torch.Generator) -> list[nn.Module]:
    channels, height, width = image_shape
    layers = hidden_linear(config.latents, config.channels * height * width, config, generator)
    layers.append(nn.Unflatten(1, (config.channels, height, width)))
    for _ in range(config.depth - 1):
        layers += hidden_conv(config.channels, config.channels, 1, config, generator)
    last = nn.Conv2d(config.channels, channels, 3, padding=1, bias=config.bias)
    with torch.no_grad():
        last.weight.normal_(0.0, INITIAL_STD, generator=generator)
        if last.bias is not None:
            last.bias.zero_()
    return [*layers, last]
