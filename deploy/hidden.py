"""Formats of hidden units: what one count means, and the thresholds that make it so.

A hidden unit with accumulator unit u (real value of one) emits n = clip(floor((a + theta / 2) / theta), 0, n_max)
spikes, each worth `step`: a rectifier rounded to the nearest multiple of step = theta u. The half threshold is part of
the bias. Thresholds are multiples of 2^6, so that step / u is met only roughly; the weight scale then follows the
threshold exactly (u = step / theta), which leaves no error in the slope and moves the weights' grid by a few percent.
A larger weight exponent makes u smaller, thresholds larger and that shift finer, as far as the membrane allows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.numerics import PAYLOAD, THRESHOLD_MANTISSA, THRESHOLD_SHIFT

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

MOST_EXPONENT = 7
"""Largest weight exponent."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HiddenFormat:
    """One choice of integers for a hidden layer.

    Parameters
    ----------
    scale : ndarray of float64, shape (channels,)
        Real value of a weight mantissa of 1.
    exponent : int
        Left shift of the weights.
    mantissa : ndarray of int64, shape (channels,)
        Threshold mantissas.
    step : ndarray of float64, shape (channels,)
        Real value of one count.
    n_max : int
        Largest count.
    rounds : bool
        Whether half a threshold is added, so that counts round to the nearest instead of down, where the layer has
        no bias of its own.
    """

    scale: Float64
    exponent: int
    mantissa: Int64
    step: Float64
    n_max: int
    rounds: bool

    @property
    def theta(self) -> Int64:
        """Thresholds, shape (channels,)."""
        return np.left_shift(self.mantissa, THRESHOLD_SHIFT)


def fine_format(scale: Float64, exponent: int, step: float, n_max: int) -> HiddenFormat:
    """Give every channel the threshold nearest to its wanted weight scale.

    Parameters
    ----------
    scale : ndarray of float64, shape (channels,)
        Wanted weight scales.
    exponent : int
        Left shift of the weights.
    step : float
        Wanted real value of one count; raised where no threshold is small enough.
    n_max : int
        Largest count.
    """
    # A count of less than the smallest threshold would force the weights to a finer grid, beyond its limits.
    step = max(step, float(scale.max()) * 2.0 ** (THRESHOLD_SHIFT - exponent))
    wanted = step * 2.0**exponent / (scale * 2**THRESHOLD_SHIFT)
    mantissa = np.clip(np.rint(wanted), THRESHOLD_MANTISSA.low, THRESHOLD_MANTISSA.high).astype(np.int64)
    follows = step * 2.0**exponent / np.left_shift(mantissa, THRESHOLD_SHIFT)
    return HiddenFormat(
        scale=follows,
        exponent=exponent,
        mantissa=mantissa,
        step=np.full(len(scale), step),
        n_max=n_max,
        rounds=True,
    )


def power_of_two_format(scale: Float64, step: Float64, n_max: int, coarser: int = 0) -> HiddenFormat:
    """Give all channels one threshold 2^k.

    With an n_max that is never reached and no bias this is what a one-message process with a graded rectifier
    computes, max(0, floor(W x / 2^k)). The steps follow the threshold, step_c = scale_c 2^k, so that every channel
    keeps its own weight scale and what a count means differs between the channels. Without `coarser`, k brings the
    steps to the wanted ones in the geometric mean.

    Parameters
    ----------
    scale : ndarray of float64, shape (channels,)
        Wanted weight scales; raised where `n_max` counts would not reach as far as with the wanted step.
    step : ndarray of float64, shape (channels,)
        Wanted real values of one count.
    n_max : int
        Largest count.
    coarser : int
        Added to k: where thresholds would be below the smallest one, weights are shifted left instead, and the sums
        may leave the membrane.
    """
    power = round(float(np.log2(step / scale).mean())) + coarser
    if n_max < PAYLOAD.high:
        scale = np.maximum(scale, step * 2.0**-power)
    exponent = max(0, THRESHOLD_SHIFT - power)
    mantissa = np.full(len(scale), 2 ** (power + exponent - THRESHOLD_SHIFT), np.int64)
    return HiddenFormat(
        scale=scale, exponent=exponent, mantissa=mantissa, step=scale * 2.0**power, n_max=n_max, rounds=False
    )
