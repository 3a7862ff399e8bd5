"""The front of rate, distortion and energy over budgets, and the controls: docs/results/budgets.*.

    python benchmarks/energy_budgets.py

A pruned Poisson VAE is trained to one energy budget after another, each from the one before; a rectified Gaussian and a
Gaussian VAE of the same layers are trained beside it and priced as dense networks. With --draw only the page is made.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from measuring import PLAIN, machine, priced, provenance, results_page

BUDGETS_NJ = (440.0, 420.0, 400.0, 380.0)
CONTROLS = ("grelu", "gaussian")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Train, prune, meet every budget; train the controls."""
    from spiking_pvae.checkpoint import load_run
    from spiking_pvae.cli.budget import BudgetOptions, meet
    from spiking_pvae.cli.terminal import Terminal
    from spiking_pvae.config import TrainConfig
    from spiking_pvae.data import load
    from spiking_pvae.deploy import convert
    from spiking_pvae.energy import load_preset
    from spiking_pvae.evaluation import evaluate
    from spiking_pvae.model import build_model
    from spiking_pvae.prune_config import PruneConfig
    from spiking_pvae.pruning import prune
    from spiking_pvae.training import fit

    dataset = load(options.data)
    train = TrainConfig(epochs=options.epochs, device="cpu")
    model = build_model(replace(PLAIN, latents=options.latents), dataset.shape)
    fit(model, dataset, train)
    prune(model, dataset, train, PruneConfig(encoder_keep=0.1, epochs=options.epochs))
    rows = []
    for budget in options.budgets:
        asked = BudgetOptions(
            energy_budget=f"{budget:g}nJ", hardware=options.hardware, budget_epochs=options.budget_epochs
        )
        with tempfile.TemporaryDirectory() as folder:
            result = meet(model, dataset, train=train, options=asked, out=Path(folder), terminal=Terminal())
            if (Path(folder) / "run.json").is_file():
                model = load_run(folder).model
        point, _, _ = priced(
            model,
            convert(model, dataset.calibration()),
            dataset,
            hardware=options.hardware,
            samples=2000,
        )
        rows.append({**point, "budget": result["budget"]})
        print(f"{budget:g} nJ: {result['budget']['joules']:.4g} J at beta {result['budget']['beta']:.3g}", flush=True)
    controls = []
    mac = load_preset("ann_mac_ac").terms["dense_mac"].si.value
    for kind in CONTROLS:
        control = build_model(replace(PLAIN, model=kind, latents=options.latents), dataset.shape)
        fit(control, dataset, train)
        found = evaluate(control, dataset.validation)
        pixels = dataset.shape[0] * dataset.shape[1] * dataset.shape[2]
        zeros = found.proportion_zeros if kind == "grelu" else 0.0
        macs = 2 * pixels * options.latents + (1 - zeros) * pixels * options.latents
        controls.append({"model": kind, **found.to_json(), "macs": macs, "joules": macs * mac})
        print(f"{kind}: -ELBO {found.nelbo:.2f}, zeros {zeros:.2f}, {macs * mac:.3g} J", flush=True)
    return {
        "machine": machine(),
        "data": options.data,
        "latents": options.latents,
        "hardware": options.hardware,
        "epochs": options.epochs,
        "budget_epochs": options.budget_epochs,
        "rows": rows,
        "controls": controls,
    }


def document(result: dict[str, Any]) -> str:
    """Build the page."""
    head = ["budget (nJ)", "measured (nJ)", "error", "met", "beta", "-ELBO", "MSE", "KL (nats)", "spikes", "trainings"]
    rows = [
        [
            f"{1e9 * row['budget']['budget_joules']:.0f}",
            f"{1e9 * row['budget']['joules']:.1f}",
            f"{100 * row['budget']['relative_error']:+.1f}%",
            "yes" if row["budget"]["met"] else "no",
            f"{row['beta']:.3g}",
            f"{row['nelbo']:.1f}",
            f"{row['mse']:.1f}",
            f"{row['kl']:.2f}",
            f"{row['spikes']:.1f}",
            f"{len(row['budget']['steps']) - 1}",
        ]
        for row in result["rows"]
    ]
    least = 1e9 * result["rows"][-1]["budget"]["least_joules"]
    controls = [
        f"| {row['model']} | {row['nelbo']:.1f} | {row['mse']:.1f} | {row['kl']:.2f} | "
        f"{100 * row['proportion_zeros']:.0f}% | {row['macs']:,.0f} | {1e6 * row['joules']:.2f} uJ |"
        for row in result["controls"]
    ]
    return "\n".join(
        [
            "# Rate, distortion and energy over budgets",
            "",
            f"`{result['data']}`, K = {result['latents']}, trained for {result['epochs']} epochs, pruned to 10% of the "
            f"encoder in as many, then trained to one budget after another on `{result['hardware']}`, "
            f"{result['budget_epochs']} epochs at every beta that is tried. The budget is met where the energy of the "
            "8-bit network on held-out images is within 5% of it.",
            "",
            provenance(result["machine"]),
            "",
            *("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)),
            "",
            f"With silent latents the last network would cost {least:.0f} nJ: no beta reaches less, more pruning does.",
            "",
            "## The controls",
            "",
            f"The same layers with other latents, beta = 1, {result['epochs']} epochs. Their encoders give two "
            "numbers a latent; their multiply-accumulates are priced at 4.6 pJ each (32-bit floating point, arithmetic "
            "only), and the rectified Gaussian's decoder skips its zeros.",
            "",
            "| latents | -ELBO | MSE | KL (nats) | zeros | MACs | joules |",
            "|---|---|---|---|---|---|---|",
            *controls,
            "",
        ]
    )


if __name__ == "__main__":
    results_page(__doc__, "budgets", run, document, epochs=8, budget_epochs=3, budgets=BUDGETS_NJ)
