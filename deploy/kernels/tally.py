"""Sums over blocks of samples in one pass over what the layers emitted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.compiling import compiled

LN2 = float(np.log(2.0))
ATANH = tuple(2.0 / (2 * term + 1) for term in range(14))
"""Coefficients of 2 atanh(s) / s in powers of s^2, for s < 1/3: the rest is below 2^-52."""


@compiled
def survey(messages: Any) -> Any:
    """Return the smallest and the largest message, how many are not 0, and the largest sum of a sample's |messages|."""
    low, high, nonzero, largest = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    for s in range(messages.shape[0]):
        total = np.int64(0)
        for n in range(messages.shape[1]):
            message = np.int64(messages[s, n])
            low, high = min(low, message), max(high, message)
            nonzero += message != 0
            total += abs(message)
        largest = max(largest, total)
    return low, high, nonzero, largest


@compiled
def population(
    counts: Any, block: int, spikes: NDArray[np.int64], events: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Add |count| and the number of nonzero counts to rows of `spikes` and `events`, one row a block of samples.

    Returns each sample's largest |count|, its number of nonzero counts and the sum of its |counts|.
    """
    largest = np.zeros(len(counts), np.int64)
    fired, total = largest.copy(), largest.copy()
    for s in range(counts.shape[0]):
        row = s // block
        most, some, every = np.int64(0), np.int64(0), np.int64(0)
        for n in range(counts.shape[1]):
            count = abs(np.int64(counts[s, n]))
            spikes[row, n] += count
            events[row, n] += count != 0
            most = max(most, count)
            some += count != 0
            every += count
        largest[s], fired[s], total[s] = most, some, every
    return largest, fired, total


@compiled
def rates_and_divergence(
    charge: Any,
    block: int,
    fraction: int,
    prior_rate: NDArray[np.float64],
    rate: NDArray[np.float64],
    kl: NDArray[np.float64],
) -> None:
    """Add r = q 2^-F and r log(r / r0) - r + r0 to rows of `rate` and `kl`, one row a block of samples.

    The logarithm is that of q = 2^k m with 1 <= m < 2: k ln 2 + 2 atanh((m - 1) / (m + 1)).
    """
    neurons = charge.shape[1]
    offset = np.empty(neurons)
    for n in range(neurons):
        offset[n] = np.log(prior_rate[n]) + fraction * LN2
    unit = 2.0**-fraction
    for s in range(charge.shape[0]):
        row = s // block
        for n in range(neurons):
            q = np.float64(charge[s, n])
            bits = np.float64(max(q, 1.0)).view(np.int64)
            power = (bits >> 52) - 1023
            mantissa = np.int64((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000).view(np.float64)
            tangent = (mantissa - 1.0) / (mantissa + 1.0)
            square = tangent * tangent
            series = ATANH[13]
            series = ((series * square + ATANH[12]) * square + ATANH[11]) * square + ATANH[10]
            series = ((series * square + ATANH[9]) * square + ATANH[8]) * square + ATANH[7]
            series = ((series * square + ATANH[6]) * square + ATANH[5]) * square + ATANH[4]
            series = ((series * square + ATANH[3]) * square + ATANH[2]) * square + ATANH[1]
            series = series * square + ATANH[0]
            logarithm = power * LN2 + tangent * series
            r = q * unit
            rate[row, n] += r
            kl[row, n] += r * (logarithm - offset[n] - 1.0) + prior_rate[n]
