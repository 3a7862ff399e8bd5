"""Schedules at the points where they are known."""

import pytest

from spiking_pvae.schedules import BETA_START, one_cycle, warm_beta


def test_beta():
    assert warm_beta(0, 100, 2.0, 0.5) == pytest.approx(BETA_START)
    assert warm_beta(25, 100, 2.0, 0.5) == pytest.approx((2 + BETA_START) / 2)
    assert warm_beta(50, 100, 2.0, 0.5) == 2.0
    assert warm_beta(0, 100, 2.0, 0.0) == 2.0


def test_one_cycle():
    assert one_cycle(0, 1000, 0.01) == pytest.approx(0.01 / 25)
    assert one_cycle(150, 1000, 0.01) == pytest.approx(0.01 * (1 / 25 + 1) / 2)
    assert one_cycle(300, 1000, 0.01) == pytest.approx(0.01)
    assert one_cycle(999, 1000, 0.01) == pytest.approx(1e-6)
    values = [one_cycle(step, 1000, 0.01) for step in range(1000)]
    assert values[:301] == sorted(values[:301])
    assert values[300:] == sorted(values[300:], reverse=True)
    assert one_cycle(0, 1, 0.01) > 0
