"""The metabolic term: what the KL says, what the spikes cost, and how far the two go together.

KL is not energy. With r0 the prior rate and du the log-residual of a latent,

    KL = r0 f(du) nats,   f(u) = 1 + e^u (u - 1)        spikes = r0 e^du        joules = r0 e^du J

where J is what one of its spikes causes. At du = 0 the KL is 0 and the spikes still cost; as du falls, the KL rises to
r0 while the joules go to 0. Both scale with r0, and d KL / d log r0 = KL pushes r0 down: that is how a KL saves energy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from spiking_pvae.energy.report import EnergyReport
from spiking_pvae.errors import InputError

Float64 = NDArray[np.float64]

BOLTZMANN = 1.380649e-23
"""J/K, exact."""
TEMPERATURE = 300.0
"""K, as in the preset `landauer`."""
ATP_JOULES = 50e3 / 6.02214076e23
"""Free energy of a molecule of ATP in a neuron: 50 kJ/mol, 8.30e-20 J (Attwell & Laughlin 2001)."""
BRAIN_ATP_A_SPIKE = 7.1e8
"""ATP of a cortical spike with its synaptic transmission (Attwell & Laughlin 2001)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metabolic:
    """The metabolic term of one inference.

    Parameters
    ----------
    kl_nats : float
        Sum of KL_i.
    spikes : float
        Sum of the latents' fired spikes.
    latent_joules : float
        E_latents: all that the latents' messages cause, their synaptic operations downstream included.
    joules : float
        The whole inference.
    latent_share : float, optional
        latent_joules / joules: the share that the KL can steer; None where the whole is 0.
    nats_per_joule : float, optional
        kl_nats / joules, likewise.
    nats_per_latent_joule : float, optional
        kl_nats / latent_joules; None where the latents cost nothing.
    joules_per_spike : float, optional
        latent_joules / spikes; None without spikes.
    atp : float
        Molecules of ATP that hold the energy of the whole inference.
    brain_joules : float
        What a cortex would pay for as many spikes as the latents fire.
    landauer_joules : float
        kT a nat: the least heat of erasing the information in the latents.
    """

    kl_nats: float
    spikes: float
    latent_joules: float
    joules: float
    latent_share: float | None
    nats_per_joule: float | None
    nats_per_latent_joule: float | None
    joules_per_spike: float | None
    atp: float
    brain_joules: float
    landauer_joules: float


def metabolic(report: EnergyReport) -> Metabolic:
    """Summarise the metabolic term of an estimate.

    Parameters
    ----------
    report : EnergyReport

    Returns
    -------
    Metabolic
    """
    whole, latent = report.joules_per_inference.value, float(report.latents.joules.sum())
    spikes = float(report.latents.spikes.sum())
    return Metabolic(
        kl_nats=report.kl_nats,
        spikes=spikes,
        latent_joules=latent,
        joules=whole,
        latent_share=report.latent_share,
        nats_per_joule=report.kl_nats / whole if whole else None,
        nats_per_latent_joule=report.kl_nats / latent if latent else None,
        joules_per_spike=latent / spikes if spikes else None,
        atp=whole / ATP_JOULES,
        brain_joules=spikes * BRAIN_ATP_A_SPIKE * ATP_JOULES,
        landauer_joules=report.kl_nats * BOLTZMANN * TEMPERATURE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Regression:
    """A straight line y = intercept + slope x through points, with 95% intervals of both by Student's t."""

    slope: float
    slope_ci95: tuple[float, float]
    intercept: float
    intercept_ci95: tuple[float, float]
    r2: float
    points: int


def regress(x: Sequence[float], y: Sequence[float]) -> Regression:
    """Fit joules on nats by least squares.

        slope = S_xy / S_xx,   se(slope) = s / sqrt(S_xx),   s^2 = SSE / (n - 2)

    Parameters
    ----------
    x, y : sequence of float
        At least three points, x not all equal.

    Returns
    -------
    Regression

    Raises
    ------
    InputError
        Fewer points, or no spread.
    """
    nats, joules = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if len(nats) != len(joules) or len(nats) < 3 or not np.ptp(nats) > 0:
        raise InputError(
            "points of a regression",
            given=f"{len(nats)} and {len(joules)} values",
            allowed="as many of either, at least 3, x not all equal",
        )
    n, centre = len(nats), nats.mean()
    spread = float(np.square(nats - centre).sum())
    slope = float((nats - centre) @ joules) / spread
    intercept = float(joules.mean()) - slope * float(centre)
    residual = float(np.square(joules - intercept - slope * nats).sum())
    total = float(np.square(joules - joules.mean()).sum())
    noise, t = math.sqrt(residual / (n - 2)), float(stdtrit(n - 2, 0.975))
    half = t * noise / math.sqrt(spread)
    half_intercept = t * noise * math.sqrt(1 / n + float(centre) ** 2 / spread)
    return Regression(
        slope=slope,
        slope_ci95=(slope - half, slope + half),
        intercept=intercept,
        intercept_ci95=(intercept - half_intercept, intercept + half_intercept),
        r2=1 - residual / total if total else 1.0,
        points=n,
    )


def divergence(u: Float64) -> Float64:
    """f(u) = 1 + e^u (u - 1): KL of a Poisson latent in units of its prior rate, exact near u = 0 too."""
    return u * np.exp(u) - np.expm1(u)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SilenceCurve:
    """Nats and joules of one latent along its log-residual; float64 of the shape of `log_residual`."""

    log_residual: Float64
    nats: Float64
    joules: Float64


def silence_curve(log_residual: Float64, *, prior_rate: float, joules_per_spike: float) -> SilenceCurve:
    """Draw "silence is cheap" for a chip: r0 f(du) in nats beside r0 e^du in joules.

    Parameters
    ----------
    log_residual : ndarray of float64
        du.
    prior_rate : float
        r0, spikes an inference.
    joules_per_spike : float
        What a spike of the latent causes.

    Returns
    -------
    SilenceCurve
    """
    rate = prior_rate * np.exp(log_residual)
    return SilenceCurve(
        log_residual=log_residual,
        nats=prior_rate * divergence(log_residual),
        joules=rate * joules_per_spike,
    )
