"""Schedules as functions of the step: the learning rate, beta and the temperature.

Each is a pure function of (step, steps), so that a resumed run needs no state of them.
"""

from __future__ import annotations

import math

from spiking_pvae.config import DecoderKind, TrainConfig

BETA_START = 1e-4
"""Value of beta at the first step of its warm-up."""
WARMUP_COSINE_END = 1e-5
"""Last learning rate of the warm-up and cosine schedule."""


def ramp(step: int, steps: int, start: float, end: float, share: float) -> float:
    """Linear from `start` at step 0 to `end` at step ``share * steps``, then constant."""
    rising = share * steps
    if step >= rising:
        return end
    return start + (end - start) * step / rising


def warm_beta(step: int, steps: int, beta: float, warmup: float) -> float:
    """Linear rise from BETA_START at step 0 to `beta` at step ``warmup * steps``, then constant."""
    return ramp(step, steps, min(BETA_START, beta), beta, warmup)


def temperature(step: int, steps: int, final: float, warmup: float) -> float:
    """Linear fall from 1 at step 0 to `final` at step ``warmup * steps``, then constant."""
    return ramp(step, steps, 1.0, final, warmup)


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


def warmup_cosine(step: int, steps: int, peak: float, *, warmup: int, end: float = WARMUP_COSINE_END) -> float:
    """Learning rate of the papers' public code: linear up to `peak`, then half a cosine down to `end`.

    Parameters
    ----------
    step, steps : int
        Current step and number of steps.
    peak : float
        Rate at the last step of the warm-up.
    warmup : int
        Steps of the warm-up.
    end : float
        Last rate; `peak` where that is lower.
    """
    if step < warmup:
        return peak * (step + 1) / warmup
    low = min(end, peak)
    phase = min(1.0, (step - warmup) / max(1, steps - 1 - warmup))
    return low + (peak - low) * 0.5 * (1 + math.cos(math.pi * phase))


def learning_rate(step: int, steps: int, steps_an_epoch: int, config: TrainConfig, decoder: DecoderKind) -> float:
    """Learning rate of a step by the schedule that `config` names, of a model with this decoder."""
    peak = config.peak(decoder)
    if config.schedule == "one-cycle":
        return one_cycle(step, steps, peak)
    return warmup_cosine(step, steps, peak, warmup=config.warmup_epochs * steps_an_epoch)
