"""Quantisation-aware fine-tuning: train the integer network itself, by its float twin (`spiking_pvae.deploy.twin`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from spiking_pvae.deploy.floatnet import FloatNetwork
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.numerics import weight_format
from spiking_pvae.deploy.twin import Twin
from spiking_pvae.errors import InputError
from spiking_pvae.training.feeding import dihedral_permutations, epoch_order
from spiking_pvae.types import FloatArray

JUDGED = 2000
"""Training images on which the network before and after is compared, and from which message sizes are taken."""

FIRST_SETTLES, LAST_SETTLES = 0.5, 0.97
"""Shares of the training between which the weights settle: not while steps are large, whose noise would stay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """How an integer network is trained on."""

    epochs: int = 1
    """Passes over the training images."""
    batch_size: int = 500
    """Images a step."""
    learning_rate: float = 0.05
    """First step of Adam, as a share of a 4-bit weight's unit; falls to 0 with the cosine."""
    augment: Literal["none", "dihedral"] = "none"
    """As in the data set: each image in one of the 8 flips and rotations of a square."""
    seed: int = 0
    """Seed of the order of the images, of their views and of the counts."""

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0:
            raise InputError(
                "fine-tuning",
                given=f"{self.epochs} epochs, batches of {self.batch_size}, learning rate {self.learning_rate}",
                allowed="at least 1 epoch and 1 image a batch, a learning rate above 0",
            )


def _groups(twin: Twin, strengths: list[float], rate: float) -> list[dict[str, Any]]:
    """Give weights a step relative to their range, and biases that of the weight of an always active message."""
    groups: list[dict[str, Any]] = []
    for place in twin.trained:
        module, strength = twin.chain[place], strengths[place]
        step = rate * weight_format(module.layer.synapse.bits).high / 7
        groups.append({"params": [module.weight], "lr": step})
        if module.bias is not None and module.layer.bias is not None:
            shift = module.layer.synapse.exponent - module.layer.bias.exponent
            groups.append({"params": [module.bias], "lr": step * strength * 2.0**shift})
    return groups


def _settled(progress: float) -> float:
    """Return the share of the weights that have settled when this share of the training is done.

    Many settle at first, when many are left to make up for them; in the last steps only biases are trained.
    """
    left = 1 - (progress - FIRST_SETTLES) / (LAST_SETTLES - FIRST_SETTLES)
    return 1 - min(max(left, 0.0), 1.0) ** 2


def finetune(
    source: FloatNetwork,
    network: Network,
    images: FloatArray,
    config: FinetuneConfig | None = None,
    report: Callable[[int, int, float], None] | None = None,
) -> Network:
    """Train an integer network on.

    Parameters
    ----------
    source : FloatNetwork
        What the network was made of.
    network : Network
    images : ndarray of float32, shape (samples, channels, height, width)
        Training images.
    config : FinetuneConfig, optional
    report : callable, optional
        Called after every step with the steps done, all steps, and the objective.

    Returns
    -------
    Network
        The trained one where it is better on training images, else the one given.
    """
    config = config or FinetuneConfig()
    twin = Twin(source, network)
    generator = torch.Generator().manual_seed(config.seed)
    x = torch.from_numpy(images.reshape(len(images), -1))
    messages = torch.from_numpy(network.input.encode(images)).float()

    @torch.no_grad()
    def judged() -> float:
        draws = torch.Generator().manual_seed(config.seed)
        return float(twin.loss(x[:JUDGED], messages[:JUDGED], network.beta, draws))

    before = judged()
    views = dihedral_permutations(network.input.shape) if config.augment == "dihedral" else None
    steps = config.epochs * -(-len(images) // config.batch_size)
    optimizer = torch.optim.Adam(
        _groups(twin, twin.strengths(messages[:JUDGED]), config.learning_rate), betas=(0.9, 0.99)
    )
    decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)
    twin.release(generator)
    done = 0
    for epoch in range(config.epochs):
        order, view = epoch_order(len(images), config.seed, epoch)
        batches = torch.split(order, config.batch_size), torch.split(view, config.batch_size)
        for chosen, turned in zip(*batches, strict=True):
            batch, sent = x[chosen], messages[chosen]
            if views is not None:
                batch, sent = batch.gather(1, views[turned]), sent.gather(1, views[turned])
            done += 1
            twin.settle(_settled(done / steps))
            optimizer.zero_grad(set_to_none=True)
            loss = twin.loss(batch, sent, network.beta, generator)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            decay.step()
            if report is not None:
                report(done, steps, loss.item())
    twin.hold_bounds()
    return twin.integer() if judged() < before else network
