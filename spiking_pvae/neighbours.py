"""Accuracy of nearest neighbours on the codes: how much of the classes the latents hold, by number of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from spiking_pvae.analysis import codes
from spiking_pvae.errors import InputError
from spiking_pvae.model import VAE
from spiking_pvae.types import Dataset

NEIGHBOURS = 5
REPEATS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourAccuracy:
    """Accuracy with so many labels.

    Parameters
    ----------
    labels : int
        Labelled training images.
    accuracy : float
        Share of validation images classified rightly, averaged over random choices of the labelled ones.
    spread : float
        Standard deviation over those choices; 0 where all images are labelled.
    """

    labels: int
    accuracy: float
    spread: float

    def to_json(self) -> dict[str, Any]:
        """Return the numbers by name."""
        return asdict(self)


def neighbour_accuracy(
    model: VAE, dataset: Dataset, labels: Sequence[int], *, seed: int = 0
) -> tuple[NeighbourAccuracy, ...]:
    """Classify validation images by the 5 training images whose posterior means are nearest.

    Parameters
    ----------
    model : VAE
    dataset : Dataset
        With labels.
    labels : sequence of int
        Numbers of labelled training images to try.
    seed : int
        Seed of the choice of the labelled images; five choices are averaged.

    Raises
    ------
    InputError
        The data has no labels, or fewer training images than asked for.
    """
    from sklearn.neighbors import KNeighborsClassifier

    train, held_out = dataset.train, dataset.validation
    if train.labels is None or held_out.labels is None:
        raise InputError("data", given=f"'{dataset.name}', without labels", allowed="a labelled set such as digits")
    for count in labels:
        if not NEIGHBOURS <= count <= len(train):
            raise InputError("labels", given=count, allowed=f"{NEIGHBOURS} to {len(train)}, the training images")
    known, asked = codes(model, train.images), codes(model, held_out.images)
    results = []
    for count in labels:
        scores = []
        for repeat in range(REPEATS if count < len(train) else 1):
            chosen = np.random.default_rng([seed, count, repeat]).choice(len(train), count, replace=False)
            classifier = KNeighborsClassifier(NEIGHBOURS).fit(known[chosen], train.labels[chosen])
            scores.append(classifier.score(asked, held_out.labels))
        results.append(NeighbourAccuracy(labels=count, accuracy=float(np.mean(scores)), spread=float(np.std(scores))))
    return tuple(results)
