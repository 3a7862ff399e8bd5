"""Simulate an integer network on the CPU: images in, a `SpikeRecord` out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from spiking_pvae.deploy.accounting import update_steps
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.parts import Part, Plan, fingerprint, load_part, part_path, run_part, save_part
from spiking_pvae.deploy.record import LatentTally, Schedule, SpikeRecord, Tally, Trace
from spiking_pvae.deploy.runner import BACKENDS, BackendName, runner
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray, ImageShape

__all__ = ["BACKENDS", "DEFAULT_STEPS", "BackendName", "ImageSource", "Repeated", "runner", "simulate"]

MOST_BLOCKS = 2048
"""A record keeps its sums for at most this many blocks of samples."""
DEFAULT_STEPS = 32
CHUNK = 512


class ImageSource(Protocol):
    """Images that need not be in memory all at once: an array, a memory map, or a view such as `Repeated`."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, chunk: slice, /) -> FloatArray:
        """Return float32 images of shape (samples, channels, height, width)."""


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
    parts: Path | None = None,
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
    parts : Path, optional
        Folder in which finished chunks are kept and looked for, so that an interrupted simulation goes on.
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
        No images, a wrong shape, an unknown layer or a bad number.
    LimitError
        A sum leaves the 24-bit membrane.
    """
    if len(images) == 0:
        raise InputError("images", given="none", allowed="at least one")
    if steps < 1 or batch < 1 or not 0 <= seed < 2**64:
        raise InputError(
            "simulation",
            given=f"steps {steps}, batch {batch}, seed {seed}",
            allowed="steps and batch of at least 1, a seed of 0 .. 2^64 - 1",
        )
    names = [layer.name for layer in network.layers]
    if unknown := set(keep) - set(names):
        raise InputError("layers to keep", given=", ".join(sorted(unknown)), allowed=", ".join(names))
    plan = Plan(
        seed=seed, schedule=schedule, steps=steps, block=-(-len(images) // MOST_BLOCKS), keep=tuple(dict.fromkeys(keep))
    )
    chunks = list(_chunks(len(images), batch, plan.block))
    if scheduler is not None and parts is not None:
        raise InputError("simulation", given="a scheduler and a folder of parts", allowed="one of the two")
    if scheduler is not None:
        from spiking_pvae.deploy.cluster import run_on_cluster

        done = run_on_cluster(network, images, chunks, plan=plan, backend_name=backend_name, address=scheduler)
    else:
        compiled = runner(network, backend_name, threads)

        def run(chunk: FloatArray, start: int) -> Part:
            return run_part(network, chunk, start, plan, compiled)

        done = (run(images[start:stop], start) for start, stop in chunks)
        if parts is not None:
            done = _kept(network, images, chunks, plan=plan, folder=parts, run=run)
    return _join(network, plan, len(images), done, report)


def _kept(
    network: Network,
    images: ImageSource,
    chunks: Sequence[tuple[int, int]],
    *,
    plan: Plan,
    folder: Path,
    run: Callable[[FloatArray, int], Part],
) -> Iterator[Part]:
    """Read each part back where it was kept by this very simulation, or run and keep it."""
    folder.mkdir(parents=True, exist_ok=True)
    for start, stop in chunks:
        chunk = images[start:stop]
        path = part_path(folder, start, stop)
        identity = fingerprint(network, chunk, plan)
        part = load_part(path, identity, len(network.layers), plan.keep)
        if part is None:
            part = run(chunk, start)
            save_part(part, path, identity)
        yield part


def _join(
    network: Network,
    plan: Plan,
    samples: int,
    parts: Iterator[Part],
    report: Callable[[int, int], None] | None,
) -> SpikeRecord:
    """Join parts, which come in order, to a record."""
    digest = hashlib.sha256()
    joined: list[Part] = []
    done = 0
    for part in parts:
        digest.update(part.counts.data)
        done += len(part.counts)
        joined.append(replace(part, counts=np.empty((0, 0), np.int32)))  # a slice would keep all of them
        if report is not None:
            report(done, samples)
    durations = (0, *update_steps(network, plan.schedule, plan.steps))
    blocks = -(-samples // plan.block)
    active = [np.zeros(blocks, np.int64)]
    active += [np.concatenate([part.active[index] for part in joined]) for index in range(len(network.layers))]
    return SpikeRecord(
        schedule=plan.schedule,
        steps=1 if plan.schedule == "graded" else plan.steps,
        seed=plan.seed,
        block_samples=np.minimum(plan.block, samples - plan.block * np.arange(blocks, dtype=np.int64)),
        tallies=tuple(
            Tally(
                name=name,
                spikes=np.concatenate([part.spikes[index] for part in joined]),
                events=np.concatenate([part.events[index] for part in joined]),
                steps=durations[index],
                active=active[index],
            )
            for index, name in enumerate(["input", *(layer.name for layer in network.layers)])
        ),
        latent=LatentTally(
            rate=np.concatenate([part.rate for part in joined]), kl=np.concatenate([part.kl for part in joined])
        ),
        counts_sha256=digest.hexdigest(),
        traces={
            name: Trace(
                counts=np.concatenate([part.traces[name].counts for part in joined]),
                charge=np.concatenate([part.traces[name].charge for part in joined]),
            )
            for name in plan.keep
        },
    )
