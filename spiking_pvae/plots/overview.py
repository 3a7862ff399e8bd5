"""One picture of a run: what was learned, what the integer network makes of it, and where the joules go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.energy import EnergyReport
from spiking_pvae.energy.metabolic import divergence
from spiking_pvae.model import VAE
from spiking_pvae.plots.mosaic import mosaic
from spiking_pvae.quantities import quantity
from spiking_pvae.storage import replacing
from spiking_pvae.types import FloatArray

ATOMS = 64
SHOWN = 8


def _show(axes: Axes, images: NDArray[np.floating], columns: int, title: str) -> None:
    """Draw grey images side by side on one scale, 0 in the middle."""
    image = mosaic(images, columns)[..., 0]
    limit = float(np.nanmax(np.abs(image))) or 1.0
    axes.imshow(image, cmap="gray", vmin=-limit, vmax=limit)
    axes.set_title(title)
    axes.axis("off")


def _grey(images: NDArray[np.floating]) -> NDArray[np.floating]:
    """Average the channels."""
    grey: NDArray[np.floating] = images.mean(1, keepdims=True)
    return grey


def draw_overview(model: VAE, network: Network, images: FloatArray, report: EnergyReport, path: Path) -> None:
    """Draw the picture and write it as PNG.

    Parameters
    ----------
    model : VAE
    network : Network
    images : ndarray of float32, shape (samples, channels, height, width)
        Held-out images; the first few are shown.
    report : EnergyReport
    path : Path
    """
    shown = images[:SHOWN]
    record = simulate(network, shown, keep=(network.readout.name,))
    rebuilt = (record.traces[network.readout.name].charge * network.readout.scale).reshape(shown.shape)
    mean = np.asarray(model.decode(model.posterior(_tensor(model, shown)).mean).detach().cpu())
    order = np.argsort(-report.latents.kl)
    atoms = np.asarray(model.dictionary().detach().cpu()).T.reshape(-1, *model.image_shape)[order[:ATOMS]]
    atoms = atoms / np.abs(atoms).max((1, 2, 3), keepdims=True)

    figure = Figure(figsize=(13, 7), layout="constrained")
    axes = figure.subplots(2, 3, width_ratios=(1, 1.15, 1.1))
    _show(axes[0, 0], _grey(atoms), 8, f"Dictionary: the {len(atoms)} latents with the largest KL")
    rows = np.concatenate([_grey(shown), _grey(mean), _grey(rebuilt)])
    _show(axes[0, 1], rows, len(shown), "Rows: image, decoded mean rate,\ndecoded counts of the integer network")
    _bars(axes[0, 2], report)
    axes[1, 0].hist(np.log10(np.maximum(report.latents.rate, 1e-6)), bins=40, color="tab:blue")
    axes[1, 0].set(xlabel="log10 mean rate (spikes an inference)", ylabel="latents", title="How often latents fire")
    axes[1, 1].scatter(report.latents.kl, report.latents.joules * 1e12, s=8, color="tab:red")
    axes[1, 1].set(xlabel="KL of a latent (nats)", ylabel="its energy (pJ)", title="The metabolic term beside joules")
    _curve(axes[1, 2])
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _tensor(model: VAE, images: FloatArray):  # type: ignore[no-untyped-def]
    import torch

    return torch.from_numpy(np.ascontiguousarray(images)).to(model.device)


def _bars(axes: Axes, report: EnergyReport) -> None:
    """Draw joules by layer and by term, on a logarithmic axis: the parts differ by orders of magnitude."""
    groups = (("layer", report.by_layer, "tab:green"), ("term", report.by_term, "tab:orange"))
    for kind, parts, colour in groups:
        shown = {name: band.value * 1e9 for name, band in parts.items() if band.value > 0}
        axes.barh([f"{kind} {name.replace('_', ' ')}" for name in shown], list(shown.values()), color=colour)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set(
        xlabel="nJ an inference",
        title=f"{quantity(report.joules_per_inference.value, 'J')} an inference\n{report.hardware}",
    )


def _curve(axes: Axes) -> None:
    """Draw f(u), the KL in units of the prior rate, with its quadratic approximation."""
    u = np.linspace(-6, 2, 200)
    axes.plot(u, divergence(u), color="tab:purple", label="f(u) = 1 + e^u (u - 1)")
    axes.plot(u, u**2 / 2, "--", color="gray", label="u^2 / 2")
    axes.set(
        ylim=(0, 4),
        xlabel="log-residual u",
        ylabel="KL / prior rate (nats)",
        title="Silence is cheap: f -> 1 as u -> -inf",
    )
    axes.legend(fontsize=8)
