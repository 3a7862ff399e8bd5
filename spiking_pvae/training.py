"""Training: a loop over epochs whose randomness depends on the seed and the epoch alone.

Data order and augmentation of an epoch come from a generator seeded with (seed, epoch), so that a run resumed after any
epoch continues exactly as the unbroken one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spiking_pvae.checkpoint import (
    Checkpoint,
    History,
    Run,
    load_checkpoint,
    save_checkpoint,
    save_run,
    settings_of,
)
from spiking_pvae.config import TrainConfig
from spiking_pvae.devices import choose_device, require_memory
from spiking_pvae.errors import InputError
from spiking_pvae.model import PoissonVAE
from spiking_pvae.objective import exact_elbo
from spiking_pvae.schedules import one_cycle, warm_beta
from spiking_pvae.types import Dataset, ImageShape

ADAM_BETAS = (0.9, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a progress display shows: steps done of all, and the running objective."""

    step: int
    steps: int
    epoch: int
    epochs: int
    objective: float


Report = Callable[[Progress], None]


def dihedral_permutations(shape: ImageShape) -> Tensor:
    """Pixel order of the 8 flips and rotations of a square image; int64 of shape (8, pixels)."""
    _, height, width = shape
    if height != width:
        raise InputError("augmentation", given=f"images of {height} x {width}", allowed="square images")
    index = torch.arange(shape[0] * height * width).reshape(shape)
    turned = [torch.rot90(index, turns, (1, 2)) for turns in range(4)]
    return torch.stack([view.flatten() for turn in turned for view in (turn, turn.flip(2))])


def batches(images: Tensor, permutations: Tensor | None, config: TrainConfig, epoch: int) -> Iterator[Tensor]:
    """Yield the batches of one epoch, shuffled and augmented; the last, incomplete one included."""
    seed = int(np.random.SeedSequence([config.seed, epoch]).generate_state(1, np.uint64)[0] >> np.uint64(1))
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator)
    for chosen in torch.split(order, config.batch_size):
        batch = images[chosen.to(images.device)]
        if permutations is not None:
            which = torch.randint(8, (len(chosen),), generator=generator).to(images.device)
            batch = batch.flatten(1).gather(1, permutations[which]).view_as(batch)
        yield batch


@torch.no_grad()
def held_out(model: PoissonVAE, images: Tensor) -> dict[str, float]:
    """Average the exact terms of the objective over held-out images."""
    terms = [exact_elbo(model, chunk) for chunk in torch.split(images, 4096)]
    mse = float(torch.cat([term.reconstruction for term in terms]).double().mean())
    kl = float(torch.cat([term.kl for term in terms]).double().mean())
    return {"val_mse": mse, "val_kl": kl, "val_objective": mse + model.config.beta * kl}


def _optimizer_tensors(model: PoissonVAE, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"optimizer.{name}.{moment}": optimizer.state[parameter][moment]
        for name, parameter in model.named_parameters()
        for moment in ("step", "exp_avg", "exp_avg_sq")
    }


def _restore(checkpoint: Checkpoint, model: PoissonVAE, optimizer: torch.optim.Optimizer) -> None:
    weights = {
        key.removeprefix("model."): value for key, value in checkpoint.tensors.items() if key.startswith("model.")
    }
    model.load_state_dict(weights)
    for name, parameter in model.named_parameters():
        optimizer.state[parameter] = {
            moment: checkpoint.tensors[f"optimizer.{name}.{moment}"].to(parameter.device)
            for moment in ("step", "exp_avg", "exp_avg_sq")
        }


def fit(
    model: PoissonVAE,
    dataset: Dataset,
    config: TrainConfig,
    *,
    out: Path | None = None,
    resume: bool = False,
    report: Report | None = None,
) -> Run:
    """Train a model in place.

    Parameters
    ----------
    model : PoissonVAE
        Starts from its present weights.
    dataset : Dataset
        Its images must have the model's shape.
    config : TrainConfig
        How to train.
    out : Path, optional
        Run folder; without it nothing is written.
    resume : bool
        Continue from the checkpoint in `out`, if there is one.
    report : callable, optional
        Called after every step.

    Returns
    -------
    Run
        Also written to `out`.

    Raises
    ------
    InputError
        The data does not fit the model, the model does not fit the memory, or the checkpoint is of other settings.
    """
    if dataset.shape != model.image_shape:
        raise InputError("data", given=f"images of shape {dataset.shape}", allowed=f"the model's {model.image_shape}")
    require_memory(model.config, model.image_shape, config)
    device = choose_device(config.device)
    model.to(device).train()
    images = torch.from_numpy(dataset.train.images).to(device)
    validation = torch.from_numpy(dataset.validation.images).to(device)
    permutations = dihedral_permutations(dataset.shape).to(device) if dataset.augment == "dihedral" else None
    optimizer = torch.optim.Adam(model.parameters(), betas=ADAM_BETAS, fused=device.type in ("cpu", "cuda"))

    settings = settings_of(model, config, dataset.name, dataset.fingerprint)
    history: History = []
    if resume and out is not None and (out / "checkpoint.safetensors").is_file():
        checkpoint = load_checkpoint(out)
        if checkpoint.settings != settings:
            raise InputError("resumed run", given="other settings or data", allowed="the settings it was started with")
        _restore(checkpoint, model, optimizer)
        history = list(checkpoint.history)

    steps_an_epoch = -(-len(images) // config.batch_size)
    steps = steps_an_epoch * config.epochs
    started = time.perf_counter()
    for epoch in range(len(history), config.epochs):
        total = 0.0
        for index, batch in enumerate(batches(images, permutations, config, epoch)):
            step = epoch * steps_an_epoch + index
            beta = warm_beta(step, steps, model.config.beta, config.beta_warmup)
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(step, steps, config.learning_rate)
            optimizer.zero_grad(set_to_none=True)
            objective = exact_elbo(model, batch).objective(beta)
            objective.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.gradient_clip)
            optimizer.step()
            value = objective.item()
            if not np.isfinite(value):
                raise InputError(
                    "training",
                    given=f"an objective of {value} at step {step}",
                    allowed="a finite one",
                    remedy="Lower --learning-rate or --clamp, or check the scale of the images.",
                )
            total += value * len(batch)
            if report is not None:
                report(Progress(step=step + 1, steps=steps, epoch=epoch + 1, epochs=config.epochs, objective=value))
        history.append({"epoch": epoch + 1, "train_objective": total / len(images), **held_out(model, validation)})
        if out is not None:
            tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
            tensors |= _optimizer_tensors(model, optimizer)
            save_checkpoint(out, Checkpoint(epoch=epoch + 1, tensors=tensors, history=history, settings=settings))

    run = Run(
        model=model.eval(),
        train=config,
        data=dataset.name,
        fingerprint=dataset.fingerprint,
        steps=steps,
        seconds=time.perf_counter() - started,
        history=history,
    )
    if out is not None:
        save_run(out, run)
    return run
