"""Picture of a conversion: the gap by cause, agreement of the latents' rates, agreement by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from spiking_pvae.deploy.fidelity import Fidelity


def draw_fidelity(report: Fidelity, path: Path) -> None:
    """Draw a fidelity report to an image file.

    Parameters
    ----------
    report : Fidelity
    path : Path
        Its suffix names the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    causes, rates, layers = figure.subplots(1, 3)

    names = [name for name in report.gap if name != "total"]
    causes.barh([name.replace("_", " ") for name in names], [report.gap[name] for name in names])
    causes.axvline(0, color="black", linewidth=0.8)
    causes.invert_yaxis()
    causes.set_xlabel("change of the -ELBO (nats)")
    causes.set_title(f"total {report.nelbo_change_percent:+.3f} ± {report.standard_error_percent:.3f} %")

    latents = report.rates
    limit = [0.0, float(max(latents.mean_float.max(), latents.mean_integer.max())) * 1.05 + 1e-9]
    rates.plot(limit, limit, color="grey", linewidth=0.8)
    rates.plot(latents.mean_float, latents.mean_integer, ".", markersize=3)
    for worst in latents.worst(3):
        i = worst["neuron"]
        rates.annotate(str(i), (latents.mean_float[i], latents.mean_integer[i]), fontsize=8, color="tab:red")
    rates.set_xlabel("mean rate, float (spikes / inference)")
    rates.set_ylabel("mean rate, integer")
    rates.set_title("latents; the three worst by number")

    lost = [max(1e-9, 1 - layer.correlation) if np.isfinite(layer.correlation) else 1.0 for layer in report.layers]
    layers.bar([layer.name for layer in report.layers], lost)
    layers.set_yscale("log")
    layers.set_ylabel("1 - correlation")
    layers.tick_params(axis="x", rotation=30)
    layers.set_title("agreement by layer")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
