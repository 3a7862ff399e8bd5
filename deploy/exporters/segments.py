"""The deterministic halves of a network: images to the latents' accumulators, and counts to the readout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, Dense, Layer, Network, Shape, Sparse
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import UnsupportedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A chain of layers without randomness; its last layer only accumulates.

    Parameters
    ----------
    name : {"encoder", "decoder"}
    shape : tuple of int
        Shape of the population that feeds it.
    high : int
        Largest magnitude of an incoming message.
    layers : tuple of Layer
    incoming : int
        Steps over which messages arrive: 1 in the graded schedule.
    """

    name: str
    shape: Shape
    high: int
    layers: tuple[Layer, ...]
    incoming: int


def segments(network: Network, schedule: Schedule, steps: int) -> tuple[Segment, Segment]:
    """Split a network at its latents, which end the encoder and feed the decoder."""
    place = network.layers.index(network.latent)
    unary = schedule == "unary"
    encoder = Segment(
        name="encoder",
        shape=network.input.shape,
        high=1 if unary else network.input.format.high,
        layers=network.layers[: place + 1],
        incoming=network.input.format.high if unary else 1,
    )
    decoder = Segment(
        name="decoder",
        shape=network.latent.shape,
        high=1 if unary else network.latent.neuron.n_max,  # type: ignore[union-attr]  # the latents are Poisson
        layers=network.layers[place + 1 :],
        incoming=steps if unary else 1,
    )
    return encoder, decoder


def most_counts(layer: Layer, high: int) -> int:
    """Return the largest count a layer of constant thresholds can reach on messages of magnitude up to `high`.

    The accumulator of neuron i is at most sum_j |w_ij| high + max(b_i, 0), and never above the membrane.
    """
    assert isinstance(layer.neuron, ConstantThreshold)
    weight = np.abs(layer.synapse.weight.astype(np.int64)) << layer.synapse.exponent
    match layer.synapse:
        case Dense() | Sparse():
            reach = weight.sum(1) * high
        case Conv2d():
            reach = np.repeat(weight.sum((1, 2, 3)) * high, layer.neurons // len(weight))
        case _:
            assert_never(layer.synapse)
    if layer.bias is not None:
        reach = reach + np.maximum(layer.bias.value, 0)
    reach = np.minimum(reach, MEMBRANE.high)
    return min(layer.neuron.n_max, int((reach // layer.neuron.theta).max()))


def channel_bias(layer: Layer) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None:
    """Return the bias in the form of the layer's synapses: one value a neuron, or one a channel of a convolution.

    None where the neurons of one channel differ in their bias.
    """
    channels = len(layer.synapse.weight)
    value = np.zeros(layer.neurons, np.int64) if layer.bias is None else layer.bias.value
    rows = value.reshape(channels, -1)
    return None if (rows != rows[:, :1]).any() else rows[:, 0]


def synapse_bias(layer: Layer) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return the bias in the form of the layer's synapses.

    Raises
    ------
    UnsupportedError
        The neurons of one channel of a convolution differ in their bias.
    """
    found = channel_bias(layer)
    if found is None:
        raise UnsupportedError(
            f"layer '{layer.name}', a convolution whose bias differs within a channel,",
            nearest="one bias for each output channel",
        )
    return found
