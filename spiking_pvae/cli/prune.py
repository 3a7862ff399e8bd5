"""``spiking-pvae prune``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from spiking_pvae.cli.budget import BudgetOptions, added, meet, require_readable, require_search, rows_of
from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.prune_config import PruneConfig
from spiking_pvae.quantities import duration
from spiking_pvae.types import Dataset

if TYPE_CHECKING:
    from spiking_pvae.checkpoint import Run


@dataclass(frozen=True, kw_only=True)
class Prune(Command):
    """Take synapses away from a trained model, with fine-tuning, so that its energy follows its activity.

    The pruned model is a run folder like any other: evaluate, convert, simulate and energy take it as it is, and
    synapses of weight 0 cost nothing. With --energy-budget beta is then adapted until an inference costs that much.

    Example: spiking-pvae prune runs/first --encoder-keep 0.05 --decoder-keep 0.7 --out runs/first-pruned
    """

    run: tyro.conf.Positional[Path]
    """Run folder of the model to prune; stays as it is."""
    out: Path
    """Run folder to write."""
    prune: tyro.conf.OmitArgPrefixes[PruneConfig] = field(default_factory=PruneConfig)
    budget: tyro.conf.OmitArgPrefixes[BudgetOptions] = field(default_factory=BudgetOptions)
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    resume: bool = False
    """Go on with a search for an energy budget that was interrupted, with the same run and options; a pruning that was
    interrupted begins anew."""
    force: bool = False
    """Write into a folder that holds files."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Prune, save, print what it cost."""
        from spiking_pvae.checkpoint import load_run, prepare_folder
        from spiking_pvae.evaluation import evaluate
        from spiking_pvae.pruning import density
        from spiking_pvae.storage import read_json

        require_readable(self.budget)
        run = load_run(self.run)
        source = {"model_sha256": read_json(self.run / "run.json")["model_sha256"]}
        origin = {"source": source, "prune": asdict(self.prune)}
        if self.resume:
            require_search(self.out, self.budget, origin)
        prepare_folder(self.out, force=self.force, resume=self.resume)
        dataset = load_data(run.data, self.data_folder, terminal)
        before = evaluate(run.model, dataset.validation).nelbo
        pruned = load_run(self.out) if self.resume else self._pruned(run, dataset, terminal)
        last = pruned.history[-1]
        nelbo = last["val_mse"] + last["val_kl"]
        result: dict[str, Any] = {
            "run_dir": str(self.out),
            "epochs": int(last["epoch"]),
            "steps": pruned.steps,
            "seconds": pruned.seconds,
            "objective": last["val_objective"],
            "nelbo": nelbo,
            "mse": last["val_mse"],
            "kl": last["val_kl"],
            "nelbo_before": before,
            "nelbo_change_percent": 100 * (nelbo / before - 1),
            "encoder_density": density(pruned.model.encoder),
            "decoder_density": density(pruned.model.decoder),
        }
        if self.budget.energy_budget is not None:
            further = meet(
                pruned.model,
                dataset,
                train=run.train,
                options=self.budget,
                out=self.out,
                terminal=terminal,
                resume=self.resume,
                origin=origin,
            )
            result = added(result, further)
            result["nelbo_change_percent"] = 100 * (result["nelbo"] / before - 1)
        terminal.emit(result, summary(result))
        return result

    def _pruned(self, run: Run, dataset: Dataset, terminal: Terminal) -> Run:
        """Prune the model into the run folder."""
        from spiking_pvae.pruning import prune
        from spiking_pvae.training import Progress

        terminal.say(
            f"Pruning to {100 * self.prune.encoder_keep:g}% of the encoder's weights and "
            f"{100 * self.prune.decoder_keep:g}% of the decoder's"
        )
        steps = self.prune.epochs * -(-len(dataset.train) // run.train.batch_size)
        with terminal.progress("fine-tuning", steps) as tick:

            def report(progress: Progress) -> None:
                tick(progress.step, f"epoch {progress.epoch} of {progress.epochs}, objective {progress.objective:.1f}")

            return prune(run.model, dataset, run.train, self.prune, out=self.out, report=report)

    def exit_code(self, result: Mapping[str, Any]) -> int:
        """Return 1 where an energy budget was asked for and is not met."""
        return 0 if result.get("budget", {}).get("met", True) else 1


def summary(result: dict[str, Any]) -> Any:
    """Build the table of a pruning."""
    rows = [
        ("encoder weights that stay", f"{100 * result['encoder_density']:.1f} %"),
        ("decoder weights that stay", f"{100 * result['decoder_density']:.1f} %"),
        ("held-out -ELBO before", f"{result['nelbo_before']:.2f}"),
        ("held-out -ELBO after", f"{result['nelbo']:.2f} ({result['nelbo_change_percent']:+.2f} %)"),
        ("time", duration(result["seconds"])),
        ("run folder", result["run_dir"]),
        *(rows_of(result["budget"]) if "budget" in result else ()),
    ]
    return table("Pruning", ("", "value"), rows)
