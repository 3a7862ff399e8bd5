"""Batches: their order and augmentation are functions of (seed, epoch), so that a run can go on at any step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from spiking_pvae.devices import free_memory
from spiking_pvae.errors import InputError
from spiking_pvae.types import ImageShape

T = TypeVar("T")
VIEWS = 8
"""Flips and rotations of a square."""


def dihedral_permutations(shape: ImageShape) -> Tensor:
    """Pixel order of the 8 flips and rotations of a square image; int64 of shape (8, pixels)."""
    _, height, width = shape
    if height != width:
        raise InputError("augmentation", given=f"images of {height} x {width}", allowed="square images")
    index = torch.arange(shape[0] * height * width).reshape(shape)
    turned = [torch.rot90(index, turns, (1, 2)) for turns in range(4)]
    return torch.stack([view.flatten() for turn in turned for view in (turn, turn.flip(2))])


def derived_seed(seed: int, *path: int) -> int:
    """Derive a 63-bit seed for one purpose, such as one epoch, from a run's seed."""
    return int(np.random.SeedSequence([seed, *path]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def epoch_order(count: int, seed: int, epoch: int) -> tuple[Tensor, Tensor]:
    """Draw the order of the images in one epoch and the view of each.

    Returns
    -------
    order, views : Tensor of int64, shape (count,)
        A permutation of the images, and which of the 8 flips and rotations each place gets.
    """
    generator = torch.Generator().manual_seed(derived_seed(seed, epoch))
    order = torch.randperm(count, generator=generator)
    return order, torch.randint(VIEWS, (count,), generator=generator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which part of every batch this process takes: part `rank` of `world` nearly equal, consecutive parts."""

    rank: int = 0
    world: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one process sees of one step.

    Parameters
    ----------
    step : int
        Steps done before this one.
    images : Tensor, shape (share of the batch, channels, height, width)
        At least one image.
    count : int
        Images that count: all, or none where the batch has fewer images than there are processes. A process then
        works on an image of weight 0, since the others wait for its gradient.
    first : int
        Place of the first image within the whole batch.
    size : int
        Images of the whole batch, over all processes.
    """

    step: int
    images: Tensor
    count: int
    first: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Feeder:
    """Serves the training images in batches.

    Parameters
    ----------
    images : Tensor, shape (samples, channels, height, width)
        On the training device, or in main memory where they do not fit.
    permutations : Tensor, shape (8, pixels), optional
        Pixel orders of the augmentation, on the training device.
    batch_size, seed : int
        As in `TrainConfig`.
    share : Share
        Part of this process.
    device : torch.device
        Where the batches go.
    """

    images: Tensor
    permutations: Tensor | None
    batch_size: int
    seed: int
    share: Share
    device: torch.device

    @property
    def steps_an_epoch(self) -> int:
        """Batches an epoch, the last, incomplete one included."""
        return -(-len(self.images) // self.batch_size)

    def batches(self, start: int, stop: int) -> Iterator[Batch]:
        """Yield the batches of the steps from `start` to `stop`."""
        moved = self.images.device != self.device
        yield from one_ahead(self._steps(start, stop)) if moved else self._steps(start, stop)

    def _steps(self, start: int, stop: int) -> Iterator[Batch]:
        order = views = torch.empty(0, dtype=torch.int64)
        epoch = -1
        for step in range(start, stop):
            if step // self.steps_an_epoch != epoch:
                epoch = step // self.steps_an_epoch
                order, views = epoch_order(len(self.images), self.seed, epoch)
            place = step % self.steps_an_epoch * self.batch_size
            size = min(self.batch_size, len(order) - place)
            low, high = (size * (self.share.rank + k) // self.share.world for k in (0, 1))
            chosen = slice(place + low, place + high) if low < high else slice(place, place + 1)
            images = self._gather(order[chosen], views[chosen])
            yield Batch(step=step, images=images, count=high - low, first=low, size=size)

    def _gather(self, chosen: Tensor, views: Tensor) -> Tensor:
        images = self.images[chosen.to(self.images.device)]
        if images.device != self.device:
            images = images.pin_memory().to(self.device, non_blocking=True)
        if self.permutations is not None:
            which = self.permutations[views.to(self.device)]
            images = images.flatten(1).gather(1, which).view_as(images)
        return images


def one_ahead(batches: Iterator[T]) -> Iterator[T]:
    """Prepare the next batch before the present one is used, so that its copy overlaps the work."""
    waiting = next(batches, None)
    while waiting is not None:
        present, waiting = waiting, next(batches, None)
        yield present


def place_images(images: Tensor, device: torch.device) -> Tensor:
    """Move images to the device where they take at most half of its free memory; leave them otherwise."""
    if device.type == "cpu" or images.nbytes > free_memory(device) // 2:
        return images
    return images.to(device)
