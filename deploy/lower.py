"""From a trained model, or a user's own encoder and decoder, to the float network."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from spiking_pvae.deploy.floatnet import (
    Activation,
    FloatLayer,
    FloatNetwork,
    Identity,
    PoissonRate,
    accumulate,
    activate,
)
from spiking_pvae.deploy.fold import fold_linear
from spiking_pvae.deploy.lower_modules import Chain, append, array, unsupported
from spiking_pvae.deploy.maps import ScaleMap
from spiking_pvae.errors import InputError, UnsupportedError
from spiking_pvae.model import VAE, PoissonVAE
from spiking_pvae.types import ImageShape

PROBES = 3
TOLERANCE = 1e-3
"""Largest deviation of the lowered network from the modules, relative to the largest output: float32 against 64."""


def lower(model: VAE) -> FloatNetwork:
    """Lower a model to a float network: encoder, Poisson latents, decoder; batch norm and pooling folded.

    Raises
    ------
    UnsupportedError
        A module has no form on the hardware; the message names it and the nearest supported form; or the latents
        are no counts.
    """
    if not isinstance(model, PoissonVAE):
        raise UnsupportedError(f"a model with '{model.config.model}' latents", nearest="Poisson latents")
    return lower_parts(
        encoder=model.encoder,
        decoder=model.decoder,
        prior_log_rate=model.prior_log_rate,
        clamp=model.config.ceiling,
        shape=model.image_shape,
        beta=model.config.beta,
    )


def lower_parts(
    *,
    encoder: nn.Module,
    decoder: nn.Module,
    prior_log_rate: Tensor,
    clamp: float,
    shape: ImageShape,
    beta: float = 1.0,
) -> FloatNetwork:
    """Lower an encoder and a decoder of one's own.

    Parameters
    ----------
    encoder : nn.Module
        Images to log-residuals du of the latents: an `nn.Sequential` of supported modules.
    decoder : nn.Module
        Counts of the latents to images.
    prior_log_rate : Tensor, shape (latents,)
        u0.
    clamp : float
        Upper soft clamp of the log-residual.
    shape : tuple of int
        Channels, height and width of the images.
    beta : float
        Weight of the KL in training.

    Raises
    ------
    UnsupportedError
        A module has no form on the hardware, or does not do what its type says.
    InputError
        The shapes do not fit together.
    """
    latents = len(prior_log_rate)
    rate = PoissonRate(prior_log_rate=array(prior_log_rate), clamp=clamp)
    up = append(_sequence(encoder, "encoder"), "encoder", Chain(shape=shape))
    down = append(_sequence(decoder, "decoder"), "decoder", Chain(shape=(latents,)))
    for name, chain, expected in (("encoder", up, latents), ("decoder", down, math.prod(shape))):
        if math.prod(chain.shape) != expected:
            raise InputError(f"output of the {name}", given=f"shape {chain.shape}", allowed=f"{expected} values")
    _probe(encoder, "encoder", up.layers, shape)
    _probe(decoder, "decoder", down.layers, (latents,))
    return fold_linear(
        FloatNetwork(
            shape=shape,
            layers=(*_end(up, "latents", (latents,), rate), *_end(down, "readout", shape, Identity())),
            beta=beta,
        )
    )


def _sequence(module: nn.Module, name: str) -> nn.Module:
    """Refuse a module whose forward is written by hand: what it does can't be read off its children."""
    if not isinstance(module, nn.Sequential) and next(module.children(), None) is not None:
        raise unsupported(module, name, "a forward of its own, whose functional operations can't be seen")
    return module


def _end(chain: Chain, name: str, shape: tuple[int, ...], activation: Activation) -> tuple[FloatLayer, ...]:
    """Give the last layer of a part its name, shape and activation; add one where the last one rectifies."""
    if not chain.layers or not isinstance(chain.layers[-1].activation, Identity):
        chain = chain.add(name, ScaleMap(gain=np.ones(math.prod(chain.shape))), chain.shape)
    last = replace(chain.layers[-1], name=name, shape=shape, activation=activation)
    return (*chain.layers[:-1], last)


@torch.no_grad()
def _probe(module: nn.Module, name: str, layers: tuple[FloatLayer, ...], shape: tuple[int, ...]) -> None:
    """Compare the modules with their lowered form on random inputs.

    Raises
    ------
    UnsupportedError
        They differ: something that lowering can't see takes part.
    """
    modes = {part: part.training for part in module.modules()}
    parameter = next(module.parameters(), torch.zeros(()))
    probes = torch.randn(PROBES, *shape, generator=torch.Generator().manual_seed(0))
    module.eval()
    expected = array(module(probes.to(parameter)).flatten(1))
    for part, mode in modes.items():
        part.training = mode
    x = array(probes.flatten(1))
    for layer in layers:
        x = activate(layer, accumulate(layer, x))
    error = np.abs(x - expected).max()
    if not error <= TOLERANCE * max(1e-6, float(np.abs(expected).max())):
        raise UnsupportedError(
            f"module '{name}' of type {type(module).__name__} "
            f"(its output differs from that of its parts by {error:.3g})",
            nearest="an nn.Sequential without hooks or functions of its own",
        )
