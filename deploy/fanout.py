"""Exact fan-out: how many synapses a message of each source neuron reaches.

A zero weight is skipped by default. A synaptic memory that stores lists of synapses (Loihi's sparse and runlength
formats) holds no entry for it, no accumulation happens, a pruned network is then cheaper as it should be, and the
count equals that of NeuroBench, which counts nonzero weights. ``skip_zero_weights=False`` counts every entry of the
matrix: what a dense synaptic memory reads, and what tools that multiply by the number of outputs report.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Conv2d, Dense, Sparse, Synapse
from spiking_pvae.errors import UnsupportedError

Int64 = NDArray[np.int64]


@singledispatch
def fan_out(synapse: object, *, skip_zero_weights: bool = True) -> Int64:
    """Return the number of synapses that each source neuron reaches.

    Parameters
    ----------
    synapse : Synapse
        Connections of one layer.
    skip_zero_weights : bool
        Whether a synapse of weight 0 is left out.

    Returns
    -------
    ndarray of int64, shape (inputs,)

    Raises
    ------
    UnsupportedError
        No fan-out is known for this type of synapse.
    """
    raise UnsupportedError(
        f"The fan-out of synapses of type '{type(synapse).__name__}'", nearest="Dense, Sparse, Conv2d"
    )


@fan_out.register
def _(synapse: Dense, *, skip_zero_weights: bool = True) -> Int64:
    if skip_zero_weights:
        stored: Int64 = np.count_nonzero(synapse.weight, axis=0).astype(np.int64)
        return stored
    return np.full(synapse.inputs, len(synapse.weight), np.int64)


@fan_out.register
def _(synapse: Sparse, *, skip_zero_weights: bool = True) -> Int64:
    if skip_zero_weights:
        return np.diff(synapse.starts).astype(np.int64)
    return np.full(synapse.inputs, synapse.outputs, np.int64)


@fan_out.register
def _(synapse: Conv2d, *, skip_zero_weights: bool = True) -> Int64:
    stored = synapse.weight != 0 if skip_zero_weights else np.ones_like(synapse.weight, bool)
    outputs, group_inputs, rows, columns = stored.shape
    # Synapses of each tap of an input channel, summed over the output channels of its group.
    taps = stored.reshape(synapse.groups, outputs // synapse.groups, group_inputs, rows, columns).sum(1)
    taps = taps.reshape(synapse.input_shape[0], rows, columns)
    (top, left), (down, right), (dy, dx) = synapse.padding, synapse.stride, synapse.dilation
    channels, height, width = synapse.input_shape
    _, out_height, out_width = synapse.output_shape
    padded = np.zeros((channels, height + 2 * top, width + 2 * left), np.int64)
    for i in range(rows):
        for j in range(columns):
            y, x = i * dy, j * dx
            reached = padded[:, y : y + (out_height - 1) * down + 1 : down, x : x + (out_width - 1) * right + 1 : right]
            reached += taps[:, i, j, None, None]
    return padded[:, top : top + height, left : left + width].reshape(-1)


def dense_macs(synapse: Synapse) -> int:
    """Return the multiply-accumulates of one dense pass: every synapse once, zero weights included."""
    return int(fan_out(synapse, skip_zero_weights=False).sum())
