"""What the KL costs and buys in joules: a sweep of beta, drawn and tabulated in docs/results/metabolic.*.

    python benchmarks/metabolic_sweep.py

The first beta is trained with the default recipe, every other by continuing from its neighbour for a few epochs. With
--draw the table and the picture are made again from the kept JSON, without training.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from measuring import PLAIN, continued, machine, measure, provenance, results_page

from spiking_pvae.energy import regress, silence_curve

BETAS = (0.01, 0.1, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0)
FIRST = 1.0


def sweep(options: argparse.Namespace) -> dict[str, Any]:
    """Train and measure every beta."""
    from spiking_pvae.checkpoint import load_run
    from spiking_pvae.config import TrainConfig
    from spiking_pvae.data import load
    from spiking_pvae.model import PoissonVAE
    from spiking_pvae.training import fit

    dataset = load(options.data)
    if options.start is not None:
        first = load_run(options.start).model
    else:
        first = PoissonVAE(replace(PLAIN, latents=options.latents, beta=FIRST), dataset.shape)
        fit(first, dataset, TrainConfig(epochs=options.first_epochs, device="cpu"))
    points = []
    for chain in ([FIRST], sorted((b for b in BETAS if b < FIRST), reverse=True), [b for b in BETAS if b > FIRST]):
        model = first
        for beta in chain:
            if beta != FIRST:
                model = continued(model, dataset, beta=beta, epochs=options.epochs)
            point, _, _ = measure(model, dataset, hardware=options.hardware, samples=options.samples)
            points.append(point)
            print(f"beta {beta:g}: -ELBO {point['nelbo']:.1f}, KL {point['kl']:.1f}, J {point['joules']['value']:.3g}")
    points.sort(key=lambda point: point["beta"])
    return {
        "machine": machine(),
        "data": options.data,
        "latents": first.config.latents,
        "hardware": options.hardware,
        "samples": options.samples,
        "first_epochs": options.first_epochs,
        "epochs": options.epochs,
        "points": points,
    }


def fits(result: dict[str, Any]) -> dict[str, Any]:
    """Regress the latents' and the whole's joules on nats."""
    points = result["points"]
    kl = [point["kl"] for point in points]
    return {
        "latents": regress(kl, [point["latent_joules"] for point in points]),
        "whole": regress(kl, [point["joules"]["value"] for point in points]),
        "power": regress(np.log(kl).tolist(), [math.log(point["latent_joules"]) for point in points]),
    }


def document(result: dict[str, Any]) -> str:
    """Build the page."""
    points = result["points"]
    latents, whole, power = (fits(result)[name] for name in ("latents", "whole", "power"))
    terms = list(points[0]["by_term"])
    head = ["beta", "-ELBO", "KL (nats)", "spikes", "R^2", "synops", "joules", *terms, "latents", "share", "nats / uJ"]
    rows = []
    for point in points:
        joules = point["joules"]
        rows.append(
            [
                f"{point['beta']:g}",
                f"{point['nelbo']:.1f}",
                f"{point['kl']:.2f}",
                f"{point['spikes']:.2f}",
                f"{point['r2']:.3f}",
                f"{point['event_synops']:,.0f}",
                f"{1e6 * joules['value']:.3f} uJ ({1e6 * joules['low']:.3f} .. {1e6 * joules['high']:.3f})",
                *(f"{1e9 * point['by_term'][term]:.3g} nJ" for term in terms),
                f"{1e9 * point['latent_joules']:.1f} nJ",
                f"{100 * point['latent_share']:.2f} %",
                f"{1e-6 * point['nats_per_joule']:.2f}",
            ]
        )
    at_one = next(point for point in points if point["beta"] == FIRST)
    shares = [100 * point["latent_share"] for point in points]
    lines = [
        "# What the KL costs and buys in joules",
        "",
        f"`{result['data']}`, K = {result['latents']}, linear encoder and decoder, 8-bit weights and inputs, "
        f"priced with `{result['hardware']}` on {result['samples']} held-out images. beta = 1 was trained for "
        f"{result['first_epochs']} epochs; every other beta continues from its neighbour for {result['epochs']} "
        "epochs, so the far ends are less converged than runs of their own. -ELBO, KL and R^2 are of all "
        "validation images (-ELBO and KL of the integer network).",
        "",
        provenance(result["machine"]),
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
        "![Nats, spikes and joules over beta](metabolic.png)",
        "",
        "## Joules on nats",
        "",
        f"Least squares over the {latents.points} values of beta, 95% intervals by Student's t:",
        "",
        "| | slope (nJ a nat) | 95% interval | at no KL (nJ) | 95% interval | R^2 |",
        "|---|---|---|---|---|---|",
        *(_fit_row(name, fit) for name, fit in (("E_latents", latents), ("whole inference", whole))),
        "",
        f"Over this range E_latents bends: a power law KL^a with a = {power.slope:.2f} ({power.slope_ci95[0]:.2f} .. "
        f"{power.slope_ci95[1]:.2f}) explains it better (R^2 = {power.r2:.4f} in logarithms), since a busier latent "
        "carries more nats a spike.",
        "",
        f"**The latents are a small part of the whole.** Their spikes, with everything these cause downstream, take "
        f"{min(shares):.1f}% to {max(shares):.1f}% of an inference over this range ({100 * at_one['latent_share']:.1f}"
        "% at beta = 1): the dense encoder costs the same at every beta, so that is all the KL can steer on this "
        "network. A pruned encoder changes it: see [the front](front.md).",
        "",
        f"At beta = 1 an inference takes {at_one['joules']['value'] / at_one['kl']:.3g} J a nat and the energy of "
        f"{at_one['atp']:.3g} molecules of ATP; a cortex would pay {1e9 * at_one['brain_joules']:.3g} nJ for as many "
        f"spikes; Landauer's bound for the KL is {at_one['landauer_joules']:.3g} J.",
        "",
        "## Silence is cheap, in joules",
        "",
        "The lower right panel draws one latent of mean prior rate at beta = 1 along its log-residual du: the KL, "
        "r0 f(du), on the left axis, and what its spikes cause, r0 e^du J, on the right one. At du = 0 the KL is 0 "
        "while the joules are not; towards silence the KL saturates at r0 nats and the joules go to 0.",
        "",
    ]
    return "\n".join(lines)


def _fit_row(name: str, fit: Any) -> str:
    low, high = (1e9 * end for end in fit.slope_ci95)
    low0, high0 = (1e9 * end for end in fit.intercept_ci95)
    return (
        f"| {name} | {1e9 * fit.slope:.3f} | {low:.3f} .. {high:.3f} | {1e9 * fit.intercept:.1f} "
        f"| {low0:.1f} .. {high0:.1f} | {fit.r2:.4f} |"
    )


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw four panels: nats and spikes, joules by term, joules on nats, and the curve of silence."""
    from matplotlib.figure import Figure

    points = result["points"]
    beta = [point["beta"] for point in points]
    kl = np.array([point["kl"] for point in points])
    figure = Figure(figsize=(11, 8), layout="constrained")
    (activity, terms), (line, silence) = figure.subplots(2, 2)
    activity.loglog(beta, kl, "o-", label="KL (nats)")
    activity.loglog(beta, [point["spikes"] for point in points], "s-", label="spikes of the latents")
    activity.set(xlabel="beta", title="An inference")
    activity.legend()
    names = list(points[0]["by_term"])
    place, below = np.arange(len(beta)), np.zeros(len(beta))
    for name in names:
        height = np.array([1e6 * point["by_term"][name] for point in points])
        terms.bar(place, height, bottom=below, label=name)
        below += height
    terms.set_xticks(place, [f"{b:g}" for b in beta])
    terms.set(xlabel="beta", ylabel="uJ", title=f"Joules by term, {result['hardware']}")
    terms.legend(fontsize=7)
    latents = fits(result)["latents"]
    line.plot(kl, [1e9 * point["latent_joules"] for point in points], "o", label="E_latents")
    grid = np.linspace(0, kl.max(), 50)
    label = f"{1e9 * latents.slope:.2f} nJ a nat, R^2 = {latents.r2:.3f}"
    line.plot(grid, 1e9 * (latents.intercept + latents.slope * grid), label=label)
    line.set(xlabel="KL (nats)", ylabel="nJ", title="Joules on nats")
    line.legend()
    at_one = next(point for point in points if point["beta"] == FIRST)
    du = np.linspace(-5, 2, 200)
    curve = silence_curve(du, prior_rate=at_one["prior_rate"], joules_per_spike=at_one["joules_per_spike"])
    (nats,) = silence.plot(du, curve.nats, label="KL = r0 f(du), nats")
    right = silence.twinx()
    (joules,) = right.plot(du, 1e9 * curve.joules, "--", color="tab:red", label="joules = r0 exp(du) J, nJ")
    silence.set(xlabel="log-residual du", ylabel="nats", title="Silence is cheap")
    right.set_ylabel("nJ")
    silence.legend(handles=[nats, joules])
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    explained = {"start": "run folder to take beta = 1 from, in place of training it"}
    options = {"first_epochs": 15, "epochs": 5, "samples": 2000, "start": None}
    results_page(__doc__, "metabolic", sweep, document, draw, explained=explained, **options)
