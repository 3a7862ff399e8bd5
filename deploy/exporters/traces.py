"""What a reader of an export says it computed, in the form in which readers are compared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.record import Schedule

Int64 = NDArray[np.int64]

Quantity = Literal["accumulator", "rate", "count", "spike", "synops", "packets", "hops"]
"""The integrated charge; the Poisson neurons' rate in fixed point; counts an inference; spikes a step; and what the
messages of a neuron caused in an inference: synaptic operations, packets to cores, tile borders crossed.

All have the shape (samples, neurons), spikes (samples, steps, neurons).
"""
QUANTITIES: tuple[Quantity, ...] = ("accumulator", "rate", "spike", "count", "synops", "packets", "hops")
"""In the order in which a layer computes them."""
Traces = Mapping[str, Mapping[Quantity, Int64]]
"""Quantities by layer, in the order of the network, which the population ``input`` may lead; a reader leaves out what
it does not observe.
"""


class Runner(Protocol):
    """Runs encoded images through whatever it holds."""

    def __call__(self, messages: Int64, *, seed: int, first_sample: int) -> Traces:
        """Return the traces of messages of shape (samples, inputs)."""


def spike_trains(counts: Int64, steps: int) -> Int64:
    """Spread counts over a firing phase, one spike a step from the first on: (samples, steps, neurons)."""
    step = np.arange(steps).reshape(1, -1, 1)
    return np.sign(counts)[:, None] * (step < np.abs(counts)[:, None])


def firing_steps(schedule: Schedule, steps: int) -> int:
    """Return the steps of a firing phase: `steps` where spikes are single, 1 where counts travel."""
    return steps if schedule == "unary" else 1
