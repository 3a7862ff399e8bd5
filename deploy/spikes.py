"""Spikes in every step, as bits: what an inference is on hardware that sends at most one spike a neuron and step.

A raster holds eight neurons to a byte, neuron n in bit n % 8 of byte n // 8: `numpy.packbits` along neurons, little
order. Both schedules of single spikes have one. In the streaming schedule it is what happened step by step; in the
unary one it follows from counts, since a neuron of count n fires in the first n steps. The graded schedule has none:
its one step carries counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Network, Readout
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import InputError

Bits = NDArray[np.uint8]


def require_rasters(network: Network, names: Sequence[str], schedule: Schedule) -> None:
    """Refuse rasters that there are not.

    Raises
    ------
    InputError
        The schedule is graded, or a layer is unknown or sends no spikes.
    """
    if not names:
        return
    if schedule == "graded":
        raise InputError(
            "rasters",
            given="the graded schedule, whose one step carries counts",
            allowed="the unary and the streaming schedule",
            remedy="Keep counts instead: they are the raster of that step.",
        )
    firing = [layer.name for layer in network.layers if not isinstance(layer.neuron, Readout)]
    if unknown := set(names) - set(firing):
        raise InputError("layers with rasters", given=", ".join(sorted(unknown)), allowed=", ".join(firing))


def silent_raster(samples: int, steps: int, neurons: int) -> Bits:
    """Return a raster without spikes."""
    return np.zeros((samples, steps, -(-neurons // 8)), np.uint8)


def pack(spikes: NDArray[Any]) -> Bits:
    """Turn spikes (..., neurons), any number but 0 a spike, into bits (..., ceil(neurons / 8))."""
    return np.packbits(spikes != 0, axis=-1, bitorder="little")


def unary_raster(counts: NDArray[Any], steps: int) -> Bits:
    """Return the raster of counts (samples, neurons) sent as spikes from the first step on."""
    raster = silent_raster(len(counts), steps, counts.shape[1])
    for step in range(min(steps, int(counts.max(initial=0)))):
        raster[:, step] = pack(counts > step)
    return raster
