"""Passes that rewrite a float network without changing what it computes.

Lowering keeps every module as a layer of its own. Batch norm, input normalisation and average pooling are linear, so
they disappear into the map beside them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.floatnet import (
    FloatLayer,
    FloatNetwork,
    Identity,
    PoissonRate,
    Rectify,
    accumulate,
    activate,
)
from spiking_pvae.deploy.maps import ConvMap, DenseMap, ScaleMap, apply, compose, scale_outputs, unrolled

Float64 = NDArray[np.float64]


def merge(second: FloatLayer, first: FloatLayer) -> FloatLayer:
    """Return the one layer that does what an unrectified layer and the next one do: W2 (W1 x + b1) + b2."""
    shift = None if first.bias is None else apply(second.linear, first.bias[None])[0]
    bias = second.bias if shift is None else shift if second.bias is None else shift + second.bias
    return replace(second, linear=compose(second.linear, first.linear), bias=bias)


def fold_linear(network: FloatNetwork) -> FloatNetwork:
    """Merge every layer without a nonlinearity into the next one: batch norm, normalisation, pooling.

    Exact in real arithmetic. A bias that passes through a padded convolution becomes one of each place, since borders
    receive less of it.

    Parameters
    ----------
    network : FloatNetwork

    Returns
    -------
    FloatNetwork
        Every layer but the last rectifies or is the Poisson layer.
    """
    layers: list[FloatLayer] = []
    for layer in network.layers:
        if layers and isinstance(layers[-1].activation, Identity):
            layers[-1] = merge(layer, layers[-1])
        else:
            layers.append(layer)
    return replace(network, layers=tuple(_plain(layer) for layer in layers))


def _plain(layer: FloatLayer) -> FloatLayer:
    """Write a scaling that has no neighbour to fold into as synapses of its own."""
    if not isinstance(layer.linear, ScaleMap):
        return layer
    if len(layer.shape) == 3:
        channels, height, width = layer.shape
        one = ConvMap(weight=np.ones((channels, 1, 1, 1)), input_shape=(channels, height, width), groups=channels)
        return replace(layer, linear=scale_outputs(one, layer.linear.gain))
    return replace(layer, linear=unrolled(layer.linear))


def equalise(network: FloatNetwork, largest: dict[str, Float64]) -> FloatNetwork:
    """Balance hidden channels against the weights that read them, without changing what the network computes.

    Channel c of a rectified layer is divided by s_c and the next layer's weights on it multiplied by s_c, which a
    rectifier allows for s_c > 0, with

        s_c = sqrt(p_c / q_c) / geometric mean of the same over c,

    p_c the channel's largest activation and q_c the largest weight that reads it (cross-layer equalisation [1]_ with
    activations in the place of the first layer's weights, whose scales are per channel here).

    Parameters
    ----------
    network : FloatNetwork
        Folded (`fold_linear`).
    largest : dict of str to ndarray of float64, shape (neurons,)
        Largest activation of each neuron of each rectified layer on calibration data (`peaks`).

    Returns
    -------
    FloatNetwork

    References
    ----------
    .. [1] M. Nagel et al., "Data-free quantization through weight equalization and bias correction", ICCV 2019.
    """
    layers = list(network.layers)
    for place in range(len(layers) - 1):
        # As it is by now: the layer before may have passed its gain on.
        layer, following = layers[place], layers[place + 1]
        if not isinstance(layer.activation, Rectify):
            continue
        gain = _balance(layer, following, largest[layer.name])
        assert not isinstance(layer.linear, ScaleMap)
        layers[place] = replace(
            layer,
            linear=scale_outputs(layer.linear, 1 / gain),
            bias=None if layer.bias is None else layer.bias / gain,
        )
        layers[place + 1] = replace(following, linear=compose(following.linear, ScaleMap(gain=gain)))
    return replace(network, layers=tuple(layers))


def peaks(network: FloatNetwork, x: Float64, *, seed: int = 0) -> dict[str, Float64]:
    """Return the largest activation of each neuron of each rectified layer.

    Parameters
    ----------
    network : FloatNetwork
    x : ndarray of float64, shape (samples, pixels)
    seed : int
        Seed of the Poisson counts that a decoder reads.
    """
    rng = np.random.default_rng(seed)
    found = {}
    for layer in network.layers:
        x = activate(layer, accumulate(layer, x))
        if isinstance(layer.activation, PoissonRate):
            x = rng.poisson(x).astype(np.float64)
        if isinstance(layer.activation, Rectify):
            found[layer.name] = x.max(0)
    return found


def _balance(layer: FloatLayer, following: FloatLayer, peak: Float64) -> Float64:
    """Return s of each neuron; the same for all places of a channel where either side is a convolution."""
    reader: Float64
    channels = len(peak)
    match following.linear:
        case DenseMap():
            reader = np.abs(following.linear.weight).max(0)
        case ConvMap():
            channels = following.linear.input_shape[0]
            kernels = np.abs(following.linear.weight).max((2, 3))
            by_channel = kernels.reshape(following.linear.groups, -1, kernels.shape[1]).max(1).reshape(-1)
            reader = by_channel.repeat(len(peak) // channels)
        case ScaleMap():
            reader = np.abs(following.linear.gain)
        case _:
            assert_never(following.linear)
    if isinstance(layer.linear, ConvMap):
        channels = layer.linear.output_shape[0]
    peak, reader = (values.reshape(channels, -1).max(1).repeat(len(values) // channels) for values in (peak, reader))
    usable = (peak > 0) & (reader > 0)
    gain = np.ones_like(peak)
    gain[usable] = np.sqrt(peak[usable] / reader[usable])
    if usable.any():
        gain[usable] /= np.exp(np.log(gain[usable]).mean())
    return gain
