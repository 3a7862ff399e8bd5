"""A number with the range its coefficients allow, and the one with a sampling interval beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A value between two bounds, low <= value <= high.

    The bounds say what the coefficients leave open (a published lower bound, two sources that differ). They hold no
    sampling error; that is `Interval.ci95`.

    Parameters
    ----------
    value, low, high : float
        In the unit of the context, joules almost everywhere.
    """

    value: float
    low: float
    high: float

    def __mul__(self, count: float) -> Band:
        """Scale by a count of at least 0."""
        return Band(value=self.value * count, low=self.low * count, high=self.high * count)

    @classmethod
    def total(cls, bands: Iterable[Band]) -> Band:
        """Add bands bound by bound: coefficients that are all low, or all high, at once."""
        parts = tuple(bands)
        return cls(
            value=math.fsum(part.value for part in parts),
            low=math.fsum(part.low for part in parts),
            high=math.fsum(part.high for part in parts),
        )

    def to_json(self) -> dict[str, float]:
        """Return ``value``, ``low`` and ``high``."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A mean over samples: the band of its coefficients and the 95% interval of its sampling.

    Parameters
    ----------
    value, low, high : float
        Mean, at the value, the low and the high end of every coefficient.
    ci95 : tuple of float, optional
        Bootstrap interval of the mean at the coefficients' values; None where one block of samples gives none.
    """

    value: float
    low: float
    high: float
    ci95: tuple[float, float] | None

    def to_json(self) -> dict[str, object]:
        """Return ``value``, ``low``, ``high`` and ``ci95`` (a list of two, or None)."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "ci95": None if self.ci95 is None else list(self.ci95),
        }
