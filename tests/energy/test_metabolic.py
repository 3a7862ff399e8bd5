from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from joules import close
from scipy.stats import linregress, t

from spiking_pvae.energy import estimate, list_presets, load_preset, metabolic, regress, silence_curve
from spiking_pvae.energy.views import latent_rows, neuron_rows, sample_rows
from spiking_pvae.errors import InputError


@pytest.fixture
def tiny(make_network: Any, make_record: Any) -> tuple[Any, Any]:
    network = make_network(np.array([[1, 2], [3, 0]]), np.array([[1, 0], [1, 5], [1, 5]]))
    counts = {"input": np.array([[2, 1], [1, 0]]), "latents": np.array([[3, 0], [1, 2]])}
    return network, make_record(network, blocks=(1, 1), counts=counts, kl=np.array([[1.0, 0.5], [0.25, 0.25]]))


def test_the_summary_by_hand(tiny: tuple[Any, Any]) -> None:
    term = metabolic(estimate(*tiny, "loihi_davies2018"))
    # messages (1, 0.5) an inference, fan-out (3, 2), one packet each; 3 spikes, 1 nat
    assert term.latent_joules == close((1.5 * 1.7 + (1.0 * 3 + 0.5 * 2) * 23.6) * 1e-12)
    assert term.spikes == 3.0
    assert term.joules_per_spike == close(term.latent_joules / 3)
    assert term.nats_per_joule == close(1 / term.joules)
    assert term.landauer_joules == close(load_preset("landauer").terms["nat"].si.value, rel=1e-3)
    assert term.brain_joules == close(3 * load_preset("brain").terms["spike"].si.value, rel=1e-3)
    assert term.atp == close(term.joules / 8.30e-20, rel=1e-3)
    json.dumps(asdict(term), allow_nan=False)


def test_ratios_without_a_denominator_are_none(make_network: Any, make_record: Any) -> None:
    network = make_network(np.ones((2, 2)), np.ones((3, 2)))
    silent = {"input": np.zeros((1, 2), np.int64), "latents": np.zeros((1, 2), np.int64)}
    record = make_record(network, blocks=(1,), counts=silent, kl=np.zeros((1, 2)))
    term = metabolic(estimate(network, record, "landauer"))
    assert term.nats_per_joule is None
    assert term.nats_per_latent_joule is None
    assert term.joules_per_spike is None


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    schedule=st.sampled_from(["graded", "unary"]),
    hardware=st.sampled_from([name for name in list_presets() if load_preset(name).charges == "events"]),
)
def test_neurons_updates_and_static_power_make_the_whole(
    make_network: Any, make_record: Any, seed: int, schedule: str, hardware: str
) -> None:
    rng = np.random.default_rng(seed)
    network = make_network(*(rng.integers(-1, 2, shape) for shape in ((4, 3), (5, 4), (3, 5))))
    record = make_record(network, blocks=(2, 1), seed=seed, schedule=schedule)
    report = estimate(network, record, hardware, seconds=1e-6)
    preset = load_preset(hardware)
    rest = sum(
        report.by_term[name].value
        for name in ("update_active", "update_inactive", "static_power")
        if name in report.by_term
    )
    if "memory_bit" in preset.terms:
        updates = report.neuron_updates * 2 * 24
        rest += updates * preset.terms["memory_bit"].si.value
    parts = sum(float(joules.sum()) for joules in report.neurons.values()) + rest
    assert parts == close(report.joules_per_inference.value)


def squared_error_of_the_intercept(x: Sequence[int], y: Sequence[int]) -> Fraction:
    """SSE / (n - 2) * (1 / n + mean(x)^2 / S_xx), exactly."""
    n, centre, level = len(x), Fraction(sum(x), len(x)), Fraction(sum(y), len(y))
    s_xx = sum((a - centre) ** 2 for a in x)
    s_xy = sum((a - centre) * (b - level) for a, b in zip(x, y, strict=True))
    sse = sum((b - level) ** 2 for b in y) - s_xy**2 / s_xx
    return sse / (n - 2) * (Fraction(1, n) + centre**2 / s_xx)


@example([(39, -1), (43, 43), (43, 43)])
@given(st.lists(st.tuples(st.integers(0, 100), st.integers(-50, 50)), min_size=3, max_size=12))
def test_the_regression_equals_scipys(points: list[tuple[int, int]]) -> None:
    x, y = zip(*points, strict=True)
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    found, oracle = regress(x, y), linregress(x, y)
    half = t.ppf(0.975, len(x) - 2)
    scale = 1e-6 * (1 + abs(oracle.slope))
    assert found.slope == pytest.approx(oracle.slope, abs=scale)
    assert found.slope_ci95[1] - found.slope == pytest.approx(half * oracle.stderr, rel=1e-3, abs=scale)
    assert found.intercept == pytest.approx(oracle.intercept, abs=1e-5 * (1 + abs(oracle.intercept)))
    # In fractions: scipy takes this error from 1 - r^2, which rounding keeps from 0 on a line through all points.
    spread = half * math.sqrt(squared_error_of_the_intercept(x, y))
    assert found.intercept_ci95[1] - found.intercept == pytest.approx(spread, rel=1e-3, abs=1e-4)


def test_the_interval_of_the_slope_covers_it() -> None:
    # 400 lines with normal noise: standard error of a coverage of 95% is 1.1%, four of them are the tolerance.
    rng = np.random.default_rng(0)
    x = np.array([0.5, 3.0, 9.0, 20.0, 35.0, 110.0])
    hits = 0
    for _ in range(400):
        low, high = regress(x, 2 + 3 * x + rng.normal(0, 5, len(x))).slope_ci95
        hits += low <= 3 <= high
    assert hits / 400 == pytest.approx(0.95, abs=0.044)


def test_a_line_through_nothing_is_refused() -> None:
    for x, y in (([1.0, 2.0], [1.0, 2.0]), ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]), ([1.0, 2.0, 3.0], [1.0])):
        with pytest.raises(InputError, match="points of a regression"):
            regress(x, y)


def test_the_curve_of_silence() -> None:
    du = np.linspace(-4, 3, 29)
    curve = silence_curve(du, prior_rate=0.2, joules_per_spike=5e-9)
    rate = 0.2 * np.exp(du)
    assert curve.nats == pytest.approx(rate * np.log(rate / 0.2) - rate + 0.2)  # KL of two Poisson distributions
    assert curve.joules == close(rate * 5e-9)
    at_rest = silence_curve(np.zeros(1), prior_rate=0.2, joules_per_spike=5e-9)
    assert at_rest.nats[0] == pytest.approx(0, abs=1e-15)  # no information
    assert at_rest.joules[0] == close(1e-9)  # and yet a cost
    near = silence_curve(np.array([1e-6]), prior_rate=0.2, joules_per_spike=5e-9)
    assert near.nats[0] == pytest.approx(0.2 * (1e-12 / 2 + 1e-18 / 3), rel=1e-8)  # f(u) = u^2 / 2 + u^3 / 3 + ...
    far = silence_curve(np.array([-40.0]), prior_rate=0.2, joules_per_spike=5e-9)
    assert far.nats[0] == pytest.approx(0.2)
    assert far.joules[0] == pytest.approx(0, abs=1e-20)


def test_views_add_up_to_the_report(make_network: Any, make_record: Any) -> None:
    rng = np.random.default_rng(4)
    network = make_network(*(rng.integers(-1, 2, shape) for shape in ((4, 3), (5, 4), (3, 5))))
    record = make_record(network, blocks=(2, 1, 3))
    report = estimate(network, record, "loihi_sanafe")
    latents = list(latent_rows(report))
    assert len(latents) == 5
    assert sum(row["kl_nats"] for row in latents) == pytest.approx(report.kl_nats)
    assert sum(row["joules"] for row in latents) == close(metabolic(report).latent_joules)
    neurons = list(neuron_rows(report, record))
    assert len(neurons) == 3 + 4 + 5 + 3
    synops = sum(row["messages"] * row["fan_out"] for row in neurons)
    assert synops == pytest.approx(report.event_synops)
    samples = list(sample_rows(report, record))
    assert [row["first_sample"] for row in samples] == [0, 2, 3]
    mean = sum(row["joules"] * row["samples"] for row in samples) / 6
    assert mean == close(report.joules_per_inference.value)
    assert sum(row["kl_nats"] * row["samples"] for row in samples) / 6 == pytest.approx(report.kl_nats)
    assert sum(row["event_synops"] * row["samples"] for row in samples) / 6 == pytest.approx(report.event_synops)
