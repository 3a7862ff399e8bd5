"""What a training takes in memory, from its settings alone, so that too large a model is refused before it is built.

    bytes = 4 [4 W + B (A + 2 L)]

W weights, each with its gradient and two moments; B images a batch; A values an image that wait for the backward pass;
L values of the largest layer, whose gradient and the next one are held besides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.devices import available_memory
from spiking_pvae.distributions.build import encoder_outputs
from spiking_pvae.errors import InputError
from spiking_pvae.objective import SCORE_DRAWS
from spiking_pvae.types import ImageShape

VALUES_A_LATENT = 8
"""Log-residual, rate, draw, its slope, divergence and what they are made of."""


@dataclass(frozen=True, slots=True)
class Layers:
    """Sizes of an encoder or a decoder.

    Parameters
    ----------
    weights : int
        Trained values.
    kept : int
        Values an image that its hidden layers keep for the backward pass.
    largest : int
        Values an image of the largest hidden layer.
    """

    weights: int
    kept: int
    largest: int


def _kept_by(config: ModelConfig, *, normed: bool) -> int:
    """Values that a hidden layer keeps for each it gives: a ReLU its output, others their input too, a norm its own."""
    return 1 + (config.activation != "relu") + normed


def _mlp(config: ModelConfig, inputs: int, outputs: int) -> Layers:
    width, depth = config.width, config.depth
    weights = (inputs + 1) * width + (depth - 1) * (width + 1) * width + (width + config.bias) * outputs
    return Layers(weights, depth * width * _kept_by(config, normed=False), width)


def _hidden_conv(config: ModelConfig, inputs: int, outputs: int) -> int:
    """Weights of a hidden convolution with its norm or bias."""
    return 9 * inputs * outputs + (2 if config.batch_norm else 1) * outputs


def encoder_layers(config: ModelConfig, shape: ImageShape) -> Layers:
    """Return the sizes of the encoder that `spiking_pvae.encoders.build_encoder` builds."""
    outputs = encoder_outputs(config)
    if config.encoder == "linear":
        return Layers((math.prod(shape) + config.bias) * outputs, 0, 0)
    if config.encoder == "mlp":
        return _mlp(config, math.prod(shape), outputs)
    channels, height, width = shape
    weights, sizes = 0, []
    for place in range(config.depth):
        wider = config.channels * 2**place
        weights += _hidden_conv(config, channels, wider)
        channels, height, width = wider, -(-height // 2), -(-width // 2)
        sizes.append(channels * height * width)
    weights += (sizes[-1] + config.bias) * outputs
    return Layers(weights, sum(sizes) * _kept_by(config, normed=config.batch_norm), max(sizes))


def decoder_layers(config: ModelConfig, shape: ImageShape) -> Layers:
    """Return the sizes of the decoder that `spiking_pvae.decoders.build_decoder` builds."""
    if config.decoder == "linear":
        return Layers((config.latents + config.bias) * math.prod(shape), 0, 0)
    if config.decoder == "mlp":
        return _mlp(config, config.latents, math.prod(shape))
    channels, hidden = shape[0], config.depth - 1
    size = config.channels * shape[1] * shape[2]
    weights = (config.latents + 1) * size + hidden * _hidden_conv(config, config.channels, config.channels)
    weights += 9 * config.channels * channels + config.bias * channels
    kept = size * (_kept_by(config, normed=False) + hidden * _kept_by(config, normed=config.batch_norm))
    return Layers(weights, kept, size)


def training_memory(model: ModelConfig, image_shape: ImageShape, train: TrainConfig) -> int:
    """Estimate the bytes that training needs beyond the data."""
    encoder, decoder = encoder_layers(model, image_shape), decoder_layers(model, image_shape)
    pixels, draws = math.prod(image_shape), SCORE_DRAWS if train.estimator == "score" else 1
    weights = encoder.weights + decoder.weights + model.latents
    kept = encoder.kept + draws * (decoder.kept + pixels + VALUES_A_LATENT * model.latents) + pixels
    largest = max(encoder.largest, decoder.largest, pixels, encoder_outputs(model))
    return 4 * (4 * weights + train.batch_size * (kept + 2 * largest))


def require_memory(model: ModelConfig, image_shape: ImageShape, train: TrainConfig) -> None:
    """Refuse a model that can't be trained in the memory there is.

    Raises
    ------
    InputError
        The estimate exceeds the free memory.
    """
    needed, free = training_memory(model, image_shape, train), available_memory()
    if needed > free:
        raise InputError(
            "latents",
            given=f"{model.latents}, which needs about {needed / 2**30:.1f} GiB to train",
            allowed=f"a model that fits the {free / 2**30:.1f} GiB of free memory",
            remedy="Use fewer latents, smaller layers or a smaller batch.",
        )
