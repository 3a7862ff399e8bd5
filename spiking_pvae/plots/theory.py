"""Figures 1 to 3 of the paper, which need no model: divergences, posteriors, moments; each with its joules beside it.

The joules of a latent's message are those of its sending and of one synaptic operation at each of `fan_out` synapses:

    e = p_message + p_firing + p_spike + fan_out p_synop

A latent that is not 0 sends one graded message, whatever its count: (1 - e^-r) e for a Poisson latent of rate r, and
Phi(mu / sigma) e for a rectified Gaussian.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtr

from spiking_pvae.energy import Preset
from spiking_pvae.energy.metabolic import divergence
from spiking_pvae.errors import InputError
from spiking_pvae.plots.style import BLUE, GREY, ORANGE, PURPLE, Drawing, panels, styled

Float64 = NDArray[np.float64]
PRIOR_RATES = (0.1, 1.0)
"""Prior rates for which figure 1 draws joules; far below 1 a latent sends as many messages as spikes."""


def log_variance_divergence(dv: Float64) -> Float64:
    """g(dv) = (e^dv - 1 - dv) / 2: the variance's part of the KL of a Gaussian latent."""
    return (np.expm1(dv) - dv) / 2


def relu_moments(mu: Float64, sigma: float = 1.0) -> tuple[Float64, Float64]:
    """Mean and variance of relu(N(mu, sigma^2))."""
    a = mu / sigma
    density = np.exp(-(a**2) / 2) / np.sqrt(2 * np.pi)
    mean = mu * ndtr(a) + sigma * density
    square = (mu**2 + sigma**2) * ndtr(a) + mu * sigma * density
    return mean, square - mean**2


def message_joules(preset: Preset, fan_out: int) -> float:
    """Return e, the energy of one message of a latent; packets and hops left out."""
    if preset.charges != "events":
        raise InputError("hardware", given=f"'{preset.name}', which charges for {preset.charges}", allowed="events")
    prices = {name: price.si.value for name, price in preset.summed.items()}
    synop = prices.get("synop_graded", prices.get("synop", 0.0))
    return sum(prices.get(name, 0.0) for name in ("message", "firing", "spike")) + fan_out * synop


def poisson_messages(rate: Float64) -> Float64:
    """1 - e^-rate: the expected messages of a Poisson latent in an inference."""
    return -np.expm1(-rate)


@styled
def figure_1(e: float) -> tuple[Drawing, Drawing]:
    """Draw the KL nonlinearities f and g with their quadratic approximations; nats and joules of a latent."""
    u = np.linspace(-5, 2.2, 300)
    figure, (axes,) = panels()
    axes.plot(u, divergence(u), label="f(u), Poisson", color=BLUE)
    axes.plot(u, log_variance_divergence(u), label="g(u), Gaussian variance", color=ORANGE)
    axes.plot(u, u**2 / 2, "--", label="u²/2", color=BLUE, alpha=0.6, linewidth=1)
    axes.plot(u, u**2 / 4, "--", label="u²/4", color=ORANGE, alpha=0.6, linewidth=1)
    axes.set(ylim=(0, 5), xlabel="log-residual u", ylabel="divergence (nats / prior rate)")
    axes.set_title("Silence is cheap: f → 1 as u → −∞")
    axes.legend(loc="upper center")
    nats = Drawing(
        name="figure-1-divergences",
        title="Figure 1. What a deviation costs in nats",
        text="f falls from 1 at very negative u to 0 at u = 0 and rises exponentially beyond; "
        "g rises linearly to the left.",
        figure=figure,
    )
    figure, (axes,) = panels()
    axes.plot(u, divergence(u), color=BLUE)
    axes.set(ylim=(0, 5), xlabel="log-residual u")
    axes.set_ylabel("f(u), nats / prior rate", color=BLUE)
    other = axes.twinx()
    for rate, style in zip(PRIOR_RATES, ("-", "--"), strict=True):
        per_rate = poisson_messages(rate * np.exp(u)) * e * 1e9 / rate
        other.plot(u, per_rate, style, color=PURPLE, label=f"messages, prior rate {rate:g}")
    other.set_ylabel("nJ / prior rate", color=PURPLE)
    other.set_ylim(0, 5 * e * 1e9)
    other.legend(loc="upper left")
    other.spines["right"].set_visible(True)
    axes.set_title("At u = 0 the KL is nothing, the joules are not")
    joules = Drawing(
        name="figure-1-joules",
        title="Figure 1, in joules",
        text="The energy of a latent's messages, (1 - exp(-r e^u)) e for a prior rate r, is not zero where the "
        f"divergence is; drawn for r = {' and '.join(f'{rate:g}' for rate in PRIOR_RATES)}.",
        figure=figure,
    )
    return nats, joules


@styled
def figure_2(e: float) -> tuple[Drawing, Drawing]:
    """Draw the two posteriors, and what their messages cost at the same mean activity."""
    figure, axes = panels(1, 2, height=2.3)
    counts = np.arange(0, 11)
    for offset, (rate, colour) in enumerate(((0.2, BLUE), (1.0, ORANGE), (4.0, PURPLE))):
        mass = np.exp(counts * np.log(rate) - rate - gammaln(counts + 1))
        axes[0].bar(counts + 0.27 * (offset - 1), mass, 0.27, color=colour, label=f"r = {rate:g}")
    axes[0].set(xlabel="count z", ylabel="probability", title="Poisson(r)")
    z = np.linspace(0, 6, 300)
    for centre, colour in ((-1.0, BLUE), (0.0, ORANGE), (2.0, PURPLE)):
        axes[1].plot(z, np.exp(-((z - centre) ** 2) / 2) / np.sqrt(2 * np.pi), color=colour)
        axes[1].plot([0], [ndtr(-centre)], "o", color=colour, label=f"μ = {centre:g}, P(0) = {ndtr(-centre):.2f}")
    axes[1].set(xlabel="relu(z)", ylabel="density (dot: mass at 0)", title="relu(N(μ, 1))")
    for axis in axes:
        axis.legend()
    posteriors = Drawing(
        name="figure-2-posteriors",
        title="Figure 2. The two posteriors",
        text="Poisson counts at rates 0.2, 1 and 4; rectified Gaussians at means -1, 0 and 2 with their mass at zero.",
        figure=figure,
    )
    figure, (axis,) = panels()
    mean = np.logspace(-2.5, 0.7, 200)
    mu = np.linspace(-4, 6, 400)
    axis.loglog(mean, poisson_messages(mean) * e * 1e9, label="Poisson: (1 − e⁻ᵐ) e", color=BLUE)
    axis.loglog(relu_moments(mu)[0], ndtr(mu) * e * 1e9, label="rectified Gaussian, σ = 1: Φ(μ) e", color=ORANGE)
    axis.axvline(relu_moments(np.zeros(1))[0][0], color=GREY, linestyle=":", label="its prior, half of them zero")
    axis.set(xlim=(mean[0], mean[-1]), xlabel="mean activity of a latent", ylabel="nJ an inference")
    axis.set_title("One graded message per nonzero latent")
    axis.legend()
    joules = Drawing(
        name="figure-2-joules",
        title="Figure 2, in joules",
        text="Expected energy of a latent's messages against its mean activity, for both posteriors.",
        figure=figure,
    )
    return posteriors, joules


@styled
def figure_3(e: float) -> tuple[Drawing, Drawing]:
    """Draw mean and variance of relu(z) against mu, and the joules of its messages."""
    mu = np.linspace(-4, 4, 300)
    mean, variance = relu_moments(mu)
    figure, (axes,) = panels()
    axes.plot(mu, mean, label="mean", color=BLUE)
    axes.plot(mu, variance, label="variance", color=ORANGE)
    at = relu_moments(np.zeros(1))
    axes.plot([0, 0], [at[0][0], at[1][0]], "o", color=GREY, label=f"prior: {at[0][0]:.4f}, {at[1][0]:.4f}")
    axes.set(xlabel="μ (σ = 1)", ylabel="of relu(z)", ylim=(0, 4))
    axes.set_title("Moments of a rectified Gaussian")
    axes.legend()
    moments = Drawing(
        name="figure-3-moments",
        title="Figure 3. Mean and variance of relu(z)",
        text="The mean approaches mu and the variance 1 for large mu; both vanish for negative mu.",
        figure=figure,
    )
    figure, (axes,) = panels()
    axes.plot(mu, ndtr(mu) * e * 1e9, color=PURPLE)
    axes.plot([0], [e * 0.5e9], "o", color=GREY, label="prior: half of the messages")
    axes.set(xlabel="μ (σ = 1)", ylabel="nJ an inference")
    axes.set_title("Energy of a rectified Gaussian's messages")
    axes.legend()
    joules = Drawing(
        name="figure-3-joules",
        title="Figure 3, in joules",
        text="The expected energy of a latent's messages rises as the normal distribution function of mu.",
        figure=figure,
    )
    return moments, joules
