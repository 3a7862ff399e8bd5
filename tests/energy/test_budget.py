from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiking_pvae.energy.budget import BETAS, Measured, meet_budget, next_beta, parse_joules
from spiking_pvae.errors import InputError


def network(rest: float, scale: float, power: float, noise: float = 0.0) -> Callable[[float], Measured]:
    """E_latents = scale beta^-power, in closed form."""
    rng = np.random.default_rng(0)

    def measure(beta: float) -> Measured:
        latents = scale * beta**-power * (1 + noise * rng.normal())
        return Measured(beta=beta, joules=rest + latents, latent_joules=latents)

    return measure


@given(
    rest=st.floats(0, 100),
    power=st.floats(0.5, 2.0),
    share=st.floats(0.2, 3.0),
)
def test_the_beta_of_a_power_law_is_found(rest: float, power: float, share: float) -> None:
    measure = network(rest, 20.0, power)
    budget = rest + 20.0 * share
    outcome = meet_budget(measure, budget, measure(1.0))
    exact = share ** (-1 / power)
    assert outcome.met
    assert abs(outcome.steps[-1].joules / budget - 1) <= 0.05
    assert outcome.least == pytest.approx(rest)
    if rest == 0:
        assert outcome.steps[-1].beta == pytest.approx(exact, rel=0.2)
    assert len(outcome.steps) <= 8


def test_the_secant_lands_on_the_answer_of_a_power_law() -> None:
    # Two points of E = 8 beta^-1.3 determine it: the third is exact.
    measure = network(5.0, 8.0, 1.3)
    steps = [measure(1.0), measure(1.5)]
    assert next_beta(steps, 5.0 + 4.0) == pytest.approx(2 ** (1 / 1.3))


def test_noise_does_not_stop_it() -> None:
    measure = network(3.0, 20.0, 0.7, noise=0.02)
    assert meet_budget(measure, 12.0, measure(1.0)).met


def test_a_budget_below_the_least_is_refused_with_the_least() -> None:
    measure = network(50.0, 20.0, 0.7)
    outcome = meet_budget(measure, 45.0, measure(1.0))
    assert not outcome.met
    assert outcome.least == pytest.approx(50.0)
    assert len(outcome.steps) == 1  # said at once, without training in vain
    assert "silent" in outcome.reason


def test_a_budget_beyond_what_the_latents_use_says_so() -> None:
    measure = network(50.0, 1.0, 0.1)
    outcome = meet_budget(measure, 100.0, measure(1.0))
    assert not outcome.met
    assert outcome.steps[-1].beta == BETAS[0]
    assert "smallest" in outcome.reason
    json.dumps(outcome.to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("text", "joules"), [("40nJ", 4e-8), ("2.5 uJ", 2.5e-6), ("4e-8J", 4e-8), (" 1 pJ ", 1e-12), ("3mJ", 3e-3)]
)
def test_energies_are_read_with_their_unit(text: str, joules: float) -> None:
    assert parse_joules(text) == pytest.approx(joules)


@pytest.mark.parametrize("text", ["40", "nJ", "-1nJ", "0 nJ", "40 nW", "infJ", "4 cal"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="energy budget"):
        parse_joules(text)
