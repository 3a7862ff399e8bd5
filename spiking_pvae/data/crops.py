"""Regions of images and random crops of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from spiking_pvae.data.natural_config import NaturalConfig
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray


def split_regions(image: FloatArray, config: NaturalConfig, name: str) -> tuple[FloatArray, FloatArray]:
    """Cut one image into a training and a validation region that share no pixel.

    The cut runs across the longer side (across the columns of a square): its last share is for validation. In
    photographs the last rows are mostly ground and differ from the rest, the last columns much less.

    Parameters
    ----------
    image : ndarray of float32, shape (height, width)
        A prepared image.
    config : NaturalConfig
        Share of validation, gap and side of a crop, all in pixels.
    name : str
        The image's name, for the error.

    Returns
    -------
    train, validation : ndarray of float32
        Views of `image`.

    Raises
    ------
    InputError
        The image is too small for a crop in each region.
    """
    height, width = image.shape
    long = max(height, width)
    validation = math.ceil(long * config.validation_share)
    train = long - validation - config.gap
    if min(height, width, train, validation) < config.patch:
        raise InputError(
            f"image '{name}'",
            given=f"{height} x {width} pixels after the border ({max(train, 0)} of the longer side for training, "
            f"{validation} for validation)",
            allowed=f"at least {config.patch} pixels in every direction of both regions",
            remedy="Leave the image out, or lower patch, gap or border.",
        )
    if height > width:
        return image[:train], image[height - validation :]
    return image[:, :train], image[:, width - validation :]


def random_crops(regions: Sequence[FloatArray], side: int, count: int, rng: np.random.Generator) -> FloatArray:
    """Draw crops at distinct positions, each position of each region being equally likely.

    Parameters
    ----------
    regions : sequence of ndarray, each of shape (height, width)
        Each at least `side` in both directions.
    side : int
        Side of a crop in pixels.
    count : int
        How many; fewer where there are fewer positions.
    rng : numpy.random.Generator
        Source of the positions.

    Returns
    -------
    ndarray of float32, shape (count, 1, side, side)
    """
    windows = [sliding_window_view(region, (side, side)) for region in regions]
    starts = np.cumsum([0] + [window.shape[0] * window.shape[1] for window in windows])
    chosen = rng.choice(starts[-1], size=min(count, int(starts[-1])), replace=False)
    crops = np.empty((len(chosen), 1, side, side), np.float32)
    for window, start, stop in zip(windows, starts[:-1], starts[1:], strict=True):
        (here,) = np.nonzero((chosen >= start) & (chosen < stop))
        rows, columns = np.divmod(chosen[here] - start, window.shape[1])
        crops[here, 0] = window[rows, columns]
    return crops
