"""Statistics of a loaded set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spiking_pvae.types import Dataset, FloatArray, ImageShape

_BLOCK = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Numbers that describe a set; those of pixels are of the training split unless they say otherwise.

    Parameters
    ----------
    train, validation, test : int
        Images of each split.
    shape : tuple of int
        Channels, height and width of one image.
    mean, sd : float
        Over all pixels of all images.
    kurtosis : float
        Fourth central moment over the squared variance, of all pixels; 3 for a Gaussian, more where values are sparse.
    patch_variance : float
        Mean over the images of the variance of one image's pixels.
    sum_of_squares : float
        Mean over the images of the sum of squared pixels: the squared error of a model that answers 0.
    validation_sum_of_squares : float
        The same of the validation split.
    """

    train: int
    validation: int
    test: int
    shape: ImageShape
    mean: float
    sd: float
    kurtosis: float
    patch_variance: float
    sum_of_squares: float
    validation_sum_of_squares: float


def statistics(dataset: Dataset) -> Statistics:
    """Compute the statistics of a set, in 64-bit arithmetic and in blocks that need little memory.

    Parameters
    ----------
    dataset : Dataset
        A loaded set.

    Returns
    -------
    Statistics
    """
    images = dataset.train.images
    mean = float(images.mean(dtype=np.float64))
    second = fourth = within = 0.0
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK].reshape(-1, images[0].size).astype(np.float64)
        squares = (block - mean) ** 2
        second += float(squares.sum())
        fourth += float((squares**2).sum())
        within += float(block.var(axis=1).sum())
    variance = second / images.size
    return Statistics(
        train=len(dataset.train),
        validation=len(dataset.validation),
        test=0 if dataset.test is None else len(dataset.test),
        shape=dataset.shape,
        mean=mean,
        sd=variance**0.5,
        kurtosis=fourth / images.size / variance**2,
        patch_variance=within / len(images),
        sum_of_squares=_sum_of_squares(images),
        validation_sum_of_squares=_sum_of_squares(dataset.validation.images),
    )


def _sum_of_squares(images: FloatArray) -> float:
    total = sum(
        float(np.square(images[start : start + _BLOCK], dtype=np.float64).sum())
        for start in range(0, len(images), _BLOCK)
    )
    return total / len(images)
