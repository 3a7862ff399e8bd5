"""The 80/20 split of sets that come without one."""

from __future__ import annotations

import numpy as np

from spiking_pvae.types import FloatArray, ImageSet, IntArray

EVERY = 5
"""One image in five is for validation."""


def split_indices(count: int, labels: IntArray | None, seed: int) -> tuple[IntArray, IntArray]:
    """Split samples at random into 80% for training and 20% for validation, stratified by class.

    The shuffled samples are sorted by class and every fifth is taken: each class keeps its share to within one
    sample, however small it is, and the whole keeps its share exactly.

    Parameters
    ----------
    count : int
        Samples.
    labels : ndarray of int64, shape (count,), optional
        Classes.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    train, validation : ndarray of int64
        Disjoint indices in random order; together all samples.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    chosen = np.arange(count) % EVERY == EVERY - 1
    return rng.permutation(order[~chosen]), rng.permutation(order[chosen])


def split_images(images: FloatArray, labels: IntArray | None, seed: int) -> tuple[ImageSet, ImageSet]:
    """Split images as `split_indices` does.

    Parameters
    ----------
    images : ndarray of float32, shape (samples, channels, height, width)
        At least 5 of them.
    labels : ndarray of int64, shape (samples,), optional
        Classes.
    seed : int
        Seed of the shuffle.

    Returns
    -------
    train, validation : ImageSet
    """
    train, validation = (
        ImageSet(images=images[chosen], labels=None if labels is None else labels[chosen])
        for chosen in split_indices(len(images), labels, seed)
    )
    return train, validation
