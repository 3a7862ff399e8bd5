"""Training to an energy budget: dual ascent on beta until the measured joules meet it.

    minimise  reconstruction error   subject to   E(beta) <= budget

beta is the price of a nat, and so, by way of the spikes, the multiplier of the energy constraint. It is raised while
an inference costs more than the budget and lowered while it costs less, on a logarithmic scale and on the part of the
energy that it moves, the latents':

    log beta <- log beta + (log E_latents - log (budget - E_rest)) / s,    s = - d log E_latents / d log beta

with s the secant of the last two measurements, or of the nearest two that enclose the budget. What the latents do not
cause, E_rest, no beta changes: it is the least that training can reach, and a smaller budget is refused with that
figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spiking_pvae.energy.coefficients import ENERGY_UNITS
from spiking_pvae.errors import InputError

TOLERANCE = 0.03
"""Relative distance at which the search stops; within the promised 5%, with room for the sampling of the images."""
PROMISED = 0.05
BETAS = (1e-3, 64.0)
"""Where beta may go."""
FIRST_SLOPE = 0.6
"""s before a second measurement: E_latents falls about as beta^-0.6 on natural images."""
SLOPES = (0.15, 3.0)
LARGEST_STEP = math.log(4.0)
"""Most that log beta moves at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One trained and measured beta: joules an inference, and the part that the latents cause."""

    beta: float
    joules: float
    latent_joules: float

    @property
    def rest(self) -> float:
        """What the latents do not cause."""
        return self.joules - self.latent_joules


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetOutcome:
    """How the search ended.

    Parameters
    ----------
    met : bool
        Whether the last measurement is within 5% of the budget.
    budget : float
        Joules asked for.
    least : float
        Joules with silent latents: less can't be reached by beta.
    steps : tuple of Measured
        In order; the last is the result.
    reason : str
        Why it ended.
    """

    met: bool
    budget: float
    least: float
    steps: tuple[Measured, ...]
    reason: str

    def to_json(self) -> dict[str, object]:
        """Return the outcome as JSON values."""
        last = self.steps[-1]
        return {
            "met": self.met,
            "budget_joules": self.budget,
            "joules": last.joules,
            "relative_error": last.joules / self.budget - 1,
            "least_joules": self.least,
            "beta": last.beta,
            "reason": self.reason,
            "steps": [
                {"beta": step.beta, "joules": step.joules, "latent_joules": step.latent_joules} for step in self.steps
            ],
        }


def parse_joules(text: str) -> float:
    """Read an energy such as ``40nJ``, ``2.5 uJ`` or ``4e-8J``.

    Raises
    ------
    InputError
        No number, no unit of energy, or not above 0.
    """
    for unit in sorted(ENERGY_UNITS, key=len, reverse=True):
        if text.strip().endswith(unit):
            number = text.strip().removesuffix(unit)
            try:
                value = float(number) * ENERGY_UNITS[unit]
            except ValueError:
                break
            if math.isfinite(value) and value > 0:
                return value
            break
    raise InputError(
        "energy budget",
        given=repr(text),
        allowed=f"a number above 0 and a unit ({', '.join(ENERGY_UNITS)}), as in 40nJ",
    )


def next_beta(steps: Sequence[Measured], budget: float) -> float:
    """Return the next multiplier; the budget must exceed what the latents do not cause."""
    last = steps[-1]
    dear = [step for step in steps if step.joules > budget]
    cheap = [step for step in steps if step.joules <= budget]
    pair = list(steps[-2:])
    if dear and cheap:
        nearest = [max(dear, key=lambda step: step.beta), min(cheap, key=lambda step: step.beta)]
        if nearest[0].beta < nearest[1].beta:
            pair, last = nearest, nearest[0]
    slope = FIRST_SLOPE
    if len(pair) > 1 and pair[0].beta != pair[1].beta and min(step.latent_joules for step in pair) > 0:
        rise = math.log(pair[1].latent_joules / pair[0].latent_joules)
        slope = min(max(-rise / math.log(pair[1].beta / pair[0].beta), SLOPES[0]), SLOPES[1])
    gap = math.log(max(last.latent_joules, 1e-30) / (budget - last.rest))
    move = min(max(gap / slope, -LARGEST_STEP), LARGEST_STEP)
    return min(max(last.beta * math.exp(move), BETAS[0]), BETAS[1])


def meet_budget(
    measure: Callable[[float], Measured], budget: float, first: Measured, *, most: int = 12
) -> BudgetOutcome:
    """Search the beta whose measured energy meets a budget.

    Parameters
    ----------
    measure : callable
        Trains on at a beta and measures it on held-out data.
    budget : float
        Joules an inference.
    first : Measured
        The model as it is.
    most : int
        Most further trainings.

    Returns
    -------
    BudgetOutcome
    """
    steps = [first]

    def outcome(reason: str) -> BudgetOutcome:
        met = abs(steps[-1].joules / budget - 1) <= PROMISED
        return BudgetOutcome(met=met, budget=budget, least=steps[-1].rest, steps=tuple(steps), reason=reason)

    while abs(steps[-1].joules / budget - 1) > TOLERANCE:
        last = steps[-1]
        if budget <= last.rest:
            return outcome("The budget is below what the network costs with silent latents.")
        if len(steps) > most:
            return outcome(f"Not met after {most} trainings.")
        beta = next_beta(steps, budget)
        if beta == last.beta:
            side = "largest" if beta == BETAS[1] else "smallest"
            return outcome(f"beta stands at its {side}, {beta:g}.")
        steps.append(measure(beta))
    return outcome("The measured energy meets the budget.")
