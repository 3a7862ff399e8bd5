"""Encoders: images to the features that the latents' posterior is made of.

Plain chains of standard modules, so that they can be lowered to spiking neurons:

    linear   Flatten, Linear
    mlp      Flatten, [Linear, ReLU] x depth, Linear
    conv     [Conv2d 3x3 stride 2, BatchNorm2d, ReLU] x depth, Flatten, Linear; channels double at each layer
"""

from __future__ import annotations

import math
from typing import assert_never

import torch
from torch import nn

from spiking_pvae.batch_norm import BatchNorm
from spiking_pvae.config import ModelConfig, Nonlinearity
from spiking_pvae.types import ImageShape

INITIAL_STD = 0.05
"""Standard deviation of the outer layers' initial weights (the papers' public code)."""


def linear(inputs: int, outputs: int, *, bias: bool, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer with weights ~ N(0, INITIAL_STD^2) and zero bias."""
    layer = nn.Linear(inputs, outputs, bias=bias)
    with torch.no_grad():
        layer.weight.normal_(0.0, INITIAL_STD, generator=generator)
        if bias:
            layer.bias.zero_()
    return layer


def nonlinearity(kind: Nonlinearity) -> nn.Module:
    """Return the module of a nonlinearity."""
    match kind:
        case "relu":
            return nn.ReLU()
        case "gelu":
            return nn.GELU()
        case "silu":
            return nn.SiLU()
        case _:
            assert_never(kind)


def _he(layer: nn.Linear | nn.Conv2d, generator: torch.Generator) -> None:
    """Weights ~ N(0, 2 / inputs) and zero bias (He et al. 2015), which keep a ReLU layer's scale."""
    with torch.no_grad():
        layer.weight.normal_(0.0, math.sqrt(2 / layer.weight[0].numel()), generator=generator)
        if layer.bias is not None:
            layer.bias.zero_()


def hidden_linear(inputs: int, outputs: int, config: ModelConfig, generator: torch.Generator) -> list[nn.Module]:
    """Return a hidden layer of an mlp: linear, nonlinearity."""
    layer = nn.Linear(inputs, outputs)
    _he(layer, generator)
    return [layer, nonlinearity(config.activation)]


def hidden_conv(
    inputs: int, outputs: int, stride: int, config: ModelConfig, generator: torch.Generator
) -> list[nn.Module]:
    """Return a hidden 3x3 convolution with its batch norm (which then holds the bias) and nonlinearity."""
    layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=not config.batch_norm)
    _he(layer, generator)
    norm = [BatchNorm(outputs)] if config.batch_norm else []
    return [layer, *norm, nonlinearity(config.activation)]


def build_encoder(
    config: ModelConfig, image_shape: ImageShape, outputs: int, generator: torch.Generator
) -> nn.Sequential:
    """Build the encoder named by the settings: (batch, channels, height, width) to (batch, outputs)."""
    layers: list[nn.Module]
    match config.encoder:
        case "linear":
            layers, size = [nn.Flatten()], math.prod(image_shape)
        case "mlp":
            layers, size = [nn.Flatten()], math.prod(image_shape)
            for _ in range(config.depth):
                layers += hidden_linear(size, config.width, config, generator)
                size = config.width
        case "conv":
            channels, height, width = image_shape
            layers = []
            for place in range(config.depth):
                wider = config.channels * 2**place
                layers += hidden_conv(channels, wider, 2, config, generator)
                channels, height, width = wider, -(-height // 2), -(-width // 2)
            layers.append(nn.Flatten())
            size = channels * height * width
        case _:
            assert_never(config.encoder)
    return nn.Sequential(*layers, linear(size, outputs, bias=config.bias, generator=generator))
