"""The default recipe against the paper's, on natural patches, K = 512.

    python benchmarks/recipe_comparison.py default BETA ...          15 epochs at each beta
    python benchmarks/recipe_comparison.py paper BETA --folder DIR   3000 epochs; stopped at will, it goes on there
    python benchmarks/recipe_comparison.py reached BETA --folder DIR  note how far a stopped run of the paper's came
    python benchmarks/recipe_comparison.py page                      write docs/reference/recipe-comparison.md

Both use the exact objective of a linear decoder, which spares the paper's recipe the noise and the cost of sampling.
One thread. Times are CPU seconds of the process, because the machine may be shared. Figures are kept in
benchmarks/results/recipe_comparison.json.
"""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from spiking_pvae import data
from spiking_pvae.data import statistics
from spiking_pvae.model import PoissonVAE
from spiking_pvae.recipes import RecipeName, find_recipe
from spiking_pvae.scalars import read_scalars
from spiking_pvae.training import Progress, fit

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "recipe_comparison.json"
PAGE = ROOT / "docs" / "reference" / "recipe-comparison.md"
Row = dict[str, Any]

HEAD = """# The default recipe against the paper's

Written by `python benchmarks/recipe_comparison.py page` from `benchmarks/results/recipe_comparison.json`. Natural
patches, K = 512, linear | linear, the exact objective for both, one thread ({machine}). Held-out objective at the full
beta, lower is better; the all-silent answer has {silent:.1f}. Times are CPU seconds.

| recipe | beta | epochs done, of | beta then | held-out objective | MSE | KL | CPU s | CPU s of all epochs | date |
|---|---|---|---|---|---|---|---|---|---|
"""
TAIL = """
The time of all epochs is measured where the run is whole, and scaled from the epochs done where it is not: **a row with
fewer epochs done than planned is not the paper's result.** Its learning rate has not come down, its beta may not have
risen to its end, and its objective is of the weights at that moment, at the full beta.
"""


def keep(row: Row) -> None:
    """Put a row in the place of the one of the same recipe and beta."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    rows = [old for old in rows if (old["recipe"], old["beta"]) != (row["recipe"], row["beta"])]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([*rows, row], indent=2) + "\n", encoding="utf-8")


def row_of(name: RecipeName, beta: float, silent: float, entry: dict[str, float]) -> Row:
    """Collect the figures of a run after an epoch."""
    return {
        "recipe": name,
        "beta": beta,
        "epochs": int(entry["epoch"]),
        "planned": find_recipe(name).train.epochs,
        **{key: entry[f"val_{key}"] for key in ("objective", "mse", "kl")},
        "beta_then": entry["train_beta"],
        "silent": silent,
        "cpu_seconds": entry["time_cpu"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, torch {torch.__version__}",
    }


def train(name: RecipeName, beta: float, folder: Path | None) -> None:
    """Train by a recipe and keep its figures, after every tenth epoch where there is a folder to go on from."""
    recipe, dataset = find_recipe(name), data.load("natural")
    settings = replace(recipe.train, device="cpu", estimator="exact")
    silent = statistics(dataset).validation_sum_of_squares
    model = PoissonVAE(replace(recipe.model, beta=beta), dataset.shape, seed=settings.seed)
    told = 0

    def report(progress: Progress) -> None:
        nonlocal told
        if folder is not None and progress.epoch % 10 == 0 and progress.epoch != told:
            told = progress.epoch
            keep(row_of(name, beta, silent, read_scalars(folder)[-1]))

    run = fit(model, dataset, settings, out=folder, resume=folder is not None, report=report)
    keep(row_of(name, beta, silent, run.history[-1]))


def reached(beta: float, folder: Path) -> None:
    """Keep the figures of a run of the paper's recipe that was stopped."""
    silent = statistics(data.load("natural")).validation_sum_of_squares
    keep(row_of("paper", beta, silent, read_scalars(folder)[-1]))


def page() -> None:
    """Write the table."""
    rows = sorted(json.loads(RESULTS.read_text(encoding="utf-8")), key=lambda row: (row["beta"], row["recipe"]))
    lines = [
        f"| {row['recipe']} | {row['beta']:g} | {row['epochs']} of {row['planned']} | {row['beta_then']:.3g} | "
        f"{row['objective']:.2f} | "
        f"{row['mse']:.2f} | {row['kl']:.2f} | {row['cpu_seconds']:.0f} | "
        f"{row['cpu_seconds'] * row['planned'] / row['epochs']:.0f} | {row['date'][:10]} |"
        for row in rows
    ]
    head = HEAD.format(machine=rows[0]["machine"], silent=rows[0]["silent"])
    PAGE.write_text(head + "\n".join(lines) + "\n" + TAIL, encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Do what the arguments say."""
    torch.set_num_threads(1)
    what, *rest = arguments
    if what == "page":
        page()
        return
    folder = Path(rest[rest.index("--folder") + 1]) if "--folder" in rest else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        rest = rest[: rest.index("--folder")]
    if what == "reached" and folder:
        reached(float(rest[0]), folder)
        return
    for beta in map(float, rest):
        train(find_recipe(what).name, beta, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
