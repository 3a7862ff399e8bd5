"""The training loop.

Everything random is a function of the seed and the step, so that a run stopped after any step goes on exactly as the
unbroken one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spiking_pvae.checkpoint import Checkpoint, Run, resumable, save_checkpoint, save_run, settings_of
from spiking_pvae.config import TrainConfig
from spiking_pvae.devices import require_memory
from spiking_pvae.errors import InputError
from spiking_pvae.model import VAE
from spiking_pvae.objective import expected_elbo
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.scalars import History
from spiking_pvae.schedules import learning_rate, temperature, warm_beta
from spiking_pvae.training.averaging import copied, holding, update_average
from spiking_pvae.training.feeding import Batch, Feeder, Share, derived_seed, dihedral_permutations, place_images
from spiking_pvae.training.optimizers import build_optimizer, optimizer_tensors, restore_optimizer
from spiking_pvae.training.runtime import Runtime, build_runtime
from spiking_pvae.training.step import TrainStep
from spiking_pvae.training.stopping import Stopper, split_training
from spiking_pvae.types import Dataset

CHECKPOINT_SECONDS = 5.0
"""Time after which a checkpoint is due."""
CHECK_EVERY = 20
"""Steps between looks at the objective on an accelerator, where each look waits for it."""
HELD_OUT_BATCH = 2000
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What stays the same during a training."""

    model: VAE
    config: TrainConfig
    runtime: Runtime
    module: Any
    optimizer: torch.optim.Optimizer
    feeder: Feeder
    validation: Tensor
    deciding: Tensor | None
    steps: int
    settings: dict[str, Any]


@dataclass(slots=True, kw_only=True)
class _State:
    """What changes; with the weights and the optimiser, all of it.

    `sums` holds, since the epoch began, the objective summed over images and the gradient's norm summed over steps.
    """

    step: int
    sums: Tensor
    history: History
    average: dict[str, Tensor] | None
    best: dict[str, Tensor] | None
    stopper: Stopper


@torch.no_grad()
def held_out(model: VAE, images: Tensor) -> dict[str, float]:
    """Average the terms of the objective over held-out images, exactly for a linear decoder."""
    training = model.training
    model.eval()
    terms = [
        expected_elbo(model, chunk.to(model.device), Draws(seed=0, first_sample=place * HELD_OUT_BATCH))
        for place, chunk in enumerate(torch.split(images, HELD_OUT_BATCH))
    ]
    model.train(training)
    mse = float(torch.cat([term.reconstruction for term in terms]).double().mean())
    kl = float(torch.cat([term.kl for term in terms]).double().mean())
    return {"mse": mse, "kl": kl, "objective": mse + model.config.beta * kl}


def _prepare(model: VAE, dataset: Dataset, config: TrainConfig) -> _Job:
    if dataset.shape != model.image_shape:
        raise InputError("data", given=f"images of shape {dataset.shape}", allowed=f"the model's {model.image_shape}")
    require_memory(model.config, model.image_shape, config)
    runtime = build_runtime(config)
    device = runtime.device
    train, deciding = dataset.train.images, None
    if config.patience:
        train, kept = split_training(train, config.held_out, config.seed)
        deciding = torch.from_numpy(kept)
    model.to(device).train()
    optimizer = build_optimizer(model, config)
    step = TrainStep(model, config)
    module, wrapped = runtime.setup(torch.compile(step) if config.compile else step, optimizer)  # type: ignore[arg-type]
    feeder = Feeder(
        images=place_images(torch.from_numpy(train), device),
        permutations=dihedral_permutations(dataset.shape).to(device) if dataset.augment == "dihedral" else None,
        batch_size=config.batch_size,
        seed=config.seed,
        share=Share(rank=runtime.rank, world=runtime.world),
        device=device,
    )
    return _Job(
        model=model,
        config=config,
        runtime=runtime,
        module=module,
        optimizer=wrapped,
        feeder=feeder,
        validation=torch.from_numpy(dataset.validation.images),
        deciding=deciding,
        steps=feeder.steps_an_epoch * config.epochs,
        settings=settings_of(model, config, dataset.name, dataset.fingerprint),
    )


def _begin(job: _Job, checkpoint: Checkpoint | None) -> _State:
    """Start anew, or where a checkpoint left off."""
    first = math.ceil(job.config.beta_warmup * job.config.epochs) + 1
    stopper = Stopper(patience=job.config.patience, first=min(first, job.config.epochs))
    sums = torch.zeros(2, dtype=torch.float64, device=job.runtime.device)
    if checkpoint is None:
        average = copied(job.model) if job.config.average else None
        return _State(step=0, sums=sums, history=[], average=average, best=None, stopper=stopper)
    job.model.load_state_dict(checkpoint.group("model"))
    restore_optimizer(job.model, job.optimizer, checkpoint.group("optimizer"))
    job.runtime.restore_scaler(checkpoint.group("scaler"))
    on_device = {
        name: {key: value.to(job.runtime.device) for key, value in checkpoint.group(name).items()}
        for name in ("average", "best")
    }
    if job.deciding is not None:
        stopper = reduce(
            lambda state, entry: state.seen(int(entry["epoch"]), entry["stop_objective"]), checkpoint.history, stopper
        )
    return _State(
        step=checkpoint.step,
        sums=sums + checkpoint.tensors["sums.epoch"].to(sums.device),
        history=list(checkpoint.history),
        average=on_device["average"] or None,
        best=on_device["best"] or None,
        stopper=stopper,
    )


def _save(job: _Job, state: _State, out: Path, seconds: float) -> None:
    groups = {
        "model": job.model.state_dict(),
        "optimizer": optimizer_tensors(job.model, job.optimizer),
        "average": state.average or {},
        "best": state.best or {},
        "scaler": job.runtime.scaler_state(),
        "sums": {"epoch": state.sums},
    }
    tensors = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    checkpoint = Checkpoint(
        step=state.step, tensors=tensors, history=state.history, settings=job.settings, seconds=seconds
    )
    save_checkpoint(out, checkpoint)


def _advance(job: _Job, state: _State, batch: Batch) -> Tensor:
    """Do one step; return the batch's objective, averaged over this process's images."""
    config = job.config
    beta = torch.full((), warm_beta(batch.step, job.steps, job.model.config.beta, config.beta_warmup))
    for group in job.optimizer.param_groups:
        group["lr"] = learning_rate(batch.step, job.steps, job.feeder.steps_an_epoch, config)
    job.optimizer.zero_grad(set_to_none=True)
    tau = temperature(batch.step, job.steps, config.temperature, config.temperature_warmup)
    seed = derived_seed(config.seed, batch.step, DRAWS)
    objective: Tensor = job.module(batch.images, beta.to(job.runtime.device), tau, seed, batch.first)
    # Processes average their gradients, each of a mean over its own images; parts differ in size by at most one.
    share = batch.count * job.runtime.world / batch.size
    job.runtime.backward(objective if share == 1 else objective * share)
    norm = job.runtime.clip(job.module, job.optimizer, config.gradient_clip)
    job.optimizer.step()
    value = objective.detach()
    state.sums += torch.stack([value * batch.count, norm])
    state.step = batch.step + 1
    if state.average is not None:
        update_average(state.average, job.model, config.average, batch.step)
    return value


def _finish_epoch(job: _Job, state: _State) -> None:
    """Write down the epoch's scalars and begin the next."""
    sums = job.runtime.total(state.sums)
    last = state.step - 1
    entry = {
        "epoch": state.step // job.feeder.steps_an_epoch,
        "step": state.step,
        "wall_time": time.time(),
        "train_objective": float(sums[0]) / len(job.feeder.images),
        "train_gradient_norm": float(sums[1]) / job.feeder.steps_an_epoch / job.runtime.world,
        "train_learning_rate": learning_rate(last, job.steps, job.feeder.steps_an_epoch, job.config),
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
        raise InputError(
            "training",
            given=f"an objective of {objective} at step {step}",
            allowed="a finite one",
            remedy="Lower --learning-rate or --clamp, or check the scale of the images.",
        )


def fit(
    model: VAE,
    dataset: Dataset,
    config: TrainConfig,
    *,
    out: Path | None = None,
    resume: bool = False,
    report: Report | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
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
        Run folder; without it nothing is written.
    resume : bool
        Continue from the checkpoint in `out`, if there is one: weights, optimiser, averages, schedules, data order and
        draws are those of the unbroken run, bit for bit, on the same machine with the same number of threads.
    report : callable, optional
        Called with the progress.
    checkpoint_seconds : float
        A checkpoint is written after the first step that ends so long after the last one, and at the end. Several
        processes write one after every epoch.

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
    job = _prepare(model, dataset, config)
    checkpoint = resumable(out, job.settings) if resume and out is not None else None
    state = _begin(job, checkpoint)
    before = checkpoint.seconds if checkpoint else 0.0
    started = saved = time.perf_counter()
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
            _save(job, state, out, before + now - started)
            saved = time.perf_counter()
    return _conclude(job, state, dataset, before + time.perf_counter() - started, out)


def _conclude(job: _Job, state: _State, dataset: Dataset, seconds: float, out: Path | None) -> Run:
    """Give the model its final weights and write the run."""
    if out is not None and job.runtime.rank == 0 and state.stopper.done:
        _save(job, state, out, seconds)
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
        seconds=seconds,
        history=state.history,
    )
    if out is not None and job.runtime.rank == 0:
        save_run(out, run)
    return run
