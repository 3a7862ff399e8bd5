"""The default recipe against the paper's, on natural patches, K = 512.

    python benchmarks/recipe_comparison.py default BETA ...           20 epochs at each beta
    python benchmarks/recipe_comparison.py default-no-bias BETA ...   the same without biases, which the paper's has not
    python benchmarks/recipe_comparison.py paper BETA --folder DIR    3000 epochs; stopped at will, it goes on there
    python benchmarks/recipe_comparison.py page                       write docs/reference/recipe-comparison.md

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
from spiking_pvae.recipes import find_recipe
from spiking_pvae.scalars import read_scalars
from spiking_pvae.training import Progress, fit

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "recipe_comparison.json"
PAGE = ROOT / "docs" / "reference" / "recipe-comparison.md"
NO_BIAS = "-no-bias"
Row = dict[str, Any]

HEAD = """# The default recipe against the paper's

Written by `python benchmarks/recipe_comparison.py page` from `benchmarks/results/recipe_comparison.json`. Natural
patches, K = 512, linear | linear, the exact objective for all, one thread ({machine}). Held-out objective at the full
beta, lower is better; the all-silent answer has {silent:.1f}. Times are CPU seconds.

| recipe | beta | epochs | held-out objective | MSE | KL | CPU s | date |
|---|---|---|---|---|---|---|---|
"""
TAIL = """
The default has biases, which the papers' models have not; `default-no-bias` is the default in all else. One seed each.
"""


def keep(row: Row) -> None:
    """Put a row in the place of the one of the same recipe and beta."""
    rows = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else []
    rows = [old for old in rows if (old["recipe"], old["beta"]) != (row["recipe"], row["beta"])]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([*rows, row], indent=2) + "\n", encoding="utf-8")


def row_of(name: str, beta: float, silent: float, planned: int, entry: dict[str, float]) -> Row:
    """Collect the figures of a run after an epoch."""
    return {
        "recipe": name,
        "beta": beta,
        "epochs": int(entry["epoch"]),
        "planned": planned,
        **{key: entry[f"val_{key}"] for key in ("objective", "mse", "kl")},
        "silent": silent,
        "cpu_seconds": entry["time_cpu"],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, torch {torch.__version__}",
    }


def train(name: str, beta: float, folder: Path | None) -> None:
    """Train by a recipe and keep its figures, after every tenth epoch where there is a folder to go on from."""
    recipe, dataset = find_recipe(name.removesuffix(NO_BIAS)), data.load("natural")
    settings = replace(recipe.train, device="cpu", estimator="exact")
    silent = statistics(dataset).validation_sum_of_squares
    bias = recipe.model.bias and not name.endswith(NO_BIAS)
    model = PoissonVAE(replace(recipe.model, beta=beta, bias=bias), dataset.shape, seed=settings.seed)
    told = 0

    def report(progress: Progress) -> None:
        nonlocal told
        if folder is not None and progress.epoch % 10 == 0 and progress.epoch != told:
            told = progress.epoch
            keep(row_of(name, beta, silent, settings.epochs, read_scalars(folder)[-1]))

    run = fit(model, dataset, settings, out=folder, resume=folder is not None, report=report)
    keep(row_of(name, beta, silent, settings.epochs, run.history[-1]))


def verdict(beta: float, ours: Row, theirs: Row) -> str:
    """Say in one line how the default stands to the paper's recipe."""
    where = "below" if ours["objective"] < theirs["objective"] else "**not below**"
    done = "" if theirs["epochs"] == theirs["planned"] else f" after {theirs['epochs']} of {theirs['planned']} epochs"
    ratio = theirs["cpu_seconds"] / ours["cpu_seconds"]
    return (
        f"- beta {beta:g}: the default's {ours['objective']:.2f} is {where} the paper's {theirs['objective']:.2f}"
        f"{done}, in 1/{ratio:.0f} of its time."
    )


def page() -> None:
    """Write the table."""
    rows = sorted(json.loads(RESULTS.read_text(encoding="utf-8")), key=lambda row: (row["beta"], row["recipe"]))
    lines = [
        f"| {row['recipe']} | {row['beta']:g} | {row['epochs']} of {row['planned']} | {row['objective']:.2f} | "
        f"{row['mse']:.2f} | {row['kl']:.2f} | {row['cpu_seconds']:.0f} | {row['date'][:10]} |"
        for row in rows
    ]
    found = {(row["recipe"], row["beta"]): row for row in rows}
    betas = [beta for recipe, beta in found if recipe == "paper" and ("default", beta) in found]
    verdicts = [verdict(beta, found["default", beta], found["paper", beta]) for beta in betas]
    head = HEAD.format(machine=rows[0]["machine"], silent=rows[0]["silent"])
    notes = [f"- {row['recipe']}, beta {row['beta']:g}: {row['note']}" for row in rows if "note" in row]
    PAGE.write_text(head + "\n".join([*lines, "", *verdicts]) + "\n" + "\n".join([TAIL, *notes, ""]), encoding="utf-8")


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
    for beta in map(float, rest):
        train(what, beta, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
