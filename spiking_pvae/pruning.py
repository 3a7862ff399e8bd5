"""Pruning: synapses are taken away while the model goes on learning, so that the others make up for them.

A linear encoder costs (pixels x latents) synaptic operations an inference whatever beta is; only fewer synapses make
its cost follow the information. Of every weight matrix (or kernel) a share is kept, those of the largest score

    s_ij = |w_ij| sqrt(h_i)

with h_i the mean rate of latent i where the matrix leads to the latents, and 1 elsewhere: to second order, taking w_ij
away changes log-residual du_i by w_ij x_j, which the objective answers with a curvature in proportion to the rate
(d2 KL / d du^2 = r). The share falls from 1 to its target along a cubic ramp [1]_ over the first part of the
fine-tuning; masked weights are set to 0 after every step of the optimiser and stay there.

References
----------
.. [1] M. Zhu, S. Gupta, "To prune, or not to prune", arXiv 1710.01878.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from spiking_pvae.checkpoint import Run
from spiking_pvae.config import TrainConfig
from spiking_pvae.model import VAE, evaluating
from spiking_pvae.prune_config import PruneConfig
from spiking_pvae.training import fit
from spiking_pvae.training.loop import Report
from spiking_pvae.types import Dataset

MASK_EVERY = 16
"""Steps of the optimiser between two choices of the mask."""


def share_at(progress: float, target: float, start: float = 1.0) -> float:
    """Cubic ramp of the share kept: `start` at progress 0, `target` from progress 1 on; never up."""
    left = 1.0 - min(max(progress, 0.0), 1.0)
    return min(start, target + (start - target) * left**3)


def keep_largest(scores: Tensor, share: float) -> Tensor:
    """Return the mask of the ceil(share * size) largest scores; bool of the scores' shape, ties by position."""
    count = math.ceil(share * scores.numel())
    mask = torch.zeros(scores.numel(), dtype=torch.bool, device=scores.device)
    mask[torch.sort(scores.flatten(), descending=True, stable=True).indices[:count]] = True
    return mask.view_as(scores)


def prunable(module: nn.Module) -> list[Tensor]:
    """Return the weights of linear and convolutional layers, in order."""
    return [layer.weight for layer in module.modules() if isinstance(layer, nn.Linear | nn.Conv2d)]


@torch.no_grad()
def masks(model: VAE, rates: Tensor, *, encoder_share: float, decoder_share: float) -> list[tuple[Tensor, Tensor]]:
    """Choose which weights stay.

    Parameters
    ----------
    model : VAE
    rates : Tensor, shape (latents,)
        Mean activity of each latent.
    encoder_share, decoder_share : float
        Share kept in every weight matrix.

    Returns
    -------
    list of (Tensor, Tensor)
        Weights and their mask.
    """
    encoder, decoder = prunable(model.encoder), prunable(model.decoder)
    chosen = []
    for weight in encoder:
        scores = weight.abs()
        if weight is encoder[-1]:
            repeats = len(weight) // len(rates)  # location and scale of continuous latents
            scores = scores * rates.sqrt().repeat(repeats).view(-1, *[1] * (weight.dim() - 1))
        chosen.append((weight, keep_largest(scores, encoder_share)))
    return chosen + [(weight, keep_largest(weight.abs(), decoder_share)) for weight in decoder]


def hold(held: list[tuple[Tensor, Tensor]]) -> None:
    """Set what was taken away to 0."""
    for weight, mask in held:
        weight.mul_(mask)


@contextmanager
def kept_sparse(model: VAE, images: Tensor, config: PruneConfig, steps: int) -> Iterator[None]:
    """Prune a model along the ramp while an optimiser trains it, and hold what was taken away at 0.

    Parameters
    ----------
    model : VAE
    images : Tensor, shape (samples, channels, height, width)
        Images that give the latents' mean rates.
    config : PruneConfig
    steps : int
        Steps of the optimiser in all.
    """
    step = 0
    last = max(1, round(config.ramp * steps))
    begun = density(model.encoder), density(model.decoder)
    held = [(weight, weight != 0) for weight in (*prunable(model.encoder), *prunable(model.decoder))]

    @torch.no_grad()
    def after_step(*_: Any) -> None:
        nonlocal step, held
        step += 1
        hold(held)  # first, so that what is gone does not come back into the choice
        if step == last or (step < last and step % MASK_EVERY == 0):
            with evaluating(model):
                rates = model.posterior(images.to(model.device)).activity.mean(0)
            held = masks(
                model,
                rates,
                encoder_share=share_at(step / last, config.encoder_keep, begun[0]),
                decoder_share=share_at(step / last, config.decoder_keep, begun[1]),
            )
            hold(held)

    handle = register_optimizer_step_post_hook(after_step)
    try:
        yield
    finally:
        handle.remove()


def prune(
    model: VAE,
    dataset: Dataset,
    train: TrainConfig,
    config: PruneConfig,
    *,
    out: Path | None = None,
    report: Report | None = None,
) -> Run:
    """Prune a trained model in place, with fine-tuning.

    Parameters
    ----------
    model : VAE
        Trained.
    dataset : Dataset
        What it was trained on.
    train : TrainConfig
        How it was trained; batch size, seed and the like are taken over.
    config : PruneConfig
    out : Path, optional
        Run folder; without it nothing is written.
    report : callable, optional
        Called after every step.

    Returns
    -------
    Run
        Its model has the same shapes, with zeros.
    """
    tuning = replace(
        train,
        epochs=config.epochs,
        learning_rate=config.learning_rate,
        schedule="one-cycle",
        beta_warmup=0.0,
        # Averages and earlier bests hold weights that are gone by now.
        average=0.0,
        patience=0,
    )
    steps = config.epochs * -(-len(dataset.train) // tuning.batch_size)
    sample = torch.from_numpy(dataset.calibration())
    with kept_sparse(model, sample, config, steps):
        return fit(model, dataset, tuning, out=out, report=report, masked=True)


def density(module: nn.Module) -> float:
    """Return the share of nonzero weights in linear and convolutional layers."""
    weights = prunable(module)
    return sum(int(weight.count_nonzero()) for weight in weights) / sum(weight.numel() for weight in weights)
