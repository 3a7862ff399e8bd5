"""Parts of a simulation in their order: kept on disk, read back, joined to a record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from spiking_pvae.deploy.accounting import update_steps
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.parts import Part, Plan, fingerprint, load_part, part_path, save_part
from spiking_pvae.deploy.record import LatentTally, SpikeRecord, Tally
from spiking_pvae.deploy.traces import Keeper
from spiking_pvae.types import FloatArray


class ImageSource(Protocol):
    """Images that need not be in memory all at once: an array, a memory map, or a view such as `Repeated`."""

    def __len__(self) -> int:
        """Return the number of images."""

    def __getitem__(self, chunk: slice, /) -> FloatArray:
        """Return float32 images of shape (samples, channels, height, width)."""


class Produce(Protocol):
    """Runs chunks of samples, here or elsewhere."""

    def __call__(self, chunks: Sequence[tuple[int, int]]) -> Iterator[Part]:
        """Yield the parts of chunks (first sample, one past the last), in order."""


def kept(
    network: Network,
    images: ImageSource,
    chunks: Sequence[tuple[int, int]],
    *,
    plan: Plan,
    folder: Path,
    produce: Produce,
) -> Iterator[Part]:
    """Read each part back where it was kept by this very simulation; run and keep the others."""
    folder.mkdir(parents=True, exist_ok=True)

    def stored(start: int, stop: int) -> Part | None:
        path = part_path(folder, start, stop)
        if not path.exists():
            return None
        return load_part(path, fingerprint(network, images[start:stop], plan), len(network.layers), plan)

    missing = [chunk for chunk in chunks if stored(*chunk) is None]
    fresh = produce(missing)
    to_run = set(missing)
    for start, stop in chunks:
        if (start, stop) in to_run:
            part = next(fresh)
            save_part(part, part_path(folder, start, stop), fingerprint(network, images[start:stop], plan))
        else:
            found = stored(start, stop)
            assert found is not None
            part = found
        yield part


def join(
    network: Network,
    plan: Plan,
    samples: int,
    parts: Iterator[Part],
    *,
    traces: Path | None,
    report: Callable[[int, int], None] | None,
) -> SpikeRecord:
    """Join parts, which come in order, to a record; what is kept of every sample lies in memory, or in a folder."""
    keeper = Keeper(network, plan, samples, traces)
    digest = hashlib.sha256()
    joined: list[Part] = []
    done = 0
    try:
        for part in parts:
            digest.update(part.counts.data)
            keeper.extend(part)
            done += len(part.counts)
            # A slice of the counts would keep all of them.
            joined.append(replace(part, counts=np.empty((0, 0), np.int32), traces={}, rasters={}))
            if report is not None:
                report(done, samples)
    finally:
        keeper.close(done)
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
        traces=keeper.traces(),
        rasters=keeper.rasters(),
    )
