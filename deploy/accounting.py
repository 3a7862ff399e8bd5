"""From the outputs of a batch to tallies: the one place where spikes, events and updates are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ExponentialThreshold, Layer, Network, Readout
from spiking_pvae.deploy.record import Schedule

Int64 = NDArray[np.int64]
Integers = NDArray[np.signedinteger[Any]]


def block_sums(values: NDArray[Any], block: int) -> NDArray[Any]:
    """Sum over blocks of `block` consecutive samples; the last may be shorter. (samples, ...) to (blocks, ...)."""
    starts = np.arange(0, len(values), block)
    wide = np.int64 if np.issubdtype(values.dtype, np.integer) or values.dtype == bool else np.float64
    return values.astype(wide) if block == 1 else np.add.reduceat(values, starts, axis=0, dtype=wide)


def population(counts: Integers, schedule: Schedule, block: int) -> tuple[Int64, Int64]:
    """Return spikes and events of each neuron, summed over blocks of samples: (blocks, neurons)."""
    spikes = block_sums(np.abs(counts), block)
    return spikes, spikes if schedule == "unary" else block_sums(counts != 0, block)


def active_updates(layer: Layer, source: Integers, counts: Integers, schedule: Schedule, block: int) -> Int64:
    """Count the neuron updates in which the layer receives an event or the neuron fires, for each block of samples.

    In the unary schedule a population's spikes come in consecutive steps from the first on, so that the number of steps
    with any event is its largest count.
    """
    busiest = np.maximum(source.max(1, initial=0), -source.min(1, initial=0)).astype(np.int64)
    if schedule == "unary":
        active = busiest * layer.neurons + counts.sum(1, dtype=np.int64)
    else:
        active = np.where(busiest > 0, layer.neurons, 0)
        silent = np.flatnonzero(busiest == 0)
        active[silent] = np.count_nonzero(counts[silent], axis=1)
    return block_sums(active, block)


def update_steps(network: Network, schedule: Schedule, steps: int) -> tuple[int, ...]:
    """Return the steps in which each layer is updated in one inference: those that integrate or fire."""
    if schedule == "graded":
        return (1,) * len(network.layers)
    incoming = (network.input.format.high, *(steps for _ in network.layers[1:]))
    return tuple(
        arriving + (0 if isinstance(layer.neuron, Readout) else steps)
        for layer, arriving in zip(network.layers, incoming, strict=True)
    )


def rates_and_divergence(
    neuron: ExponentialThreshold, charge: Integers
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rates r and KL_i = r log(r / r0) - r + r0 in nats, both of the charge's shape."""
    rate = np.ldexp(charge.astype(np.float64), -neuron.fraction)
    # r log r -> 0 as r -> 0
    ratio = np.where(rate > 0, rate, neuron.prior_rate) / neuron.prior_rate
    return rate, rate * np.log(ratio) - rate + neuron.prior_rate
