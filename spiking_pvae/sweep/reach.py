"""Reaching a point: train it, measure it, leave its outcome in its run folder.

A point goes on from its last checkpoint after a kill, and every random number depends on its settings alone, so an
interrupted sweep ends with the same results as an unbroken one.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from spiking_pvae.allocator import keep_freed_memory
from spiking_pvae.checkpoint import load_run
from spiking_pvae.config import TrainConfig
from spiking_pvae.energy import Preset
from spiking_pvae.model import VAE, build_model
from spiking_pvae.sweep.grid import Curve, Point, SweepConfig
from spiking_pvae.sweep.job import Job
from spiking_pvae.sweep.measure import measure
from spiking_pvae.sweep.prices import kept_prices
from spiking_pvae.sweep.results import POINT_FILE, Outcome, load_outcome, save_outcome
from spiking_pvae.training import fit
from spiking_pvae.types import Dataset, ImageSet

WATCHED = 2000
"""Held-out images on which a training is watched; its result is measured on all of them."""


def training(point: Point, config: SweepConfig) -> TrainConfig:
    """Return how a point is trained; a continued one keeps its beta from the first step on."""
    return TrainConfig(
        epochs=point.epochs(config),
        batch_size=config.batch_size,
        beta_warmup=0.0 if point.start == "continued" else TrainConfig().beta_warmup,
        seed=point.seed,
        device="cpu",
    )


def watched(dataset: Dataset) -> Dataset:
    """Return the data set with an even choice of its held-out images."""
    # To judge all of them after every epoch takes a tenth of a training, for a history by which nothing is decided.
    images = dataset.validation.images
    return replace(dataset, validation=ImageSet(images=images[:: max(1, len(images) // WATCHED)]))


def train_point(point: Point, job: Job, before: Path | None) -> VAE:
    """Train a point, or on from its checkpoint.

    Parameters
    ----------
    point : Point
    job : Job
    before : Path, optional
        Run folder of the point before on the curve, whose weights it starts from.
    """
    model = build_model(point.config(), job.dataset.shape, seed=point.seed)
    if before is not None:
        model.load_state_dict(load_run(before).model.state_dict())
    folder = job.folder(point)
    folder.mkdir(parents=True, exist_ok=True)
    return fit(model, watched(job.dataset), training(point, job.config), out=folder, resume=True).model


def reach(point: Point, job: Job, preset: Preset, before: Path | None) -> Outcome:
    """Train and measure a point unless it is finished; a failure is an outcome too."""
    folder = job.folder(point)
    if (outcome := load_outcome(folder)) is not None:
        return outcome
    wall, cpu = time.perf_counter(), time.process_time()
    values, reason = {}, ""
    try:
        model = train_point(point, job, before)
        values = measure(model, job.dataset, preset, job.config.samples)
    except Exception as error:  # whatever stops one point must not stop the others
        reason = f"{type(error).__name__}: {error}"
    outcome = Outcome(
        point=point,
        reason=reason,
        values=values,
        seconds=time.perf_counter() - wall,
        cpu_seconds=time.process_time() - cpu,
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_outcome(folder, outcome)
    (folder / "checkpoint.safetensors").unlink(missing_ok=True)
    return outcome


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a curve's folder, so that a worker given up for lost and its successor don't write at once."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def follow(curve: Curve, job: Job) -> list[Outcome]:
    """Reach the points of a curve one after another; a point after a failed one starts from the last that was reached.

    Parameters
    ----------
    curve : tuple of Point
    job : Job
    """
    # One thread: sums of floats depend on their order, and a grid fills the processors by its curves.
    torch.set_num_threads(1)
    keep_freed_memory()
    preset = kept_prices(job.out, job.config.hardware)
    outcomes: list[Outcome] = []
    before: Path | None = None
    with alone(job.folder(curve[0]).parent):
        for point in curve:
            outcome = reach(point, job, preset, before)
            outcomes.append(outcome)
            if outcome.done:
                before = job.folder(point)
    return outcomes


def give_up(curve: Curve, job: Job, reason: str) -> None:
    """Write the failure of the first unfinished point of a curve, whose process ended without saying why."""
    for point in curve:
        folder = job.folder(point)
        if not (folder / POINT_FILE).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            save_outcome(folder, Outcome(point=point, reason=reason, values={}, seconds=0.0, cpu_seconds=0.0))
            return
