"""The latents beside a deterministic export: what turns its accumulators into rates and counts.

NIR, netx and snnTorch have no stochastic count neuron. Their files end at the latents' accumulators and go on behind
their counts; the step between is this package's, with the same counter-based draws.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spiking_pvae.deploy.exponential import arrivals
from spiking_pvae.deploy.exporters.traces import Int64, Quantity
from spiking_pvae.deploy.ir import ExponentialThreshold
from spiking_pvae.errors import DamagedFileError
from spiking_pvae.storage import load_arrays, save_arrays

FILE = "latents.safetensors"
KIND = "spiking-pvae latents 1"
_ARRAYS = ("gain", "gain_shift", "table", "rate", "rate_shift", "prior_rate")
_NUMBERS = ("table_low", "fraction", "n_max")


def write_latents(neuron: ExponentialThreshold, folder: Path) -> None:
    """Write the latents' parameters beside an export."""
    arrays = {name: getattr(neuron, name) for name in _ARRAYS}
    save_arrays(folder / FILE, arrays, kind=KIND, metadata={name: str(getattr(neuron, name)) for name in _NUMBERS})


def read_latents(folder: Path) -> ExponentialThreshold:
    """Read what `write_latents` wrote.

    Raises
    ------
    InputError, DamagedFileError
        There is no such file, or it is not as it was written.
    """
    arrays, metadata = load_arrays(folder / FILE, kind=KIND)
    try:
        return ExponentialThreshold(
            gain=arrays["gain"],
            gain_shift=arrays["gain_shift"],
            table=arrays["table"],
            table_low=int(metadata["table_low"]),
            rate=arrays["rate"],
            rate_shift=arrays["rate_shift"],
            fraction=int(metadata["fraction"]),
            n_max=int(metadata["n_max"]),
            prior_rate=arrays["prior_rate"],
        )
    except KeyError as error:
        raise DamagedFileError(folder / FILE, f"lacks {error}.") from error


def draw(
    neuron: ExponentialThreshold, accumulator: Int64, *, seed: int, first_sample: int, most: int | None = None
) -> dict[Quantity, Int64]:
    """Turn accumulators into rates and counts.

    Parameters
    ----------
    neuron : ExponentialThreshold
    accumulator : ndarray of int64, shape (samples, neurons)
    seed : int
    first_sample : int
        Index of the first row, which keys its draws.
    most : int, optional
        Largest count: the steps of a firing phase in the unary schedule.
    """
    rate = neuron.charge(accumulator)
    sample = first_sample + np.arange(len(rate), dtype=np.int64)
    n_max = neuron.n_max if most is None else min(neuron.n_max, most)
    count = arrivals(rate, seed=seed, sample=sample, fraction=neuron.fraction, n_max=n_max)
    return {"accumulator": accumulator, "rate": rate, "count": count}
