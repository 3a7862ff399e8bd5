"""The float network: what a model computes, without torch, as the input of quantisation.

It is the reference of every fidelity figure: `propagate` evaluates it in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Shape
from spiking_pvae.deploy.maps import LinearMap, apply
from spiking_pvae.types import FloatArray, ImageShape

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoissonRate:
    """Accumulator to rate: r = exp(u0 + c - softplus(c - du)).

    Parameters
    ----------
    prior_log_rate : ndarray of float64, shape (neurons,)
        u0.
    clamp : float
        c.
    """

    prior_log_rate: Float64
    clamp: float

    def __call__(self, log_residual: Float64) -> Float64:
        """Return rates of the same shape."""
        return np.exp(self.prior_log_rate + self.clamp - np.logaddexp(0.0, self.clamp - log_residual))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Identity:
    """Accumulator to output, unchanged."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rectify:
    """Accumulator to output max(a, 0): a hidden unit, which becomes a spike-count neuron."""


Activation = PoissonRate | Rectify | Identity


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatLayer:
    """a = W x + b, then an activation.

    Parameters
    ----------
    name : str
        Where it comes from, as in ``encoder.3``.
    shape : tuple of int
        Shape of the population; (channels, height, width) or (neurons,).
    linear : LinearMap
        W.
    bias : ndarray of float64, shape (neurons,), optional
        b.
    activation : Activation
    """

    name: str
    shape: Shape
    linear: LinearMap
    bias: Float64 | None
    activation: Activation


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatNetwork:
    """A chain of float layers with one Poisson layer and an unrectified one at the end.

    Parameters
    ----------
    shape : tuple of int
        Channels, height and width of an image.
    layers : tuple of FloatLayer
    beta : float
        Weight of the KL in training.
    """

    shape: ImageShape
    layers: tuple[FloatLayer, ...]
    beta: float

    @property
    def latent_index(self) -> int:
        """Position of the Poisson layer."""
        return next(i for i, layer in enumerate(self.layers) if isinstance(layer.activation, PoissonRate))

    @property
    def latent(self) -> FloatLayer:
        """The Poisson layer."""
        return self.layers[self.latent_index]


def flatten(images: FloatArray) -> Float64:
    """Return images as float64 rows; (samples, channels, height, width) to (samples, pixels)."""
    return images.reshape(len(images), -1).astype(np.float64)


def accumulate(layer: FloatLayer, x: Float64) -> Float64:
    """Return W x + b for a batch; (samples, inputs) to (samples, outputs)."""
    product = apply(layer.linear, x)
    return product if layer.bias is None else product + layer.bias


def activate(layer: FloatLayer, accumulator: Float64) -> Float64:
    """Apply the layer's activation."""
    match layer.activation:
        case PoissonRate():
            return layer.activation(accumulator)
        case Rectify():
            return np.maximum(accumulator, 0.0)
        case Identity():
            return accumulator
        case _:
            assert_never(layer.activation)


def rates(network: FloatNetwork, x: Float64, rate: Callable[[Float64], Float64] | None = None) -> Float64:
    """Return the latents' rates of flattened images; `rate` replaces the last step, accumulator to rate."""
    for layer in network.layers[: network.latent_index]:
        x = activate(layer, accumulate(layer, x))
    accumulator = accumulate(network.latent, x)
    return activate(network.latent, accumulator) if rate is None else rate(accumulator)


def decode(network: FloatNetwork, z: Float64) -> Float64:
    """Return the reconstruction of latent values; (samples, latents) to (samples, pixels)."""
    for layer in network.layers[network.latent_index + 1 :]:
        z = activate(layer, accumulate(layer, z))
    return z
