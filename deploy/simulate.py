"""Simulate an integer network on the CPU: images in, a `SpikeRecord` out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.joining import ImageSource, join, kept
from spiking_pvae.deploy.parts import Part, Plan, run_part
from spiking_pvae.deploy.record import Schedule, SpikeRecord
from spiking_pvae.deploy.runner import BACKENDS, BackendName, Runner, runner
from spiking_pvae.deploy.spikes import require_rasters
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray, ImageShape

__all__ = ["BACKENDS", "DEFAULT_STEPS", "BackendName", "ImageSource", "Repeated", "runner", "simulate"]

MOST_BLOCKS = 2048
"""A record keeps its sums for at most this many blocks of samples."""
DEFAULT_STEPS = 32
CHUNK = 512


@dataclass(frozen=True, slots=True, eq=False)
class Repeated:
    """The same images several times over, each time with draws of its own, without copies.

    Parameters
    ----------
    images : ndarray of float32, shape (samples, channels, height, width)
    times : int
    """

    images: FloatArray
    times: int

    def __len__(self) -> int:
        """Return the number of images, repetitions included."""
        return len(self.images) * self.times

    @property
    def shape(self) -> tuple[int, *ImageShape]:
        """Shape of the array it stands for."""
        channels, height, width = self.images.shape[1:]
        return len(self), channels, height, width

    def __getitem__(self, chunk: slice) -> FloatArray:
        """Return a chunk."""
        return self.images[np.arange(*chunk.indices(len(self))) % len(self.images)]


def _chunks(samples: int, size: int, block: int) -> Iterator[tuple[int, int]]:
    """Split samples into chunks of about `size` that end where blocks end."""
    stride = max(block, size // block * block)
    for start in range(0, samples, stride):
        yield start, min(start + stride, samples)


def simulate(
    network: Network,
    images: ImageSource,
    *,
    seed: int = 0,
    schedule: Schedule = "graded",
    steps: int = DEFAULT_STEPS,
    backend_name: BackendName = "auto",
    threads: int | None = None,
    batch: int = CHUNK,
    keep: Sequence[str] = (),
    rasters: Sequence[str] = (),
    parts: Path | None = None,
    traces: Path | None = None,
    scheduler: str | None = None,
    report: Callable[[int, int], None] | None = None,
) -> SpikeRecord:
    """Run images through an integer network and count what happens.

    Parameters
    ----------
    network : Network
    images : ndarray of float32, shape (samples, channels, height, width), or ImageSource
        Read chunk by chunk.
    seed : int
        Seed of the exponential thresholds; with the sample's index it determines every spike.
    schedule : {"graded", "unary", "streaming"}
        Counts as payloads in one step, as single spikes layer after layer over `steps` steps each, or all layers at
        once over `steps` steps (`spiking_pvae.deploy.streaming`).
    steps : int
        Steps T of a firing phase in the unary schedule, of the presentation in the streaming one.
    backend_name : {"auto", "numba", "reference"}
        What computes; ``auto`` is numba.
    threads : int, optional
        Threads of the compiled backend, all processors if not given; has no influence on the result.
    batch : int
        Samples at once; has no influence on the result.
    keep : sequence of str
        Layers whose counts and charges are kept for every sample.
    rasters : sequence of str
        Layers whose spikes in every step are kept for every sample (`spiking_pvae.deploy.spikes`): in the unary and
        the streaming schedule.
    parts : Path, optional
        Folder in which finished chunks are kept and looked for, so that an interrupted simulation goes on, wherever it
        ran.
    traces : Path, optional
        Folder for what is kept of every sample, as `.npy` files that are memory maps in the record: any number of
        samples in bounded memory (`spiking_pvae.deploy.traces`). Counts and charges of all layers where neither `keep`
        nor `rasters` names one.
    scheduler : str, optional
        Address of a Dask scheduler whose workers run the chunks; the result is the same.
    report : callable, optional
        Called with the samples done and all samples.

    Returns
    -------
    SpikeRecord

    Raises
    ------
    InputError
        No images, a wrong shape, an unknown layer, a bad number, or not enough room on the disk.
    LimitError
        A sum leaves the 24-bit membrane.
    """
    names = [layer.name for layer in network.layers]
    _check(len(images), names, keep, steps=steps, batch=batch, seed=seed)
    require_rasters(network, rasters, schedule)
    if traces is not None and not keep and not rasters:
        keep = names
    plan = Plan(
        seed=seed,
        schedule=schedule,
        steps=steps,
        block=-(-len(images) // MOST_BLOCKS),
        keep=tuple(dict.fromkeys(keep)),
        rasters=tuple(dict.fromkeys(rasters)),
    )
    chunks = list(_chunks(len(images), batch, plan.block))
    if scheduler is not None:
        from spiking_pvae.deploy.cluster import run_on_cluster

        produce = partial(run_on_cluster, network, images, plan=plan, backend_name=backend_name, address=scheduler)
    else:
        produce = partial(_run_here, network, images, plan=plan, run=runner(network, backend_name, threads))
    done = produce(chunks) if parts is None else kept(network, images, chunks, plan=plan, folder=parts, produce=produce)
    return join(network, plan, len(images), done, traces=traces, report=report)


def _check(samples: int, names: Sequence[str], keep: Sequence[str], *, steps: int, batch: int, seed: int) -> None:
    """Refuse what can't be simulated."""
    if samples == 0:
        raise InputError("images", given="none", allowed="at least one")
    if steps < 1 or batch < 1 or not 0 <= seed < 2**64:
        raise InputError(
            "simulation",
            given=f"steps {steps}, batch {batch}, seed {seed}",
            allowed="steps and batch of at least 1, a seed of 0 .. 2^64 - 1",
        )
    if unknown := set(keep) - set(names):
        raise InputError("layers to keep", given=", ".join(sorted(unknown)), allowed=", ".join(names))


def _run_here(
    network: Network, images: ImageSource, chunks: Sequence[tuple[int, int]], *, plan: Plan, run: Runner
) -> Iterator[Part]:
    """Run one chunk after the other."""
    for start, stop in chunks:
        yield run_part(network, images[start:stop], start, plan, run)
