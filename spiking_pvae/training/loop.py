"""The training loop.

Everything random is a function of the seed and the step, so that a run stopped after any step goes on exactly as the
unbroken one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from spiking_pvae.checkpoint import Run, clear_run, save_run
from spiking_pvae.config import TrainConfig
from spiking_pvae.errors import InputError
from spiking_pvae.model import VAE
from spiking_pvae.resuming import resumable
from spiking_pvae.schedules import temperature, warm_beta
from spiking_pvae.training.averaging import copied, holding, update_average
from spiking_pvae.training.feeding import Batch, derived_seed
from spiking_pvae.training.job import Job, State, begin, prepare, save
from spiking_pvae.training.judging import held_out
from spiking_pvae.types import Dataset

CHECKPOINT_SECONDS = 5.0
"""Time after which a checkpoint is due."""
CHECK_EVERY = 20
"""Steps between looks at the objective on an accelerator, where each look waits for it."""
DRAWS = 1
"""Path of the seeds of draws, beside those of the data order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a progress display shows: steps done of all, and the present objective."""

    step: int
    steps: int
    epoch: int
    epochs: int
    objective: float


Report = Callable[[Progress], None]


def _advance(job: Job, state: State, batch: Batch) -> Tensor:
    """Do one step; return the batch's objective, averaged over this process's images."""
    config = job.config
    device = job.runtime.device
    beta = torch.full((), warm_beta(batch.step, job.steps, job.model.config.beta, config.beta_warmup), device=device)
    for group in job.optimizer.param_groups:
        group["lr"] = job.learning_rate(batch.step)
    job.optimizer.zero_grad(set_to_none=True)
    tau = temperature(batch.step, job.steps, config.temperature, config.temperature_warmup)
    seed = derived_seed(config.seed, batch.step, DRAWS)
    objective: Tensor = job.module(batch.images, beta, torch.tensor(tau), torch.tensor(seed), torch.tensor(batch.first))
    # Processes average their gradients, each of a mean over its own images; parts differ in size by at most one.
    share = batch.count * job.runtime.world / batch.size
    job.runtime.backward(objective if share == 1 else objective * share)
    norm = job.runtime.clip(job.module, job.optimizer, config.gradient_clip)
    job.optimizer.step()
    value = objective.detach()
    # A step whose gradient overflows fp16 is skipped; its norm is no number.
    state.sums += torch.stack([value * batch.count, torch.nan_to_num(norm, 0.0, 0.0)])
    state.step = batch.step + 1
    if state.average is not None:
        update_average(state.average, job.model, config.average, batch.step)
    return value


def _finish_epoch(job: Job, state: State) -> None:
    """Write down the epoch's scalars and begin the next."""
    sums = job.runtime.total(state.sums)
    last, spent = state.step - 1, state.clock.now()
    entry = {
        "epoch": state.step // job.feeder.steps_an_epoch,
        "step": state.step,
        "wall_time": time.time(),
        "time_wall": spent.wall,
        "time_cpu": spent.cpu,
        "train_objective": float(sums[0]) / len(job.feeder.images),
        "train_gradient_norm": float(sums[1]) / job.feeder.steps_an_epoch / job.runtime.world,
        "train_learning_rate": job.learning_rate(last),
        "train_beta": warm_beta(last, job.steps, job.model.config.beta, job.config.beta_warmup),
    }
    with holding(job.model, state.average):
        entry |= {f"val_{name}": value for name, value in held_out(job.model, job.validation).items()}
        if job.deciding is not None:
            entry["stop_objective"] = held_out(job.model, job.deciding)["objective"]
            state.stopper = state.stopper.seen(int(entry["epoch"]), entry["stop_objective"])
            if state.stopper.improved:
                state.best = copied(job.model)
    _require_finite(entry["val_objective"], state.step)
    state.history.append(entry)
    state.sums.zero_()


def _require_finite(objective: float, step: int) -> None:
    if not math.isfinite(objective):
        raise _diverged(f"an objective of {objective} at step {step}")


def _diverged(given: str) -> InputError:
    return InputError(
        "training",
        given=given,
        allowed="a finite one",
        remedy="Lower --learning-rate or --clamp, or check the scale of the images.",
    )


def _save_finite(job: Job, state: State, out: Path) -> None:
    """Write a checkpoint, unless the state is no longer finite: the last good one then stays."""
    # The sums hold the objective of every step since the epoch began, also of those that were not looked at.
    if not all(bool(tensor.isfinite().all()) for tensor in (state.sums, *job.model.state_dict().values())):
        raise _diverged(f"an objective or weights that are not finite at step {state.step}")
    save(job, state, out)


def fit(
    model: VAE,
    dataset: Dataset,
    config: TrainConfig,
    *,
    out: Path | None = None,
    resume: bool = False,
    report: Report | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
    masked: bool = False,
) -> Run:
    """Train a model in place.

    Parameters
    ----------
    model : VAE
        Starts from its present weights.
    dataset : Dataset
        Its images must have the model's shape.
    config : TrainConfig
        How to train.
    out : Path, optional
        Run folder; without it nothing is written. A run in it that is not resumed is taken away first.
    resume : bool
        Continue from the checkpoint in `out`, if there is one: weights, optimiser, averages, schedules, data order and
        draws are those of the unbroken run, bit for bit, on the same machine with the same number of threads.
    report : callable, optional
        Called with the progress.
    checkpoint_seconds : float
        A checkpoint is written after the first step that ends so long after the last one, and at the end. Several
        processes write one after every epoch.
    masked : bool
        Something outside holds weights at 0, which no checkpoint keeps: the training can't be resumed.

    Returns
    -------
    Run
        Also written to `out`.

    Raises
    ------
    InputError
        The data does not fit the model, the model does not fit the memory, the checkpoint is of other settings, or the
        objective is no longer finite.
    """
    job = prepare(model, dataset, config, masked=masked)
    checkpoint = resumable(out, job.settings) if resume and out is not None else None
    if checkpoint is None and out is not None and job.runtime.rank == 0:
        clear_run(out)
    state = begin(job, checkpoint)
    saved = time.perf_counter()
    look = 1 if job.runtime.device.type == "cpu" else CHECK_EVERY
    for batch in job.feeder.batches(state.step, job.steps):
        if state.stopper.done:
            break
        value = _advance(job, state, batch)
        ended = state.step % job.feeder.steps_an_epoch == 0
        if ended or state.step % look == 0:
            _require_finite(objective := value.item(), state.step)
            if report is not None:
                epoch = batch.step // job.feeder.steps_an_epoch + 1
                report(
                    Progress(step=state.step, steps=job.steps, epoch=epoch, epochs=config.epochs, objective=objective)
                )
        if ended:
            _finish_epoch(job, state)
        now = time.perf_counter()
        due = ended if job.runtime.world > 1 else now - saved >= checkpoint_seconds
        if out is not None and job.runtime.rank == 0 and (due or state.step == job.steps):
            _save_finite(job, state, out)
            saved = time.perf_counter()
    return _conclude(job, state, dataset, out)


def _conclude(job: Job, state: State, dataset: Dataset, out: Path | None) -> Run:
    """Give the model its final weights and write the run."""
    if out is not None and job.runtime.rank == 0 and state.stopper.done:
        _save_finite(job, state, out)
    final = state.best if state.best is not None else state.average
    if final is not None:
        job.model.load_state_dict(final)
    run = Run(
        model=job.model.eval(),
        train=job.config,
        data=dataset.name,
        fingerprint=dataset.fingerprint,
        steps=state.step,
        epoch=state.stopper.best_epoch or len(state.history),
        seconds=state.clock.now().wall,
        history=state.history,
    )
    if out is not None and job.runtime.rank == 0:
        save_run(out, run)
    return run
