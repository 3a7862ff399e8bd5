"""Schedules as functions of the step."""

from __future__ import annotations

import math

BETA_START = 1e-4
"""Share of beta at the first step of the warm-up."""


def warm_beta(step: int, steps: int, beta: float, warmup: float) -> float:
    """Linear rise from BETA_START * beta at step 0 to beta at step ``warmup * steps``, then constant."""
    rising = warmup * steps
    if step >= rising:
        return beta
    return beta * (BETA_START + (1.0 - BETA_START) * step / rising)


def one_cycle(
    step: int, steps: int, peak: float, *, rise: float = 0.3, start: float = 1 / 25, end: float = 1e-4
) -> float:
    """One-cycle learning rate: cosine up to `peak` over the share `rise`, cosine down to nearly 0.

    Parameters
    ----------
    step, steps : int
        Current step and number of steps.
    peak : float
        Largest rate.
    rise : float
        Share of the steps spent rising.
    start, end : float
        First and last rate in units of `peak`.

    References
    ----------
    L. N. Smith, N. Topin, "Super-convergence", arXiv 1708.07120.
    """
    rising = max(1.0, rise * steps)
    if step < rising:
        low, high, phase = start, 1.0, step / rising
    else:
        low, high, phase = end, 1.0, 1.0 - (step - rising) / max(1.0, steps - 1 - rising)
    return peak * (low + (high - low) * 0.5 * (1.0 - math.cos(math.pi * min(1.0, max(0.0, phase)))))
