"""Figures about one run: rasters, rates, the fidelity gap, the metabolic term beside joules."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.energy import LatentEnergy
from spiking_pvae.plots.style import BLUE, GREY, ORANGE, PURPLE, RED, Drawing, panels, plain_log, styled

Integers = NDArray[np.integer]
Float64 = NDArray[np.float64]
LEAST_RATE = 1e-6


@styled
def raster(counts: Integers, order: NDArray[np.intp]) -> Drawing:
    """Draw which latents fire for which image; the size of a dot is the count.

    Parameters
    ----------
    counts : ndarray, shape (samples, latents)
    order : ndarray
        Latents from bottom to top.
    """
    figure, (axes,) = panels()
    sample, latent = np.nonzero(counts[:, order])
    sizes = 3 * counts[:, order][sample, latent]
    axes.scatter(sample, latent, s=sizes, color=BLUE, linewidths=0, rasterized=True)
    axes.set(xlabel="held-out image", ylabel="latent, by rising rate", xlim=(-1, len(counts)))
    axes.set_title(f"{len(sample) / len(counts):.1f} active latents an image")
    return Drawing(
        name="raster",
        title="Spike raster of the integer network",
        text=f"Spike counts of {counts.shape[1]} latents for {len(counts)} images; larger dots are larger counts.",
        figure=figure,
    )


@styled
def rate_histograms(rate: NDArray[np.float64], counts: Integers) -> Drawing:
    """Draw how often latents fire, and how many spikes an inference has.

    Parameters
    ----------
    rate : ndarray, shape (latents,)
        Mean rates, spikes an inference.
    counts : ndarray, shape (samples, latents)
    """
    figure, axes = panels(1, 2, height=2.2)
    axes[0].hist(np.log10(np.maximum(rate, LEAST_RATE)), bins=40, color=BLUE)
    axes[0].set(xlabel="log₁₀ mean rate of a latent", ylabel="latents", title="How often latents fire")
    axes[1].hist(counts.sum(1), bins=30, color=ORANGE)
    axes[1].set(xlabel="spikes of all latents", ylabel="images", title="Spikes of an inference")
    return Drawing(
        name="rates",
        title="Rate histograms",
        text="Distribution of mean rates over latents, and of spike totals over images.",
        figure=figure,
    )


@styled
def activities(activity: Float64, zeros: Float64, kl: Float64) -> Drawing:
    """Draw how active, how often silent and how informative the latents are; each of shape (latents,)."""
    figure, axes = panels(1, 3, height=2.0)
    for axis, values, label, colour in (
        (axes[0], activity, "mean activity of a latent", BLUE),
        (axes[1], zeros, "probability that it is 0", GREY),
        (axes[2], kl, "its KL (nats)", ORANGE),
    ):
        axis.hist(values, bins=40, color=colour)
        axis.set(xlabel=label, ylabel="latents")
    return Drawing(
        name="activities",
        title="Activity, silence and divergence by latent",
        text=f"Distributions over {len(kl)} latents: mean activity {activity.mean():.3g}, "
        f"silent in {zeros.mean():.1%} of the inferences, {kl.mean():.3g} nats a latent.",
        figure=figure,
    )


@styled
def gap(parts: Mapping[str, float]) -> Drawing:
    """Draw the change of the -ELBO by cause."""
    names = [name for name in parts if name != "total"]
    values = [parts[name] for name in names]
    figure, (axes,) = panels()
    axes.barh([name.replace("_", " ") for name in names], values, color=[BLUE if v >= 0 else GREY for v in values])
    axes.invert_yaxis()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set(xlabel="change of the −ELBO")
    axes.set_title(f"Conversion changes it by {parts['total']:+.3g} in all")
    return Drawing(
        name="gap",
        title="Fidelity gap by cause",
        text="; ".join(f"{name}: {value:+.4g}" for name, value in parts.items()),
        figure=figure,
    )


@styled
def metabolic_term(latents: LatentEnergy) -> Drawing:
    """Draw the KL of each latent beside its joules."""
    figure, (axes,) = panels()
    shown = np.flatnonzero((latents.kl > 0) & (latents.joules > 0))
    axes.scatter(latents.kl[shown], latents.joules[shown] * 1e12, s=10, color=RED, linewidths=0, gid="latents")
    plain_log(axes, "x")
    plain_log(axes)
    axes.set(xlabel="KL of a latent (nats)", ylabel="its energy (pJ)")
    axes.set_title(f"{latents.kl.sum():.1f} nats beside {latents.joules.sum() * 1e9:.3g} nJ")
    texts = [
        f"latent {i}: {latents.kl[i]:.3g} nats, {latents.spikes[i]:.3g} spikes, {latents.joules[i] * 1e12:.3g} pJ"
        for i in shown
    ]
    return Drawing(
        name="metabolic",
        title="The metabolic term beside joules",
        text=f"Each of {len(shown)} latents that fire: its divergence in nats and the energy of its messages.",
        figure=figure,
        hovers={"latents": texts},
    )


@styled
def training(history: list[dict[str, float]]) -> Drawing:
    """Draw the objective over the epochs."""
    epochs = [entry["epoch"] for entry in history]
    figure, (axes,) = panels()
    axes.plot(epochs, [entry["val_mse"] for entry in history], label="held-out squared error", color=PURPLE)
    axes.plot(epochs, [entry["val_kl"] for entry in history], label="held-out KL (nats)", color=ORANGE)
    axes.plot(epochs, [entry["val_objective"] for entry in history], label="held-out objective", color=BLUE)
    axes.set(xlabel="epoch", ylim=(0, None))
    axes.legend()
    return Drawing(
        name="training",
        title="Training",
        text=f"Held-out error, divergence and objective over {len(history)} epochs.",
        figure=figure,
    )
