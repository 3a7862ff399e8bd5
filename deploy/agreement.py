"""Agreement of each layer's activity in the float and in the integer network, neuron by neuron."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerAgreement:
    """How one layer's values agree over the images.

    Parameters
    ----------
    name : str
    correlation : float
        Pearson correlation of all values of all neurons; NaN where one side is constant.
    relative_error : float
        Root mean squared difference over the root mean square of the float values.
    by_neuron : ndarray of float64, shape (neurons,)
        Correlation of each neuron's values over the images; NaN where one side is constant.
    mean_float, mean_integer : ndarray of float64, shape (neurons,)
        Mean value of each neuron: rates of the latents, activations of hidden units, pixels of the readout.
    """

    name: str
    correlation: float
    relative_error: float
    by_neuron: Float64
    mean_float: Float64
    mean_integer: Float64

    def worst(self, most: int) -> list[dict[str, Any]]:
        """Return the neurons with the least correlation, the worst first; constant ones are left out."""
        known = np.flatnonzero(np.isfinite(self.by_neuron))
        order = known[np.argsort(self.by_neuron[known], kind="stable")][:most]
        return [
            {
                "neuron": int(i),
                "correlation": float(self.by_neuron[i]),
                "mean_float": float(self.mean_float[i]),
                "mean_integer": float(self.mean_integer[i]),
            }
            for i in order
        ]


@dataclass(slots=True, eq=False)
class Comparison:
    """Running sums over chunks of images: sum f, i, f^2, i^2, f i of each neuron."""

    name: str
    samples: int = 0
    sums: Float64 = field(default_factory=lambda: np.zeros((5, 1)))

    def add(self, real: Float64, integer: Float64) -> None:
        """Take in the values of a chunk, both of shape (samples, neurons)."""
        self.samples += len(real)
        chunk = [real.sum(0), integer.sum(0), (real**2).sum(0), (integer**2).sum(0), (real * integer).sum(0)]
        self.sums = self.sums + np.stack(chunk)

    def result(self) -> LayerAgreement:
        """Return the agreement over all chunks."""
        real, integer, square_real, square_integer, product = self.sums / self.samples
        whole = self.sums.mean(1) / self.samples
        difference = whole[2] + whole[3] - 2 * whole[4]
        relative = np.sqrt(max(difference, 0.0) / whole[2]) if whole[2] > 0 else float("nan")
        return LayerAgreement(
            name=self.name,
            correlation=float(_correlation(*whole)),
            relative_error=float(relative),
            by_neuron=_correlation(real, integer, square_real, square_integer, product),
            mean_float=real,
            mean_integer=integer,
        )


def _correlation(f: Any, i: Any, ff: Any, ii: Any, fi: Any) -> Any:
    """Return the correlation from means of f, i, f^2, i^2 and f i; NaN without variance."""
    variance_f, variance_i = ff - f * f, ii - i * i
    # Differences of large numbers: below this share of the square, a variance is rounding noise.
    varies = (variance_f > 1e-12 * ff) & (variance_i > 1e-12 * ii)
    product = np.where(varies, variance_f * variance_i, 1.0)
    return np.where(varies, (fi - f * i) / np.sqrt(product), np.nan)
