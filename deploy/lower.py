"""From torch modules to the float network."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from spiking_pvae.deploy.floatnet import Activation, FloatLayer, FloatNetwork, Identity, PoissonRate
from spiking_pvae.errors import UnsupportedError
from spiking_pvae.model import PoissonVAE

SUPPORTED = "nn.Linear, nn.Flatten, nn.Unflatten"


def _array(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()


@singledispatch
def lower_module(module: nn.Module, name: str, activation: Activation) -> FloatLayer | None:
    """Lower one module; None for a module that only reshapes. Open: register further types of layer.

    Raises
    ------
    UnsupportedError
        The module's type has no form on the hardware.
    """
    raise UnsupportedError(f"module '{name}' of type {type(module).__name__}", nearest=SUPPORTED)


@lower_module.register
def _(module: nn.Linear, name: str, activation: Activation) -> FloatLayer:
    bias = None if module.bias is None else _array(module.bias)
    return FloatLayer(name=name, weight=_array(module.weight), bias=bias, activation=activation)


@lower_module.register(nn.Flatten)
@lower_module.register(nn.Unflatten)
def _(module: nn.Module, name: str, activation: Activation) -> None:
    return None


def _lower_sequence(modules: nn.Sequential, names: str, activation: Activation) -> list[FloatLayer]:
    lowered = [lower_module(module, f"{names}.{place}", activation) for place, module in modules.named_children()]
    return [layer for layer in lowered if layer is not None]


def lower(model: PoissonVAE) -> FloatNetwork:
    """Lower a model to a float network: encoder, Poisson latents, decoder.

    Raises
    ------
    UnsupportedError
        A module has no form on the hardware.
    """
    rate = PoissonRate(prior_log_rate=_array(model.prior_log_rate), clamp=model.config.clamp)
    (latent,) = _lower_sequence(model.encoder, "encoder", rate)
    (readout,) = _lower_sequence(model.decoder, "decoder", Identity())
    return FloatNetwork(
        shape=model.image_shape,
        layers=(
            FloatLayer(name="latents", weight=latent.weight, bias=latent.bias, activation=rate),
            FloatLayer(name="readout", weight=readout.weight, bias=readout.bias, activation=Identity()),
        ),
        beta=model.config.beta,
    )
