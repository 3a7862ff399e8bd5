"""From the outputs of a batch to tallies: the one place where spikes, events and updates are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ExponentialThreshold, Network, Readout
from spiking_pvae.deploy.record import Schedule

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What one population did.

    Parameters
    ----------
    spikes, events : ndarray of int64, shape (blocks, neurons)
        Sums over blocks of samples, as in `spiking_pvae.deploy.record.Tally`.
    busiest, fired, total : ndarray of int64, shape (samples,)
        Largest |count|, number of nonzero counts and sum of |counts| of each sample.
    """

    spikes: Int64
    events: Int64
    busiest: Int64
    fired: Int64
    total: Int64


def population(counts: Integers, schedule: Schedule, block: int) -> Activity:
    """Count a population's spikes and events."""
    from spiking_pvae.deploy.kernels import tally

    shape = -(-len(counts) // block), counts.shape[1]
    spikes, events = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    each = tally.population(counts, block, spikes, events)
    return Activity(spikes, events if schedule == "graded" else spikes, *each)


def silent(samples: int, neurons: int, block: int) -> Activity:
    """Return the activity of a population that never fires."""
    nothing = np.zeros((-(-samples // block), neurons), np.int64)
    none = np.zeros(samples, np.int64)
    return Activity(nothing, nothing, none, none, none)


def active_updates(neurons: int, source: Activity, own: Activity, schedule: Schedule, block: int) -> Int64:
    """Count the neuron updates in which a layer receives an event or a neuron fires, for each block of samples.

    In the unary schedule a population's spikes come in consecutive steps from the first on, so that the number of steps
    with any event is its largest count.
    """
    graded = np.where(source.busiest > 0, neurons, own.fired)
    active = source.busiest * neurons + own.total if schedule == "unary" else graded
    summed: Int64 = np.add.reduceat(active, np.arange(0, len(active), block))
    return summed


def update_steps(network: Network, schedule: Schedule, steps: int) -> tuple[int, ...]:
    """Return the steps in which each layer is updated in one inference: those that integrate or fire."""
    if schedule == "graded":
        return (1,) * len(network.layers)
    if schedule == "streaming":
        return (steps + len(network.layers) - 1,) * len(network.layers)
    incoming = (network.input.format.high, *(steps for _ in network.layers[1:]))
    return tuple(
        arriving + (0 if isinstance(layer.neuron, Readout) else steps)
        for layer, arriving in zip(network.layers, incoming, strict=True)
    )


def rates_and_divergence(neuron: ExponentialThreshold, charge: Integers, block: int = 1) -> tuple[Float64, Float64]:
    """Return rates r and KL_i = r log(r / r0) - r + r0 in nats, summed over blocks of samples: (blocks, neurons)."""
    from spiking_pvae.deploy.kernels import tally

    shape = -(-len(charge) // block), charge.shape[1]
    rate, kl = np.zeros(shape), np.zeros(shape)
    tally.rates_and_divergence(charge, block, neuron.fraction, neuron.prior_rate, rate, kl)
    return rate, kl
