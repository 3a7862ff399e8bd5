"""The integer network in real numbers, one kind of rounding at a time.

Each variant is the float network with one change that quantisation makes: what the change costs by itself is what the
conversion report attributes to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.floatnet import FloatLayer, FloatNetwork, accumulate, activate
from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, ExponentialThreshold, Layer, Network, Readout
from spiking_pvae.deploy.latents import LOG_FRACTION
from spiking_pvae.deploy.maps import ConvMap, DenseMap, ScaleMap, scale_inputs
from spiking_pvae.deploy.numerics import weight_format
from spiking_pvae.deploy.quantize import input_grid

Float64 = NDArray[np.float64]
Change = Callable[[Float64], Float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variant:
    """A float network whose input and activations may be altered.

    Parameters
    ----------
    encode : callable
        Pixels to what the first layer receives.
    layers : tuple of FloatLayer
    activations : tuple of callable
        Accumulators to outputs, one a layer; rates for the Poisson layer.
    latent_index : int
        Position of the Poisson layer.
    """

    encode: Change
    layers: tuple[FloatLayer, ...]
    activations: tuple[Change, ...]
    latent_index: int

    def rates(self, x: Float64) -> Float64:
        """Return the latents' rates of flattened images."""
        x = self.encode(x)
        for layer, activation in zip(
            self.layers[: self.latent_index + 1], self.activations[: self.latent_index + 1], strict=True
        ):
            x = activation(accumulate(layer, x))
        return x

    def decode(self, z: Float64) -> Float64:
        """Return the reconstruction of latent counts; (samples, latents) to (samples, pixels)."""
        for layer, activation in zip(
            self.layers[self.latent_index + 1 :], self.activations[self.latent_index + 1 :], strict=True
        ):
            z = activation(accumulate(layer, z))
        return z


def unit(layer: Layer) -> Float64:
    """Return the real value of one accumulator unit of each neuron, shape (neurons,)."""
    match layer.neuron:
        case ConstantThreshold():
            return layer.scale / layer.neuron.theta
        case ExponentialThreshold():
            return np.ldexp(layer.neuron.gain.astype(np.float64), -layer.neuron.gain_shift - LOG_FRACTION)
        case Readout():
            return layer.scale


def real_synapse(layer: Layer, input_scale: Float64) -> DenseMap | ConvMap:
    """Return what a layer's integer synapses mean, from real inputs to real accumulators."""
    synapse = layer.synapse
    mantissa = synapse.weight.astype(np.float64)
    channels = len(mantissa)
    value = unit(layer).reshape(channels, -1)[:, 0] * 2.0**synapse.exponent
    weight = mantissa * value.reshape(-1, *(1,) * (mantissa.ndim - 1))
    linear: DenseMap | ConvMap
    if isinstance(synapse, Conv2d):
        linear = ConvMap(
            weight=weight,
            input_shape=synapse.input_shape,
            stride=synapse.stride,
            padding=synapse.padding,
            dilation=synapse.dilation,
            groups=synapse.groups,
        )
    else:
        linear = DenseMap(weight=weight)
    return scale_inputs(linear, 1 / input_scale)


def _bias(layer: Layer) -> Float64 | None:
    """Return what a layer's integer bias means, without the half threshold of a hidden unit."""
    if layer.bias is None:
        return None
    charge = layer.bias.value.astype(np.float64)
    if isinstance(layer.neuron, ConstantThreshold):
        charge = charge - layer.neuron.theta / 2
    return charge * unit(layer)


def clipped_weights(layer: FloatLayer, made: Layer, input_scale: Float64) -> DenseMap | ConvMap:
    """Limit a float layer's weights to the range of its integers without rounding them."""
    assert not isinstance(layer.linear, ScaleMap)
    linear = scale_inputs(layer.linear, input_scale)
    channels = len(linear.weight)
    limit = unit(made).reshape(channels, -1)[:, 0] * 2.0**made.synapse.exponent * weight_format(made.synapse.bits).high
    limit = limit.reshape(-1, *(1,) * (linear.weight.ndim - 1))
    return scale_inputs(replace(linear, weight=np.clip(linear.weight, -limit, limit)), 1 / input_scale)


def _rounded_neuron(layer: FloatLayer, made: Layer) -> Change:
    """Return a layer's activation with the neuron's own rounding: counts, or the fixed-point rate."""
    neuron, value = made.neuron, unit(made)
    match neuron:
        case ConstantThreshold():
            # Without a bias the neuron rounds down (`spiking_pvae.deploy.hidden`).
            offset = 0.0 if made.bias is None else 0.5
            return lambda a: np.maximum(np.floor(a / made.scale + offset), 0.0) * made.scale
        case ExponentialThreshold():
            return lambda a: np.ldexp(
                neuron.charge(np.rint(a / value).astype(np.int64)).astype(np.float64), -neuron.fraction
            )
        case Readout():
            return lambda a: activate(layer, a)


def _clipped_neuron(layer: FloatLayer, made: Layer) -> Change:
    """Return a layer's activation with the upper limit of a hidden unit's count."""
    neuron = made.neuron
    if isinstance(neuron, ConstantThreshold):
        return lambda a: np.clip(a, 0.0, neuron.n_max * made.scale)
    return lambda a: activate(layer, a)


def variants(source: FloatNetwork, network: Network) -> dict[str, Variant]:
    """Return the float network (``exact``), one variant a cause, and the integer network in real numbers.

    Parameters
    ----------
    source : FloatNetwork
    network : Network
        Made of it.

    Returns
    -------
    dict of str to Variant
        ``exact``, ``input_quantisation``, ``weight_rounding``, ``threshold_rounding``, ``clipping``,
        ``input_threshold`` and ``integer``. In ``integer`` the hidden activations and rates are rounded from real sums,
        so that it is the integer network up to ties.
    """
    grid = input_grid(network.input)
    pairs = list(zip(source.layers, network.layers, network.message_scales, strict=True))
    plain = tuple(_plain(layer) for layer in source.layers)
    exact = Variant(encode=lambda x: x, layers=source.layers, activations=plain, latent_index=source.latent_index)
    integer = tuple(replace(layer, linear=real_synapse(made, scale), bias=_bias(made)) for layer, made, scale in pairs)
    clipped = tuple(replace(layer, linear=clipped_weights(layer, made, scale)) for layer, made, scale in pairs)
    rounded = tuple(
        replace(layer, linear=_beyond(layer, whole, limited), bias=whole.bias)
        for layer, whole, limited in zip(source.layers, integer, clipped, strict=True)
    )
    thresholds = tuple(_rounded_neuron(layer, made) for layer, made, _ in pairs)
    limits = tuple(_clipped_neuron(layer, made) for layer, made, _ in pairs)
    silent = (network.input.threshold - 0.5) * network.input.scale

    def quiet(x: Float64) -> Float64:
        return np.where(np.abs(x) < silent, 0.0, x)

    both = tuple(_both(made, threshold) for (_, made, _), threshold in zip(pairs, thresholds, strict=True))
    return {
        "exact": exact,
        "input_quantisation": replace(exact, encode=grid.rounded),
        "weight_rounding": replace(exact, layers=rounded),
        "threshold_rounding": replace(exact, activations=thresholds),
        "clipping": replace(exact, encode=grid.clipped, layers=clipped, activations=limits),
        "input_threshold": replace(exact, encode=quiet),
        "integer": replace(exact, encode=lambda x: grid.quantise(quiet(x)), layers=integer, activations=both),
    }


def _beyond(layer: FloatLayer, whole: FloatLayer, limited: FloatLayer) -> DenseMap | ConvMap:
    """Return the float weights with what rounding changes beyond clipping."""
    linear, integer, clipped = layer.linear, whole.linear, limited.linear
    assert not isinstance(linear, ScaleMap)
    assert not isinstance(integer, ScaleMap)
    assert not isinstance(clipped, ScaleMap)
    return replace(linear, weight=linear.weight + (integer.weight - clipped.weight))


def _plain(layer: FloatLayer) -> Change:
    return lambda a: activate(layer, a)


def _both(made: Layer, rounded: Change) -> Change:
    neuron = made.neuron
    if isinstance(neuron, ConstantThreshold):
        return lambda a: np.minimum(rounded(a), neuron.n_max * made.scale)
    return rounded
