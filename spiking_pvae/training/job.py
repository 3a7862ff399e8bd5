"""What a training works with, what changes while it goes on, and how that survives in a checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spiking_pvae.checkpoint import PRUNING, Checkpoint, save_checkpoint, settings_of
from spiking_pvae.config import TrainConfig
from spiking_pvae.errors import InputError
from spiking_pvae.memory import require_memory
from spiking_pvae.model import VAE
from spiking_pvae.scalars import History
from spiking_pvae.schedules import learning_rate
from spiking_pvae.training.averaging import copied
from spiking_pvae.training.clock import Clock
from spiking_pvae.training.feeding import Feeder, Share, dihedral_permutations, place_images
from spiking_pvae.training.optimizers import build_optimizer, optimizer_tensors, restore_optimizer
from spiking_pvae.training.runtime import Runtime, build_runtime
from spiking_pvae.training.step import TrainStep
from spiking_pvae.training.stopping import Stopper, split_training
from spiking_pvae.types import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
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

    def learning_rate(self, step: int) -> float:
        """Learning rate of a step."""
        return learning_rate(step, self.steps, self.feeder.steps_an_epoch, self.config, self.model.config.decoder)


@dataclass(slots=True, kw_only=True)
class State:
    """What changes; with the weights and the optimiser, all of it.

    `sums` holds, since the epoch began, the objective summed over images and the gradient's norm summed over steps.
    """

    step: int
    sums: Tensor
    clock: Clock
    history: History
    average: dict[str, Tensor] | None
    best: dict[str, Tensor] | None
    stopper: Stopper


def prepare(model: VAE, dataset: Dataset, config: TrainConfig, *, masked: bool = False) -> Job:
    """Put everything in its place; nothing is trained yet. Checkpoints of a `masked` training say so."""
    if dataset.shape != model.image_shape:
        raise InputError("data", given=f"images of shape {dataset.shape}", allowed=f"the model's {model.image_shape}")
    config = replace(config, learning_rate=config.peak(model.config.decoder))
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
    settings = settings_of(model, config, dataset.name, dataset.fingerprint)
    return Job(
        model=model,
        config=config,
        runtime=runtime,
        module=module,
        optimizer=wrapped,
        feeder=feeder,
        validation=torch.from_numpy(dataset.validation.images),
        deciding=deciding,
        steps=feeder.steps_an_epoch * config.epochs,
        settings=settings | {"task": PRUNING} if masked else settings,
    )


def begin(job: Job, checkpoint: Checkpoint | None) -> State:
    """Start anew, or where a checkpoint left off."""
    first = math.ceil(job.config.beta_warmup * job.config.epochs) + 1
    stopper = Stopper(patience=job.config.patience, first=min(first, job.config.epochs))
    sums = torch.zeros(2, dtype=torch.float64, device=job.runtime.device)
    if checkpoint is None:
        average = copied(job.model) if job.config.average else None
        return State(step=0, sums=sums, clock=Clock.started(), history=[], average=average, best=None, stopper=stopper)
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
    return State(
        step=checkpoint.step,
        sums=sums + checkpoint.tensors["sums.epoch"].to(sums.device),
        # Processor time is noted by the epoch: what an interrupted epoch took before its checkpoint is not counted.
        clock=Clock.started(
            wall=checkpoint.seconds, cpu=checkpoint.history[-1]["time_cpu"] if checkpoint.history else 0.0
        ),
        history=list(checkpoint.history),
        average=on_device["average"] or None,
        best=on_device["best"] or None,
        stopper=stopper,
    )


def save(job: Job, state: State, out: Path) -> None:
    """Write a checkpoint of the state."""
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
        step=state.step, tensors=tensors, history=state.history, settings=job.settings, seconds=state.clock.now().wall
    )
    save_checkpoint(out, checkpoint)
