"""A network's deterministic halves as torch modules built of snnTorch neurons.

An integer soft-reset neuron that fires at v >= theta is `snn.Leaky(beta=1, reset_mechanism="subtract")` with an
initial membrane of +1/2, since snnTorch compares strictly: its membrane is v + 1/2 (less the reset of a spike, which
acts a step later). Counts in one step need a neuron of their own, `CountIF`.

Floating point is exact here while every partial sum stays below 2^24 (float32) or 2^53 (float64).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import snntorch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from spiking_pvae.deploy.exporters.plain import PlainLayer

OFFSET = 0.5


def _float(values: NDArray[np.int64]) -> Tensor:
    # Modules convert their floating-point members to the type in use and leave integers alone.
    return torch.from_numpy(values.astype(np.float64))


def integer_weight(layer: PlainLayer) -> NDArray[np.int64]:
    """Return the weights of a layer with their exponent applied."""
    return np.left_shift(layer.arrays["weight"].astype(np.int64), int(layer.description["exponent"]))


class CountIF(nn.Module):
    """Soft-reset neuron that may fire several times a step: n = clip(floor(v / theta), 0, n_max), v <- v - n theta.

    Parameters
    ----------
    threshold : Tensor, shape (neurons,)
        theta.
    n_max : int
        Largest count a step.
    """

    threshold: Tensor

    def __init__(self, threshold: Tensor, n_max: int) -> None:
        super().__init__()
        self.register_buffer("threshold", threshold)
        self.n_max = n_max

    def forward(self, input_: Tensor, mem: Tensor) -> tuple[Tensor, Tensor]:
        """Return counts and the next membrane, both of the input's shape."""
        v = mem + input_
        # Of integers below 2^24 the correctly rounded quotient never reaches an integer from below.
        counts = torch.clamp(torch.floor(v / self.threshold), 0, self.n_max)
        return counts, v - counts * self.threshold


class Synapses(nn.Module):
    """Weighted sums of flat messages, without the bias; (samples, inputs) to (samples, neurons)."""

    weight: Tensor

    def __init__(self, layer: PlainLayer) -> None:
        super().__init__()
        self.geometry = layer.description
        self.register_buffer("weight", _float(integer_weight(layer)))

    def forward(self, messages: Tensor) -> Tensor:
        """Add up."""
        if self.geometry["synapse"] == "dense":
            return functional.linear(messages, self.weight)
        maps = messages.reshape(-1, *self.geometry["input_shape"])
        return functional.conv2d(
            maps,
            self.weight,
            stride=tuple(self.geometry["stride"]),
            padding=tuple(self.geometry["padding"]),
            dilation=tuple(self.geometry["dilation"]),
            groups=self.geometry["groups"],
        ).flatten(1)


class SpikingLayer(nn.Module):
    """Synapses, bias and neurons of one layer.

    Parameters
    ----------
    layer : PlainLayer
        The last layer of a half only accumulates.
    """

    bias: Tensor
    count: CountIF | None
    spike: nn.Module | None

    def __init__(self, layer: PlainLayer) -> None:
        super().__init__()
        self.synapses = Synapses(layer)
        self.register_buffer("bias", _float(layer.arrays["bias"]))
        self.count, self.spike = None, None
        if layer.description["neuron"] == "constant":
            theta = _float(layer.arrays["theta"])
            self.n_max = int(layer.description["n_max"])
            self.count = CountIF(theta, self.n_max)
            self.spike = snntorch.Leaky(beta=1.0, threshold=theta, reset_mechanism="subtract", reset_delay=True)
            # The base class keeps every neuron ever made in a list of its own, for init_hidden, which is not used here.
            snntorch.SpikingNeuron.instances.remove(self.spike)

    def graded(self, messages: Tensor) -> tuple[Tensor, Tensor]:
        """One step: messages to (accumulators, counts)."""
        charge = self.synapses(messages) + self.bias
        if self.count is None:
            return charge, torch.zeros_like(charge)
        return charge, self.count(charge, torch.zeros_like(charge))[0]

    def unary(self, trains: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """Integrate trains (steps, samples, inputs), then fire; return (accumulators, own trains)."""
        charge = self.bias + torch.zeros(trains.shape[1], 1, dtype=trains.dtype)
        for spikes in trains:
            charge = charge + self.synapses(spikes)
        if self.spike is None:
            return charge, torch.zeros(0, *charge.shape, dtype=charge.dtype)
        fired = []
        mem = torch.full_like(charge, OFFSET)
        for step in range(steps):
            spikes, mem = self.spike(charge if step == 0 else torch.zeros_like(charge), mem)
            # A neuron that fires at all does so from the first step on: its largest count is a last step.
            # snnTorch's spikes are float32 whatever the membrane is.
            fired.append(spikes.to(mem.dtype) if step < self.n_max else torch.zeros_like(mem))
            if step == 0:
                charge = mem - OFFSET
        return charge, torch.stack(fired)


class SpikingHalf(nn.Module):
    """A chain of layers, such as the encoder up to the latents' accumulators.

    Parameters
    ----------
    layers : sequence of PlainLayer
    dtype : torch.dtype
        Floating-point type in which all partial sums are exact.
    """

    def __init__(self, layers: Sequence[PlainLayer], dtype: torch.dtype) -> None:
        super().__init__()
        self.layers = nn.ModuleList(SpikingLayer(layer) for layer in layers)
        self.dtype = dtype
        self.to(dtype)

    def graded(self, messages: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return accumulators and counts of every layer for messages (samples, inputs)."""
        results = []
        for layer in self.layers:
            assert isinstance(layer, SpikingLayer)
            results.append(layer.graded(messages))
            messages = results[-1][1]
        return results

    def unary(self, trains: Tensor, steps: int) -> list[tuple[Tensor, Tensor]]:
        """Return accumulators and spike trains of every layer for trains (steps, samples, inputs)."""
        results = []
        for layer in self.layers:
            assert isinstance(layer, SpikingLayer)
            results.append(layer.unary(trains, steps))
            trains = results[-1][1]
        return results


def exact_dtype(layers: Sequence[PlainLayer], high: int) -> torch.dtype:
    """Return the smallest type in which a half is exact on messages of magnitude up to `high`."""
    largest = 0
    for layer in layers:
        weight = np.abs(integer_weight(layer))
        sums = weight.reshape(len(weight), -1).sum(1).max() * high
        largest = max(largest, int(sums) + int(np.abs(layer.arrays["bias"]).max()))
        high = int(layer.description.get("n_max", 1))
    return torch.float32 if largest < 2**23 else torch.float64
