"""Which synapses are listed and which are a matrix, and the way from one form to the other.

A matrix takes one byte a weight, a list three a synapse (mantissa and 16-bit target): lists are the smaller form below
one nonzero weight in three. A layer is listed from one in four on, where they save at least a quarter of the room. The
compiled kernels are as fast on them as on the matrix there and faster below (``benchmarks/sparse.py``). What a network
computes and how many synapses a message reaches is the same in both forms. Kernels are shared by the places of a
convolution, whose zeros are skipped where they are counted, and stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Conv2d, Dense, Network, Sparse, Synapse

SPARSE_UP_TO = 0.25
"""Largest share of nonzero weights at which synapses are listed: at most three quarters of the matrix' room."""


def listed(synapse: Dense) -> Sparse:
    """List the nonzero weights of a matrix by their input."""
    sources, targets = np.nonzero(synapse.weight.T)
    starts = np.searchsorted(sources, np.arange(synapse.inputs + 1))
    return Sparse(
        starts=starts.astype(np.int32 if len(targets) < 2**31 else np.int64),
        targets=targets.astype(np.uint16 if synapse.outputs <= 2**16 else np.int32),
        values=synapse.weight.T[sources, targets],
        outputs=synapse.outputs,
        exponent=synapse.exponent,
        bits=synapse.bits,
    )


def matrix(synapse: Sparse) -> Dense:
    """Write listed synapses out as a matrix."""
    return Dense(weight=synapse.weight, exponent=synapse.exponent, bits=synapse.bits)


def convolution_matrix(synapse: Conv2d) -> Dense:
    """Write a convolution out as the matrix of its synapses: each tap joins an even grid of places to another."""
    channels, height, width = synapse.output_shape
    of_group, into_group, rows, columns = synapse.weight.shape
    of_group //= synapse.groups
    weight = np.zeros((*synapse.output_shape, *synapse.input_shape), np.int8)
    for row, column in np.ndindex(rows, columns):
        y, above = _joined(height, synapse.input_shape[1], 0, row, synapse)
        x, left = _joined(width, synapse.input_shape[2], 1, column, synapse)
        for group in range(synapse.groups):
            outputs = np.arange(group * of_group, (group + 1) * of_group)
            inputs = np.arange(group * into_group, (group + 1) * into_group)
            weight[
                outputs[:, None, None, None], y[:, None, None], x[:, None], inputs, above[:, None, None], left[:, None]
            ] = synapse.weight[outputs, :, row, column][:, None, None]
    matrix_shape = channels * height * width, synapse.inputs
    return Dense(weight=weight.reshape(matrix_shape), exponent=synapse.exponent, bits=synapse.bits)


def _joined(
    outputs: int, inputs: int, axis: int, tap: int, synapse: Conv2d
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the output places along an axis that a tap joins to an input place inside the map, and those."""
    places = np.arange(outputs)
    sources = places * synapse.stride[axis] + tap * synapse.dilation[axis] - synapse.padding[axis]
    inside = (sources >= 0) & (sources < inputs)
    return places[inside], sources[inside]


def compact_synapse(synapse: Synapse) -> Synapse:
    """Return the form that takes less room."""
    if isinstance(synapse, Dense) and np.count_nonzero(synapse.weight) <= SPARSE_UP_TO * synapse.weight.size:
        return listed(synapse)
    return synapse


def written_out_synapse(synapse: Synapse) -> Dense | Conv2d:
    """Return synapses in a form that holds every weight."""
    return matrix(synapse) if isinstance(synapse, Sparse) else synapse


def compact(network: Network) -> Network:
    """List the synapses of every layer with few of them; what the network computes stays the same."""
    layers = tuple(replace(layer, synapse=compact_synapse(layer.synapse)) for layer in network.layers)
    return replace(network, layers=layers)


def written_out(network: Network) -> Network:
    """Write every layer's weights out; inverse of `compact`."""
    layers = tuple(replace(layer, synapse=written_out_synapse(layer.synapse)) for layer in network.layers)
    return replace(network, layers=layers)
