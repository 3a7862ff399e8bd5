"""Scales of integer grids, chosen on real data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.numerics import IntegerFormat

Float64 = NDArray[np.float64]
Calibration = Literal["max", "percentile", "mse"]

PERCENTILE = 99.9
SEARCHED_SHARES = np.linspace(1.0, 0.2, 81)
"""Shares of the largest magnitude that the MSE-optimal search tries as the clipping point; the first best wins."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Integers that stand for real values: x ~ scale * clip(rint(x / scale), low, high).

    Parameters
    ----------
    scale : ndarray of float64
        Broadcast against the values.
    format : IntegerFormat
        Range of the integers.
    """

    scale: Float64
    format: IntegerFormat

    def integers(self, values: Float64) -> NDArray[np.int64]:
        """Return the nearest integers of the grid."""
        return np.clip(np.rint(values / self.scale), self.format.low, self.format.high).astype(np.int64)

    def quantise(self, values: Float64) -> Float64:
        """Return the nearest real values of the grid."""
        return self.integers(values) * self.scale

    def rounded(self, values: Float64) -> Float64:
        """Round to the grid's step without its limits."""
        return np.rint(values / self.scale) * self.scale

    def clipped(self, values: Float64) -> Float64:
        """Limit to the grid's range without rounding."""
        return np.clip(values, self.format.low * self.scale, self.format.high * self.scale)


def _mse_optimal(
    values: Float64, largest: Float64, make: Callable[[Float64], Grid], importance: Float64 | None
) -> Float64:
    """Return for each row the clipping point with the least squared error."""
    best, least = largest, np.full_like(largest, np.inf)
    for share in SEARCHED_SHARES:
        point = largest * share
        squares = np.square(values - make(point).quantise(values))
        error = (squares if importance is None else squares * importance).sum(1, keepdims=True)
        best, least = np.where(error < least, point, best), np.minimum(error, least)
    return best


def fit_grid(rows: Float64, format_: IntegerFormat, method: Calibration, importance: Float64 | None = None) -> Grid:
    """Choose a scale for each row of values.

    Parameters
    ----------
    rows : ndarray of float64, shape (channels, values)
        What the grid shall represent.
    format_ : IntegerFormat
        Range of the integers.
    method : {"max", "percentile", "mse"}
        Clip nothing, clip beyond the 99.9th percentile of the magnitude, or clip where the squared error is least.
    importance : ndarray of float64, shape (channels, values), optional
        Factors of the squared errors.

    Returns
    -------
    Grid
        With a scale of shape (channels, 1); rows of zeros get scale 1.
    """

    def make(point: Float64) -> Grid:
        return Grid(scale=point / format_.high, format=format_)

    magnitude = np.abs(rows)
    largest = magnitude.max(1, keepdims=True)
    largest = np.where(largest > 0, largest, float(format_.high))
    match method:
        case "max":
            return make(largest)
        case "percentile":
            point = np.percentile(magnitude, PERCENTILE, axis=1, keepdims=True)
            return make(np.where(point > 0, point, largest))
        case "mse":
            return make(_mse_optimal(rows, largest, make, importance))
        case _:
            assert_never(method)
