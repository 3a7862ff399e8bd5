"""``spiking-pvae evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.types import Split


@dataclass(frozen=True, kw_only=True)
class Evaluate(Command):
    """Measure a trained model on held-out images.

    Example: spiking-pvae evaluate runs/first --split val
    """

    run: tyro.conf.Positional[Path]
    """Run folder."""
    data: str | None = None
    """Other data than the run's: a name or a path."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    split: Split = "val"
    """Which images."""
    seed: int = 0
    """Seed of the one exact draw of counts."""
    knn: tuple[int, ...] = ()
    """Numbers of labelled images; for each, give the accuracy of nearest neighbours on the codes of labelled data."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Evaluate and print the numbers."""
        from spiking_pvae.checkpoint import load_run
        from spiking_pvae.evaluation import evaluate
        from spiking_pvae.neighbours import neighbour_accuracy

        run = load_run(self.run)
        dataset = load_data(self.data or run.data, self.data_folder, terminal)
        result = evaluate(run.model, dataset.split(self.split), seed=self.seed).to_json()
        if self.knn:
            accuracies = neighbour_accuracy(run.model, dataset, self.knn, seed=self.seed)
            result["knn"] = [accuracy.to_json() for accuracy in accuracies]
        terminal.emit(result, summary(result))
        return result


def summary(result: dict[str, Any]) -> Any:
    """Build the table of an evaluation."""
    rows = [
        (name.replace("_", " "), f"{value:,}" if isinstance(value, int) else f"{value:.4g}")
        for name, value in result.items()
        if name != "knn"
    ]
    rows += [
        (f"nearest neighbours, {entry['labels']:,} labels", f"{100 * entry['accuracy']:.1f} %")
        for entry in result.get("knn", [])
    ]
    return table("Held-out images", ("metric", "value"), rows)
