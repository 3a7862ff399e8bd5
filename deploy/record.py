"""What a simulation leaves behind: counts of spikes, events and updates, never joules.

Sums are kept per neuron over blocks of consecutive samples, so that a record has a bounded size whatever the number of
samples, and every average still comes with an interval (the blocks are independent repetitions).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Schedule = Literal["graded", "unary", "streaming"]
Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tally:
    """Counts of one population, the input included.

    Parameters
    ----------
    name : str
        ``input`` or the layer's name.
    spikes : ndarray of int64, shape (blocks, neurons)
        Sum over the block's samples of |count|.
    events : ndarray of int64, shape (blocks, neurons)
        Number of messages sent: nonzero counts in the graded schedule, single spikes in the others.
    steps : int
        Steps in which the population is updated in one inference (0 for the input, which the host drives).
    active : ndarray of int64, shape (blocks,)
        Neuron updates in which the layer received an event or the neuron fired. The others are inactive; all are
        ``steps * neurons * samples``.
    """

    name: str
    spikes: Int64
    events: Int64
    steps: int
    active: Int64

    @property
    def neurons(self) -> int:
        """Size of the population."""
        return int(self.spikes.shape[1])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentTally:
    """What the latents' rates say, beside their spikes.

    Parameters
    ----------
    rate : ndarray of float64, shape (blocks, latents)
        Sum over the block's samples of the posterior rate r (expected spikes an inference).
    kl : ndarray of float64, shape (blocks, latents)
        Sum over the block's samples of KL_i = r log(r / r0) - r + r0, in nats.
    """

    rate: NDArray[np.float64]
    kl: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trace:
    """Per-sample values of one layer, kept on request.

    Parameters
    ----------
    counts : ndarray of int32, shape (samples, neurons)
        Emitted counts (all 0 for a readout).
    charge : ndarray of int64, shape (samples, neurons)
        What the neuron integrated: the accumulator, or for Poisson neurons the rate in fixed point.
    """

    counts: NDArray[np.int32]
    charge: Int64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpikeRaster:
    """Spikes of one layer in every step of every sample; a range of samples as `raster[first:stop]`.

    Parameters
    ----------
    packed : ndarray of uint8, shape (samples, steps, ceil(neurons / 8))
        As bits (`spiking_pvae.deploy.spikes`), perhaps a memory map.
    neurons : int
        Size of the layer.
    """

    packed: NDArray[np.uint8]
    neurons: int

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.packed)

    def __getitem__(self, samples: slice) -> NDArray[np.uint8]:
        """Return spikes, 0 or 1, of shape (samples, steps, neurons); only these samples are read."""
        return np.unpackbits(self.packed[samples], axis=-1, count=self.neurons, bitorder="little")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Samples, steps, neurons."""
        samples, steps, _ = self.packed.shape
        return samples, steps, self.neurons


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpikeRecord:
    """One simulation.

    Parameters
    ----------
    schedule : {"graded", "unary", "streaming"}
        How counts travel.
    steps : int
        Steps T: of a firing phase (unary), of the presentation (streaming), 1 in the graded schedule.
    seed : int
        Seed of the thresholds' draws.
    block_samples : ndarray of int64, shape (blocks,)
        Samples in each block.
    tallies : tuple of Tally
        The input first, then every layer in the order of the network.
    latent : LatentTally
        Rates and KL of the latents.
    counts_sha256 : str
        Hash of the latents' counts as little-endian int32, samples x latents.
    traces : dict of str to Trace
        Layers whose per-sample values were asked for.
    rasters : dict of str to SpikeRaster
        Layers whose spikes in every step were asked for.
    """

    schedule: Schedule
    steps: int
    seed: int
    block_samples: Int64
    tallies: tuple[Tally, ...]
    latent: LatentTally
    counts_sha256: str
    traces: dict[str, Trace] = field(default_factory=dict)
    rasters: dict[str, SpikeRaster] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Inferences simulated."""
        return int(self.block_samples.sum())

    def tally(self, name: str) -> Tally:
        """Return the tally of the population called `name`."""
        return next(tally for tally in self.tallies if tally.name == name)
