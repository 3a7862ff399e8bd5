"""Early stopping on a held-out part of the training images; the validation images never decide anything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spiking_pvae.types import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopper:
    """When to stop: after `patience` epochs in which the held-out objective did not fall.

    Parameters
    ----------
    patience : int
        0 never stops.
    first : int
        Epochs before it are not compared: beta still rises there, so that their objective has another meaning.
    best : float
        Lowest objective so far.
    best_epoch : int
        Its epoch, counted from 1; 0 for none.
    epoch : int
        Epochs seen.
    """

    patience: int
    first: int
    best: float = float("inf")
    best_epoch: int = 0
    epoch: int = 0

    def seen(self, epoch: int, objective: float) -> Stopper:
        """Return the state after an epoch."""
        better = epoch >= self.first and objective < self.best
        return Stopper(
            patience=self.patience,
            first=self.first,
            best=objective if better else self.best,
            best_epoch=epoch if better else self.best_epoch,
            epoch=epoch,
        )

    @property
    def improved(self) -> bool:
        """Whether the last epoch was the best."""
        return self.best_epoch == self.epoch > 0

    @property
    def done(self) -> bool:
        """Whether to stop now."""
        return self.patience > 0 and self.best_epoch > 0 and self.epoch - self.best_epoch >= self.patience


def split_training(images: FloatArray, share: float, seed: int) -> tuple[FloatArray, FloatArray]:
    """Split images at random into those to train on and those held out, at least one of each.

    Parameters
    ----------
    images : ndarray, shape (samples, channels, height, width)
        At least two.
    share : float
        Share to hold out.
    seed : int
        Seed of the split.
    """
    count = min(len(images) - 1, max(1, round(share * len(images))))
    order = np.random.default_rng([seed, len(images)]).permutation(len(images))
    return images[np.sort(order[count:])], images[np.sort(order[:count])]
