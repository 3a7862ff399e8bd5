from __future__ import annotations

import numpy as np
import pytest

from spiking_pvae.energy.bootstrap import mean_interval


def coverage(draw: object, truth: float, *, blocks: int, size: int, trials: int = 1000, seed: int = 0) -> float:
    rng = np.random.default_rng(seed)
    samples = np.full(blocks, size)
    hits = 0
    for _ in range(trials):
        interval = mean_interval(draw(rng, blocks, size), samples, rng=rng, resamples=800)  # type: ignore[operator]
        assert interval is not None
        hits += interval[0] <= truth <= interval[1]
    return hits / trials


# 1000 trials of a 95% interval: standard error of the coverage sqrt(0.95 * 0.05 / 1000) = 0.7%. Four of them, and 1%
# for the finite number of resamples in the far tail, give the tolerance.
TOLERANCE = 4 * 0.007 + 0.01


@pytest.mark.parametrize("blocks", [10, 30])
def test_interval_covers_the_mean_of_normal_sums(blocks: int) -> None:
    def draw(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
        return size * 3.0 + rng.normal(0, 2.0 * np.sqrt(size), count)

    assert coverage(draw, 3.0, blocks=blocks, size=16) == pytest.approx(0.95, abs=TOLERANCE)


def test_interval_covers_the_rate_of_binomial_counts() -> None:
    def draw(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
        return rng.binomial(size, 0.3, count).astype(float)

    assert coverage(draw, 0.3, blocks=20, size=50) == pytest.approx(0.95, abs=TOLERANCE)


def test_width_equals_students_interval() -> None:
    # With equal blocks of a normal quantity the interval is mean +- t s / sqrt(n): t(49) = 2.0096. The quantiles of
    # 20,000 resamples have a relative error of about 2%.
    rng = np.random.default_rng(3)
    sums = rng.normal(10, 1, 50)
    interval = mean_interval(sums, np.ones(50, np.int64), rng=rng, resamples=20_000)
    assert interval is not None
    half = 2.0096 * sums.std(ddof=1) / np.sqrt(50)
    assert interval[1] - interval[0] == pytest.approx(2 * half, rel=0.06)


def test_blocks_of_unequal_size_weigh_by_their_samples() -> None:
    # Every sample holds exactly 2: whatever the blocks, the mean is 2.
    samples = np.array([1, 5, 40, 7])
    interval = mean_interval(2.0 * samples, samples, rng=np.random.default_rng(0))
    assert interval == (2.0, 2.0)


def test_the_same_seed_gives_the_same_interval() -> None:
    sums, samples = np.random.default_rng(1).normal(5, 1, 9), np.full(9, 3)
    first, second = (mean_interval(sums, samples, rng=np.random.default_rng(7)) for _ in range(2))
    assert first == second


def test_one_block_has_no_interval() -> None:
    assert mean_interval(np.array([3.0]), np.array([2]), rng=np.random.default_rng(0)) is None
