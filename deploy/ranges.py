"""Interval arithmetic on integer layers: every value that a sum can take on its way, for any input in range.

Messages arrive in any order, so every subset of the synapses may have been added at some moment. With messages
x_j in [l_j, h_j], l_j <= 0 <= h_j, a partial sum of neuron i lies in [N_i, P_i]:

    P_i = sum_j max(w_ij h_j, w_ij l_j, 0) + max(b_i, 0)
    N_i = sum_j min(w_ij h_j, w_ij l_j, 0) + min(b_i, 0)

Positive and negative contributions are bounded apart, and both bounds are reached by a subset of the synapses at one
input of the box: for a single layer they are tight.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import (
    ConstantThreshold,
    ExponentialThreshold,
    InputPort,
    Layer,
    Network,
    Neuron,
    Readout,
    Synapse,
)
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.sparsity import written_out_synapse

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Interval:
    """Smallest and largest value of each neuron, both int64 of shape (neurons,)."""

    low: Int64
    high: Int64


def input_range(port: InputPort) -> Interval:
    """Return the range of the input's messages."""
    return Interval(np.full(port.neurons, port.format.low), np.full(port.neurons, port.format.high))


def partial_sums(synapse: Synapse, messages: Interval, bias: Int64 | None = None) -> Interval:
    """Bound every partial sum of weighted messages and bias, in any order of arrival.

    Parameters
    ----------
    synapse : Synapse
    messages : Interval
        Holds 0, for a message that has not come yet.
    bias : ndarray of int64, shape (outputs,), optional

    Returns
    -------
    Interval
        Of shape (outputs,).
    """
    synapse = written_out_synapse(synapse)
    excite = replace(synapse, weight=np.maximum(synapse.weight, 0))
    inhibit = replace(synapse, weight=np.minimum(synapse.weight, 0))
    low, high = messages.low[None], messages.high[None]
    highest = (project(excite, high) + project(inhibit, low))[0]
    lowest = (project(excite, low) + project(inhibit, high))[0]
    if bias is None:
        return Interval(lowest, highest)
    return Interval(lowest + np.minimum(bias, 0), highest + np.maximum(bias, 0))


def counts_range(neuron: Neuron, largest: Int64) -> Interval:
    """Return the range of the counts of neurons whose accumulator ends at `largest` at most."""
    zeros = np.zeros_like(largest)
    match neuron:
        case ConstantThreshold(n_max=n_max):
            return Interval(zeros, np.clip(largest // neuron.theta, 0, n_max))
        case ExponentialThreshold(n_max=n_max):
            return Interval(zeros, np.where(neuron.charge(largest) > 0, n_max, 0))
        case Readout():
            return Interval(zeros, zeros)


@dataclass(frozen=True, slots=True, eq=False)
class LayerRange:
    """Range of a layer's incoming messages, partial sums and outgoing counts."""

    name: str
    messages: Interval
    sums: Interval
    counts: Interval


def layer_range(layer: Layer, messages: Interval) -> LayerRange:
    """Bound one layer from the range of the messages that it receives."""
    bias = None if layer.bias is None else layer.bias.value
    final = partial_sums(layer.synapse, messages).high
    return LayerRange(
        name=layer.name,
        messages=messages,
        sums=partial_sums(layer.synapse, messages, bias),
        counts=counts_range(layer.neuron, final if bias is None else final + bias),
    )


def ranges(network: Network) -> tuple[LayerRange, ...]:
    """Bound every layer of a network for any input in its declared range."""
    messages = input_range(network.input)
    bounds: list[LayerRange] = []
    for layer in network.layers:
        bounds.append(layer_range(layer, messages))
        messages = bounds[-1].counts
    return tuple(bounds)


def payload_bits(network: Network) -> dict[str, int]:
    """Return the bits of the largest message of each population, the input first; 0 for one that sends none.

    A sign takes a bit where a message may be negative.
    """
    sent = {"input": input_range(network.input)} | {bound.name: bound.counts for bound in ranges(network)}
    return {name: _bits(counts) for name, counts in sent.items()}


def _bits(counts: Interval) -> int:
    magnitude = max(int(counts.high.max(initial=0)), int(-counts.low.min(initial=0)))
    return magnitude.bit_length() + int(counts.low.min(initial=0) < 0)
