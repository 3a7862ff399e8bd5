"""Charges that are the same in every step, laid out for the raster kernels, and the membranes that they may lead to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.compiling import compiled


@compiled
def constant_charges(
    sums: Any,
    exponent: int,
    unit: int,
    current: NDArray[np.int64],
    theta: NDArray[np.int64],
    first: NDArray[np.int64],
    steps: int,
    largest: int,
    charges: NDArray[np.int32],
    limits: NDArray[np.int64],
) -> None:
    """Write (sums << exponent) + current in units of 2^unit; charges of more than `largest` are not to be used.

    Parameters
    ----------
    sums : ndarray of integers, shape (samples, neurons)
    exponent : int
        Left shift of the sums.
    unit : int
        At most the exponent.
    current, theta, first : ndarray of int64, shape (neurons,)
        What arrives in every step beside the sums, thresholds, first membranes.
    steps : int
    largest : int
        Bound of a charge's magnitude.
    charges : ndarray of int32, shape (samples, neurons or more)
        Written.
    limits : ndarray of int64, shape (4,)
        Widened: smallest and largest charge, lowest and highest membrane that may be reached. A neuron that fires in
        every step keeps what exceeds its threshold.
    """
    for s in range(len(sums)):
        low, high, least, most = limits
        for n in range(len(theta)):
            charge = (np.int64(sums[s, n]) << exponent) + current[n]
            low, high = min(low, charge), max(high, charge)
            charges[s, n] = charge >> unit
            charge = min(max(charge, np.int64(-largest)), np.int64(largest))
            least = min(least, min(first[n], np.int64(0)) + steps * min(charge, np.int64(0)))
            kept = steps * max(charge - theta[n], np.int64(0))
            most = max(most, max(first[n], theta[n]) + kept + max(charge, np.int64(0)))
        limits[0], limits[1], limits[2], limits[3] = low, high, least, most
