"""A 95% interval of a mean whose samples come in blocks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit


def mean_interval(
    sums: NDArray[np.float64], samples: NDArray[np.int64], *, rng: np.random.Generator, resamples: int = 2000
) -> tuple[float, float] | None:
    """Bootstrap the mean a sample, sum(sums) / sum(samples), by drawing blocks with replacement.

    The percentile interval of n blocks is too narrow by sqrt((n - 1) / n) and by the ratio of Student's to the
    normal quantile. Its tails are widened so that both are made up for (the expanded percentile interval [1]_).

    Parameters
    ----------
    sums : ndarray of float64, shape (blocks,)
        Sum over each block's samples.
    samples : ndarray of int64, shape (blocks,)
        Samples in each block, at least 1; blocks may differ.
    rng : numpy.random.Generator
        Source of the draws.
    resamples : int
        Number of draws.

    Returns
    -------
    tuple of float, optional
        Lower and upper end; None with fewer than two blocks, which say nothing about the spread.

    References
    ----------
    .. [1] T. C. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69(4), 2015.
    """
    blocks = len(sums)
    if blocks < 2:
        return None
    times = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
    means = (times @ sums) / (times @ samples)
    tail = float(ndtr(math.sqrt(blocks / (blocks - 1)) * stdtrit(blocks - 1, 0.025)))
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)
