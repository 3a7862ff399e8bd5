"""``spiking-pvae train``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from spiking_pvae.cli.budget import BudgetOptions, added, meet, require_readable, rows_of
from spiking_pvae.cli.command import Command, load_data, process_rank
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.errors import InputError
from spiking_pvae.quantities import duration
from spiking_pvae.recipes import RecipeName, find_recipe
from spiking_pvae.types import Dataset

if TYPE_CHECKING:
    from spiking_pvae.resuming import Started


@dataclass(frozen=True, kw_only=True)
class Train(Command):
    """Train a P-VAE.

    Writes a run folder, with a checkpoint about every 5 seconds; go on with --resume after a stop.

    With --energy-budget beta is then adapted until an inference costs that much; the command ends with 1, and says the
    least that can be reached, where it can't.

    Example: spiking-pvae train --data natural --latents 512 --beta 1 --out runs/first
    """

    out: Path
    """Run folder to write."""
    recipe: RecipeName = "default"
    """Settings to start from; the options given beside it go first."""
    data: str = "natural"
    """Name of a data set (spiking-pvae data) or a path."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    model: tyro.conf.OmitArgPrefixes[ModelConfig] = field(default_factory=ModelConfig)
    train: tyro.conf.OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)
    budget: tyro.conf.OmitArgPrefixes[BudgetOptions] = field(default_factory=BudgetOptions)
    resume: bool = False
    """Continue from the last checkpoint in the run folder, or with an interrupted search for an energy budget; data and
    settings are the folder's, and options must not differ from them."""
    force: bool = False
    """Write into a folder that holds files; a run in it is taken away before the training begins."""

    @classmethod
    def defaults(cls, options: Sequence[str]) -> Train | None:
        """Return the settings of the run to go on with, or of the recipe among the options."""
        started, name = resumed(options), value_of("--recipe", options)
        recipe = None if name is None else find_recipe(name)
        if started is None:
            if recipe is None:
                return None
            return cls(out=tyro.MISSING, recipe=recipe.name, model=recipe.model, train=recipe.train)
        chosen = recipe or started  # a recipe that contradicts the run is refused as other options are
        return cls(out=tyro.MISSING, data=started.data, model=chosen.model, train=chosen.train)

    def check(self) -> None:
        """Refuse what can be known to be wrong without the data."""
        from spiking_pvae.checkpoint import require_empty
        from spiking_pvae.devices import choose_device

        require_readable(self.budget)
        choose_device(self.train.device)
        if process_rank() == 0:
            require_empty(self.out, force=self.force, resume=self.resume)

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Train, save, print a summary."""
        self.check()
        dataset = load_data(self.data, self.data_folder, terminal)
        result = train(dataset, self, terminal)
        if self.budget.energy_budget is not None:
            from spiking_pvae.checkpoint import load_run

            model = load_run(self.out).model
            further = meet(
                model,
                dataset,
                train=self.train,
                options=self.budget,
                out=self.out,
                terminal=terminal,
                resume=self.resume,
            )
            result = added(result, further)
            # Trainings that go on with another beta end with their last weights.
            result["best_epoch"] = result["epochs"] if further["epochs"] else result["best_epoch"]
        terminal.emit(result, summary(result))
        return result

    def exit_code(self, result: Mapping[str, Any]) -> int:
        """Return 1 where an energy budget was asked for and is not met."""
        return 0 if result.get("budget", {}).get("met", True) else 1


def value_of(name: str, options: Sequence[str]) -> str | None:
    """Find the value of an option among options that are not yet parsed."""
    for place, option in enumerate(options):
        flag, given, value = option.partition("=")
        if flag == name:
            return value if given else next(iter(options[place + 1 :]), None)
    return None


def resumed(options: Sequence[str]) -> Started | None:
    """Read what the run was started with that unparsed options go on with, if they do."""
    if "--resume" not in options:
        return None
    out = value_of("--out", options)
    if out is None:
        raise InputError("resume", given="no folder", allowed="--resume beside --out, the run's folder")
    from spiking_pvae.resuming import started_with

    return started_with(Path(out))


def train(dataset: Dataset, options: Train, terminal: Terminal) -> dict[str, Any]:
    """Train a model into a run folder and return its summary."""
    from spiking_pvae.checkpoint import prepare_folder
    from spiking_pvae.devices import choose_device
    from spiking_pvae.memory import require_memory
    from spiking_pvae.model import build_model
    from spiking_pvae.training import Progress, fit

    require_memory(options.model, dataset.shape, options.train)
    device = choose_device(options.train.device)
    if process_rank() == 0:
        prepare_folder(options.out, force=options.force, resume=options.resume)
    model = build_model(options.model, dataset.shape, seed=options.train.seed)
    terminal.say(
        f"Training {options.model.encoder} | {options.model.decoder} {options.model.model} VAE, "
        f"K = {options.model.latents}, beta = {options.model.beta:g}, "
        f"on {len(dataset.train)} images of {dataset.shape}, {device}"
    )
    steps = options.train.epochs * -(-len(dataset.train) // options.train.batch_size)
    with terminal.progress("training", steps) as tick:

        def report(progress: Progress) -> None:
            tick(progress.step, f"epoch {progress.epoch} of {progress.epochs}, objective {progress.objective:.1f}")

        try:
            run = fit(model, dataset, options.train, out=options.out, resume=options.resume, report=report)
        except KeyboardInterrupt:
            saved = (options.out / "checkpoint.safetensors").is_file()
            way_on = f"Go on with the same command and --resume --out {shlex.quote(str(options.out))}"
            terminal.say(f"Stopped. {way_on if saved else 'It had just begun, so nothing was saved.'}")
            raise
    last = run.history[run.epoch - 1]
    return {
        "run_dir": str(options.out),
        "epochs": len(run.history),
        "best_epoch": run.epoch,
        "steps": run.steps,
        "seconds": run.seconds,
        "objective": last["val_objective"],
        "nelbo": last["val_mse"] + last["val_kl"],
        "mse": last["val_mse"],
        "kl": last["val_kl"],
        "device": str(device),
    }


def summary(result: dict[str, Any]) -> Any:
    """Build the table of a training."""
    rows = [
        ("held-out objective", f"{result['objective']:.2f}"),
        ("reconstruction error", f"{result['mse']:.2f}"),
        ("KL", f"{result['kl']:.2f} nats"),
        ("epochs, steps", f"{result['epochs']}, {result['steps']}"),
        ("time", f"{duration(result['seconds'])} on {result['device']}"),
        ("run folder", result["run_dir"]),
        *(rows_of(result["budget"]) if "budget" in result else ()),
    ]
    return table("Training", ("", "value"), rows)
