"""Integrate-and-fire networks in the form that every simulator gets them: connections, thresholds, a raster.

A trained network has Poisson neurons, which peers lack, and sends signed messages. Its spiking form has the same
weights without biases, single spikes spread over T steps, and integrate-and-fire neurons with thresholds at which about
as many spikes flow; its readout adds up what arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peers import linear, torch_loop
from torch import Tensor, nn

from spiking_pvae.deploy import Network
from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, Dense, Layer
from spiking_pvae.deploy.numerics import THRESHOLD_SHIFT
from spiking_pvae.deploy.raster import RasterNetwork
from spiking_pvae.deploy.reference import LayerOutput
from spiking_pvae.deploy.sparsity import convolution_matrix
from spiking_pvae.deploy.streaming import spread

NEVER = 2**17 - 1
"""The largest threshold mantissa, which a readout does not reach."""
UNIT = float(1 << THRESHOLD_SHIFT)
Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpikingForm:
    """A workload.

    Parameters
    ----------
    layers : tuple of Layer
        Dense, for our own kernels; a readout is a layer whose threshold is out of reach.
    connections : tuple of nn.Module
        The same weights for peers, one module a layer; convolutions where the trained network has them.
    thresholds : tuple of float
        Integers. Of the layers that fire: one fewer than layers where there is a readout.
    raster : ndarray of uint8, shape (samples, steps, lines)
        Input spikes. Signed messages have two lines each, one for either sign.
    signed : Tensor, shape (steps, samples, inputs)
        The same for peers: -1, 0 or 1.
    """

    layers: tuple[Layer, ...]
    connections: tuple[nn.Module, ...]
    thresholds: tuple[float, ...]
    raster: NDArray[np.uint8]
    signed: Tensor

    @property
    def readout(self) -> nn.Module | None:
        """What adds up the last spikes, if anything does."""
        return self.connections[-1] if len(self.connections) > len(self.thresholds) else None

    def ours(self) -> RasterNetwork:
        """Return it laid out for our kernels."""
        return RasterNetwork(self.layers)

    def answer(self) -> Tensor:
        """Compute what peers have to answer: the spikes of the last layer, or the sums in the readout."""
        *_, last = self.ours()(self.raster)
        if self.readout is None:
            return torch.tensor(last.spikes().transpose(1, 0, 2), dtype=torch.float32)
        assert not last.counts.any()
        return torch.tensor(last.membrane >> self.layers[-1].synapse.exponent, dtype=torch.float32)

    def save(self, file: Path) -> Path:
        """Write weights, thresholds and the first sample's spikes for a simulator in another interpreter."""
        weights = {f"weight{index}": layer.synapse.weight for index, layer in enumerate(self.layers)}
        thresholds = np.array([*self.thresholds, *[NEVER] * (self.readout is not None)], int)
        np.savez(file, raster=self.raster[0], thresholds=thresholds, **weights)
        return file


def integrate_and_fire(weight: NDArray[np.int8], theta: float, exponent: int, name: str) -> Layer:
    """Return a layer of our own; a threshold counts in units of 2^(6 - exponent) weights."""
    neurons = len(weight)
    mantissa = int(theta) << exponent >> THRESHOLD_SHIFT
    return Layer(
        name=name,
        shape=(neurons,),
        synapse=Dense(weight=weight, exponent=exponent, bits=8),
        bias=None,
        neuron=ConstantThreshold(mantissa=np.full(neurons, mantissa, np.int32), n_max=1),
        scale=np.ones(neurons),
    )


def random_form(sizes: Sequence[int], thresholds: Sequence[float], raster: NDArray[np.uint8]) -> SpikingForm:
    """Draw weights ~ N(0, 20), rounded to 8 bits."""
    rng = np.random.default_rng(0)
    weights = [
        np.clip(np.rint(rng.normal(0, 20, (outputs, inputs))), -127, 127).astype(np.int8)
        for inputs, outputs in pairwise(sizes)
    ]
    return SpikingForm(
        layers=tuple(
            integrate_and_fire(weight, theta, THRESHOLD_SHIFT, f"layer{index}")
            for index, (weight, theta) in enumerate(zip(weights, thresholds, strict=True))
        ),
        connections=tuple(linear(torch.tensor(weight, dtype=torch.float32)) for weight in weights),
        thresholds=tuple(thresholds),
        raster=raster,
        signed=torch.tensor(raster.transpose(1, 0, 2), dtype=torch.float32).contiguous(),
    )


def _connection(layer: Layer) -> nn.Module:
    """Return the layer's synapses as a torch module without bias."""
    synapse = layer.synapse
    weight = torch.tensor(synapse.weight, dtype=torch.float32)
    if not isinstance(synapse, Conv2d):
        return linear(weight)
    convolution = nn.Conv2d(
        synapse.input_shape[0],
        len(weight),
        (weight.shape[2], weight.shape[3]),
        bias=False,
        stride=synapse.stride,
        padding=synapse.padding,
        dilation=synapse.dilation,
        groups=synapse.groups,
    )
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    return nn.Sequential(nn.Unflatten(1, synapse.input_shape), convolution, nn.Flatten())


def on_off(signed: Integers) -> Integers:
    """Split signed values on the last axis into lines for what is above 0 and for what is below."""
    return np.concatenate([np.maximum(signed, 0), np.maximum(-signed, 0)], axis=-1)


def with_both_signs(layer: Layer) -> Layer:
    """Give a dense layer an ON and an OFF line for each input."""
    assert isinstance(layer.synapse, Dense)
    weight = np.concatenate([layer.synapse.weight, -layer.synapse.weight], axis=1)
    return replace(layer, synapse=replace(layer.synapse, weight=weight))


def trained_form(network: Network, messages: Integers, unary: Sequence[LayerOutput], steps: int) -> SpikingForm:
    """Give a trained network integrate-and-fire neurons that send about as many spikes as its own (`unary`)."""
    signed = np.stack([spread(messages, step, network.input.format.high) for step in range(1, steps + 1)])
    connections = [_connection(layer) for layer in network.layers]
    thresholds: list[float] = []
    flow = torch.tensor(signed).float()
    for connection, output in zip(connections[:-1], unary, strict=False):
        drive = torch.stack([connection(step) for step in flow])
        thresholds.append(UNIT * max(1.0, float(drive.sum(0).clamp(min=0).sum()) // UNIT // int(output.counts.sum())))
        flow = torch_loop([connection], [thresholds[-1]])(flow)
    layers = []
    for layer, theta in zip(network.layers, (*thresholds, UNIT * NEVER), strict=True):
        synapse = convolution_matrix(layer.synapse) if isinstance(layer.synapse, Conv2d) else layer.synapse
        layers.append(integrate_and_fire(synapse.weight, theta, 0, layer.name))
    return SpikingForm(
        layers=(with_both_signs(layers[0]), *layers[1:]),
        connections=tuple(connections),
        thresholds=tuple(thresholds),
        raster=on_off(signed).astype(np.uint8).transpose(1, 0, 2),
        signed=torch.tensor(signed).float(),
    )
