"""From the outputs of a batch to tallies: the one place where spikes, events and updates are counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ExponentialThreshold, Layer, Network, Readout
from spiking_pvae.deploy.record import Schedule

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]
Integers = NDArray[np.signedinteger[Any]]


def population(counts: Integers, schedule: Schedule, block: int) -> tuple[Int64, Int64]:
    """Return spikes and events of each neuron, summed over blocks of samples: (blocks, neurons)."""
    from spiking_pvae.deploy.kernels import tally

    shape = -(-len(counts) // block), counts.shape[1]
    spikes, events = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    tally.spikes_and_events(counts, block, spikes, events)
    return spikes, events if schedule == "graded" else spikes


def active_updates(layer: Layer, source: Integers, counts: Integers, schedule: Schedule, block: int) -> Int64:
    """Count the neuron updates in which the layer receives an event or the neuron fires, for each block of samples.

    In the unary schedule a population's spikes come in consecutive steps from the first on, so that the number of steps
    with any event is its largest count.
    """
    from spiking_pvae.deploy.kernels import tally

    busiest = tally.each_sample(source)[0]
    _, fired, spikes = tally.each_sample(counts)
    graded = np.where(busiest > 0, layer.neurons, fired)
    active = busiest * layer.neurons + spikes if schedule == "unary" else graded
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
