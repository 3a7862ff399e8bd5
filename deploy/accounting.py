"""From the outputs of a batch to tallies: the one place where spikes, events and updates are counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ExponentialThreshold, Layer, Network, Readout
from spiking_pvae.deploy.record import Schedule

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """Sums over one block of samples for one population: spikes and events a neuron, active updates in all."""

    spikes: Int64
    events: Int64
    active: int


def population(counts: Int64, schedule: Schedule) -> tuple[Int64, Int64]:
    """Return spikes and events of each neuron, summed over the samples."""
    spikes = np.abs(counts).sum(0)
    return spikes, spikes if schedule == "unary" else np.count_nonzero(counts, axis=0).astype(np.int64)


def active_updates(layer: Layer, source: Int64, counts: Int64, schedule: Schedule) -> int:
    """Count the neuron updates in which the layer receives an event or the neuron fires.

    In the unary schedule a population's spikes come in consecutive steps from the first on, so that the number of steps
    with any event is its largest count.
    """
    busiest = np.abs(source).max(1, initial=0)
    if schedule == "unary":
        return int(busiest.sum()) * layer.neurons + int(counts.sum())
    silent = busiest == 0
    return int(np.count_nonzero(~silent)) * layer.neurons + int(np.count_nonzero(counts[silent]))


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
    neuron: ExponentialThreshold, charge: Int64
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rates r and KL_i = r log(r / r0) - r + r0 in nats, both of the charge's shape."""
    rate = np.ldexp(charge.astype(np.float64), -neuron.fraction)
    # r log r -> 0 as r -> 0
    ratio = np.where(rate > 0, rate, neuron.prior_rate) / neuron.prior_rate
    return rate, rate * np.log(ratio) - rate + neuron.prior_rate
