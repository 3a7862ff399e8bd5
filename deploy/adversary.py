"""Inputs that drive one neuron's sum as far as they can: a search for counterexamples to the overflow proof.

The sum of a neuron behind other layers is not linear in the input, but its slope is known: counts follow their
accumulators with a slope of 1 / theta, rates with their own size. From a corner of the input range the search goes to
the corner that the signs of the slope point to, again and again while the sum grows; then it turns single pixels. For
the first layer the first step is exact: the signs of the weights give the largest sum.
"""

from __future__ import annotations

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold, Layer, Network, Neuron, Readout
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.ranges import Interval, partial_sums
from spiking_pvae.deploy.reference import LayerOutput, graded_layer

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

RANDOM_CORNERS = 16
STEPS = 8
SILENT_SLOPE = 0.05
"""Slope of a unit that does not fire, as a share of one that does: small, so that it may be woken."""
SEED = 0


def run(network: Network, place: int, messages: Int64) -> list[LayerOutput]:
    """Run the layers before `place`, every input with the same draws; messages of shape (samples, inputs)."""
    sample = np.zeros(len(messages), np.int64)
    outputs: list[LayerOutput] = []
    for layer in network.layers[:place]:
        outputs.append(graded_layer(layer, messages, seed=SEED, sample=sample))
        messages = outputs[-1].counts.astype(np.int64)
    return outputs


def reached(network: Network, place: int, neuron: int, messages: Int64) -> Int64:
    """Return the largest magnitude of a partial sum of one neuron of a layer, for each input.

    Parameters
    ----------
    network : Network
    place, neuron : int
        Which layer, and which of its neurons.
    messages : ndarray of int64, shape (samples, inputs)

    Returns
    -------
    ndarray of int64, shape (samples,)

    Raises
    ------
    LimitError
        An earlier layer overflows.
    """
    layer = network.layers[place]
    outputs = run(network, place, messages)
    incoming = outputs[-1].counts.astype(np.int64) if outputs else messages
    found = []
    for row in incoming:
        zero = np.zeros_like(row)
        bias = None if layer.bias is None else layer.bias.value
        sums = partial_sums(layer.synapse, Interval(np.minimum(row, zero), np.maximum(row, zero)), bias)
        found.append(max(int(sums.high[neuron]), -int(sums.low[neuron])))
    return np.asarray(found)


def _matrix(layer: Layer) -> Float64:
    """Return the synapses written out, shape (inputs, outputs)."""
    return project(layer.synapse, np.eye(layer.synapse.inputs, dtype=np.int64)).astype(np.float64)


def _slope(neuron: Neuron, output: LayerOutput) -> Float64:
    """Return how counts follow their accumulators, (samples, neurons), up to a factor a layer."""
    match neuron:
        case ConstantThreshold():
            free = np.where((output.counts > 0) & (output.counts < neuron.n_max), 1.0, SILENT_SLOPE)
            return free / neuron.theta
        case ExponentialThreshold():
            return np.maximum(output.charge, 1) * np.ldexp(neuron.gain.astype(np.float64), -neuron.gain_shift)
        case Readout():
            return np.ones(output.charge.shape)
        case _:
            assert_never(neuron)


def _corners(network: Network, place: int, messages: Int64, wanted: Float64, matrices: list[Float64]) -> Int64:
    """Return the corner of the input range that the slope of `wanted` counts of the layer before points to."""
    slope = np.repeat(wanted[None], len(messages), 0)
    for layer, output, matrix in reversed(
        list(zip(network.layers[:place], run(network, place, messages), matrices, strict=True))
    ):
        slope = (slope * _slope(layer.neuron, output)) @ matrix.T
    port = network.input.format
    return np.where(slope > 0, port.high, port.low).astype(np.int64)


def attack(network: Network, place: int, neuron: int, *, sweeps: int = 1) -> tuple[int, Int64]:
    """Search an input that drives a partial sum of one neuron as far as possible.

    Parameters
    ----------
    network : Network
        Its layers before `place` do not overflow.
    place, neuron : int
        Which layer, and which of its neurons.
    sweeps : int
        How often every pixel is tried at both ends of its range, where the neuron lies behind other layers.

    Returns
    -------
    reached : int
        Largest magnitude found.
    messages : ndarray of int64, shape (inputs,)
        The input that reaches it.
    """
    port, rng = network.input.format, np.random.default_rng(SEED)
    starts = rng.choice([port.low, port.high], (RANDOM_CORNERS, network.input.neurons)).astype(np.int64)
    matrices = [_matrix(layer) for layer in network.layers[:place]]
    weights = _matrix(network.layers[place])[:, neuron]
    scores = reached(network, place, neuron, starts)
    best, score = starts[int(scores.argmax())], int(scores.max())
    # Counts are never negative: excitation alone and inhibition alone are the two extreme partial sums.
    behind = (np.maximum(weights, 0), np.maximum(-weights, 0), np.abs(weights))
    for wanted in behind if place else (weights, -weights):
        tried = starts
        for _ in range(STEPS):
            tried = _corners(network, place, tried, wanted, matrices)
            scores = reached(network, place, neuron, tried)
            if scores.max() <= score:
                break
            best, score = tried[int(scores.argmax())], int(scores.max())
    for _ in range(sweeps if place else 0):
        for pixel in rng.permutation(network.input.neurons):
            tried = np.repeat(best[None], 2, 0)
            tried[:, pixel] = port.low, port.high
            scores = reached(network, place, neuron, tried)
            if scores.max() > score:
                best, score = tried[int(scores.argmax())], int(scores.max())
    return score, best
