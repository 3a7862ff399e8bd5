"""Exponential thresholds in integers, and the count they turn a rate into.

A threshold is theta = floor(E 2^F (1 - 2^-(F+1))) + 1 with E = -ln U in fixed point. Up to the precision of E it is
geometric on 1, 2, 3, ... with success probability 2^-F, for 2^F (1 - 2^-(F+1)) ~ -1 / ln(1 - 2^-F). The number of
thresholds that fit into an integer charge q is then Binomial(q, 2^-F): its mean is exactly the rate r = q 2^-F and its
total variation distance from Poisson(r) is below 2^-F (Barbour & Hall, 1984), 1.5e-5 for F = 16.

-ln U = (33 - k) ln 2 - ln m, where 2u + 1 = 2^k m and 1 <= m < 2 for the 32-bit word u, U = (2u + 1) / 2^33. ln m comes
from a table of 2^11 intervals, linear between them: error below 3e-8.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.philox import UInt32, uniform_words

Int64 = NDArray[np.int64]

PRECISION = 32
TABLE_BITS = 11
INTERPOLATION_BITS = 33 - TABLE_BITS
LOG2 = round(float(np.log(2.0)) * 2**PRECISION)
LOG_TABLE = np.rint(np.log1p(np.arange(2**TABLE_BITS + 1) / 2**TABLE_BITS) * 2**PRECISION).astype(np.int64)


def unit_exponential(word: UInt32) -> Int64:
    """Turn uniform 32-bit words into standard exponential variates with 32 fractional bits; same shape."""
    odd = 2 * word.astype(np.int64) + 1
    # frexp is exact: odd has at most 33 bits.
    exponent = np.frexp(odd.astype(np.float64))[1].astype(np.int64) - 1
    mantissa = np.left_shift(odd, 33 - exponent) - 2**33
    index = np.right_shift(mantissa, INTERPOLATION_BITS)
    rest = np.bitwise_and(mantissa, 2**INTERPOLATION_BITS - 1)
    low = LOG_TABLE[index]
    logarithm = low + np.right_shift((LOG_TABLE[index + 1] - low) * rest, INTERPOLATION_BITS)
    exponential: Int64 = (33 - exponent) * LOG2 - logarithm
    return exponential


def thresholds(word: UInt32, fraction: int) -> Int64:
    """Turn uniform words into integer thresholds of at least 1 with `fraction` fractional bits; same shape."""
    exponential = unit_exponential(word)
    return np.right_shift(exponential - np.right_shift(exponential, fraction + 1), PRECISION - fraction) + 1


def arrivals(charge: Int64, *, seed: int, sample: Int64, fraction: int, n_max: int) -> Int64:
    """Count the unit-rate arrivals in [0, charge]: one inference of exponential-threshold neurons.

    Parameters
    ----------
    charge : ndarray of int64, shape (samples, neurons)
        Rates with `fraction` fractional bits.
    seed : int
        Seed of the draws.
    sample : ndarray of int64, shape (samples,)
        Index of each sample, which keys its draws.
    fraction : int
        Fractional bits.
    n_max : int
        Largest count.

    Returns
    -------
    ndarray of int64, shape (samples, neurons)
    """
    counts = np.zeros_like(charge)
    row, neuron = np.indices(charge.shape).reshape(2, -1)
    membrane = charge.reshape(-1).copy()
    for draw in range(n_max):
        theta = thresholds(uniform_words(seed, sample[row], neuron, draw), fraction)
        fires = membrane >= theta
        if not fires.any():
            break
        row, neuron = row[fires], neuron[fires]
        membrane = membrane[fires] - theta[fires]
        counts[row, neuron] += 1
    return counts
