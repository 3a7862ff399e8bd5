"""Images side by side in one array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

GAP = 1
"""Pixels between the images of a mosaic."""


def mosaic(images: NDArray[np.floating[Any]], columns: int) -> NDArray[np.float64]:
    """Set images side by side, row by row; NaN between them and where none is left.

    Parameters
    ----------
    images : ndarray, shape (samples, channels, height, width)
    columns : int

    Returns
    -------
    ndarray, shape (rows, columns, channels)
    """
    count, channels, height, width = images.shape
    rows = math.ceil(count / columns)
    tall, wide = height + GAP, width + GAP
    canvas = np.full((rows * tall - GAP, columns * wide - GAP, channels), np.nan)
    for place, image in enumerate(images):
        top, left = place // columns * tall, place % columns * wide
        canvas[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return canvas
