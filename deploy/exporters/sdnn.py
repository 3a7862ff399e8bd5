"""The sigma-delta form of a network's deterministic half, and a model of exactly that form.

lava-dl's SDNN layers send differences and have one fixed division, by 64:

    sigma <- sigma + W s                        s: differences of the layer before
    act'  <- max(0, sigma + 64 b)
    send floor((act' - act) / 64),  act <- act'

so that a layer that starts from rest says floor(max(0, W x + 64 b) / 64). A threshold of t accumulator units becomes
part of the next layer's weights, W'_ij = rint(c W_ij 64 / t_j), with c such that the largest is 127. There is no
largest count, biases are multiples of 64 and weights have 8 bits. The last layer only sums. So the form is exact where
no layer fires (a linear encoder or decoder) and an approximation otherwise, whose difference is measured. Sums of
rounded differences are not rounded sums: from the second image on a firing layer drifts by up to 1 an image, in Lava
and in this model alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exporters.lava_export import unrolled
from spiking_pvae.deploy.exporters.segments import Segment
from spiking_pvae.deploy.ir import ConstantThreshold
from spiking_pvae.deploy.numerics import MEMBRANE, weight_format
from spiking_pvae.errors import LimitError

Int64 = NDArray[np.int64]
DIVISOR = 64
REMEDY = "Export to nir, snntorch or lava: Lava's simulator would not notice."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SdnnLayer:
    """One layer.

    Parameters
    ----------
    name : str
    weight : ndarray of int64, shape (outputs, inputs)
        Within -127 .. 127.
    bias : ndarray of int64, shape (outputs,)
        In units of 64; not used by the last layer.
    """

    name: str
    weight: Int64
    bias: Int64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SdnnHalf:
    """A chain of layers.

    Parameters
    ----------
    layers : tuple of SdnnLayer
    scale : float
        Accumulator units of the last layer for one of the network's.
    offset : ndarray of int64, shape (outputs,)
        Bias of the last layer in its own units, which the reader adds: a summing layer has none.
    """

    layers: tuple[SdnnLayer, ...]
    scale: float
    offset: Int64


def require_weights(weight: Int64, name: str) -> None:
    """Raise `LimitError` where a layer has no weight but zeros, which lava-dl can't read."""
    if not weight.any():
        raise LimitError(
            name,
            limit="netx, which divides by the largest weight",
            value="a layer of zero weights",
            remedy="Convert with more weight bits or a smaller scale.",
        )


def sdnn(segment: Segment) -> SdnnHalf:
    """Turn one half of a network into its sigma-delta form.

    Raises
    ------
    LimitError
        A layer has no weight but zeros, which lava-dl can't read.
    """
    limits = weight_format(8)
    layers: list[SdnnLayer] = []
    scale, divide = 1.0, None
    bias = np.zeros(0, np.int64)
    for layer in map(unrolled, segment.layers):
        # Accumulators count units of 2^exponent, so that the weights are the mantissas.
        weight, scale = layer.synapse.weight.astype(np.int64), 2.0**-layer.synapse.exponent
        if divide is not None:
            folded = weight / divide
            largest = max(float(np.abs(folded).max()), 1e-30)
            weight = np.rint(folded * (limits.high / largest)).astype(np.int64)
            scale *= limits.high / largest
        limits.check(weight, layer=layer.name, remedy="Convert with fewer weight bits.")
        require_weights(weight, layer.name)
        value = np.zeros(layer.neurons) if layer.bias is None else layer.bias.value * scale
        bias = np.rint(value).astype(np.int64)
        layers.append(SdnnLayer(name=layer.name, weight=weight, bias=np.rint(value / DIVISOR).astype(np.int64)))
        if isinstance(layer.neuron, ConstantThreshold):
            divide = layer.neuron.theta * scale / DIVISOR
    return SdnnHalf(layers=tuple(layers), scale=scale, offset=bias)


def run_sdnn(half: SdnnHalf, frames: Int64) -> Int64:
    """Run a stream of differences.

    Parameters
    ----------
    half : SdnnHalf
    frames : ndarray of int64, shape (steps, inputs)
        What is sent to the first layer in each step.

    Returns
    -------
    ndarray of int64, shape (steps, outputs)
        Sums of the last layer when each frame has arrived there.

    Raises
    ------
    LimitError
        A state leaves the 24-bit membrane.
    """
    *firing, last = half.layers
    for layer in firing:
        sigma = np.cumsum(delayed(frames) @ layer.weight.T, 0)
        MEMBRANE.check(sigma, layer=layer.name, remedy=REMEDY)
        act = np.maximum(sigma + DIVISOR * layer.bias, 0)
        MEMBRANE.check(act, layer=layer.name, remedy=REMEDY)
        frames = np.floor_divide(np.diff(act, axis=0, prepend=np.zeros((1, act.shape[1]), np.int64)), DIVISOR)
    sums: Int64 = np.cumsum(delayed(frames) @ last.weight.T, 0)
    MEMBRANE.check(sums, layer=last.name, remedy=REMEDY)
    return sums[len(half.layers) :]


def delayed(frames: Int64) -> Int64:
    """Let a step pass first: synapses delay by one, and a layer with a bias speaks before its first input."""
    return np.concatenate([np.zeros((1, frames.shape[1]), np.int64), frames])


def differences(messages: Int64) -> Int64:
    """Return what a stream of messages sends: the first, then the change from each to the next."""
    return np.diff(messages, axis=0, prepend=np.zeros((1, messages.shape[1]), np.int64))
