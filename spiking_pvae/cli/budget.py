"""Training to an energy budget: what `train` and `prune` share."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spiking_pvae.cli.terminal import Terminal
from spiking_pvae.config import TrainConfig
from spiking_pvae.errors import InputError
from spiking_pvae.quantities import quantity
from spiking_pvae.types import Dataset

if TYPE_CHECKING:
    from spiking_pvae.checkpoint import Run
    from spiking_pvae.energy.budget import Measured

SAMPLES = 2000
"""Held-out images behind a measurement."""
SEARCH_KIND = "spiking-pvae search 1"
SPENT = ("epochs", "steps", "seconds")
"""Numbers of a training that add up with those of another."""


@dataclass(frozen=True, kw_only=True)
class BudgetOptions:
    """Options of training to an energy budget."""

    energy_budget: str | None = None
    """Joules an inference to meet by adapting beta, as in 300nJ; measured on held-out images after conversion to 8
    bits."""
    hardware: str = "loihi_davies2018"
    """Energy preset of the budget (spiking-pvae hardware) or path of a TOML file."""
    budget_epochs: int = 4
    """Passes over the training images at every beta that is tried."""


def require_readable(options: BudgetOptions) -> None:
    """Refuse a bad budget or preset before any training."""
    from spiking_pvae.energy import load_preset
    from spiking_pvae.energy.budget import parse_joules

    if options.energy_budget is None:
        return
    parse_joules(options.energy_budget)
    load_preset(options.hardware)
    if (processes := os.environ.get("WORLD_SIZE", "1")) != "1":
        raise InputError(
            "energy budget",
            given=f"{processes} processes (WORLD_SIZE)",
            allowed="one process, which alone searches",
            remedy=(
                "Train on several without --energy-budget, then on one: "
                "spiking-pvae train --resume --out RUN --energy-budget ..."
            ),
        )


def require_search(out: Path, options: BudgetOptions, origin: dict[str, Any]) -> None:
    """Refuse to go on with a search that is not there, or began from something else.

    Parameters
    ----------
    out : Path
        Run folder.
    options : BudgetOptions
    origin : dict
        What the search must have begun from, as given to `meet`.
    """
    from spiking_pvae.checkpoint import TRAININGS
    from spiking_pvae.resuming import changes
    from spiking_pvae.storage import read_json

    manifest = out / TRAININGS / "search.json"
    if options.energy_budget is None or not ((out / "run.json").is_file() and manifest.is_file()):
        raise InputError(
            "resume",
            given=f"no search to go on with in {out}",
            allowed="--energy-budget, and a run folder whose search was interrupted",
            remedy="Prune anew with --force.",
        )
    if changed := changes(read_json(manifest), {"format": SEARCH_KIND, **origin}):
        raise InputError(
            "resumed search",
            given=changed,
            allowed="the run and the options it began with",
            remedy="Give these, another folder, or prune anew with --force.",
        )


class Search:
    """The trainings of a search for a budget, one a beta, each in a folder of its own and priced after conversion.

    Parameters
    ----------
    model : VAE
        Where the search starts.
    dataset : Dataset
    train : TrainConfig
        How the model was trained.
    options : BudgetOptions
    trainings : Path
        Folder of their folders; trainings that are there are not repeated.
    terminal : Terminal
    """

    def __init__(
        self,
        model: Any,
        dataset: Dataset,
        *,
        train: TrainConfig,
        options: BudgetOptions,
        trainings: Path,
        terminal: Terminal,
    ) -> None:
        from spiking_pvae.energy import load_preset
        from spiking_pvae.energy.budget import parse_joules

        assert options.energy_budget is not None
        self.budget, self.preset = parse_joules(options.energy_budget), load_preset(options.hardware)
        self.dataset, self.train, self.epochs = dataset, train, options.budget_epochs
        self.trainings, self.terminal = trainings, terminal
        self.states = {model.config.beta: model}
        self.numbers: dict[str, Any] = dict.fromkeys(SPENT, 0)

    @property
    def trained(self) -> int:
        """Number of trainings so far."""
        return len(self.states) - 1

    def folder(self, number: int) -> Path:
        """Return the folder of a training, from 1."""
        return self.trainings / f"{number:02d}"

    def priced(self, beta: float) -> Measured:
        """Convert the model of a beta and measure it on held-out images."""
        from spiking_pvae.deploy import convert, simulate
        from spiking_pvae.energy import estimate
        from spiking_pvae.energy.budget import Measured

        network = convert(self.states[beta], self.dataset.calibration())
        record = simulate(network, self.dataset.validation.images[:SAMPLES])
        report = estimate(network, record, self.preset)
        joules = report.joules_per_inference.value
        self.terminal.say(f"beta {beta:.4g}: {quantity(joules, 'J')} an inference, budget {quantity(self.budget, 'J')}")
        return Measured(beta=beta, joules=joules, latent_joules=float(report.latents.joules.sum()))

    def measure(self, beta: float) -> Measured:
        """Train on at a beta, or take the training that is there, and measure it."""
        folder = self.folder(len(self.states))
        run = self._kept(folder, beta) or self._trained_on(folder, beta)
        self.states[beta] = run.model
        last = run.history[-1]
        self.numbers.update(
            epochs=self.numbers["epochs"] + len(run.history),
            steps=self.numbers["steps"] + run.steps,
            seconds=self.numbers["seconds"] + run.seconds,
            objective=last["val_objective"],
            nelbo=last["val_mse"] + last["val_kl"],
            mse=last["val_mse"],
            kl=last["val_kl"],
        )
        return self.priced(beta)

    def _kept(self, folder: Path, beta: float) -> Run | None:
        from spiking_pvae.checkpoint import load_run

        if not (folder / "run.json").is_file():
            return None
        run = load_run(folder)
        return run if run.model.config.beta == beta and run.train.epochs == self.epochs else None

    def _trained_on(self, folder: Path, beta: float) -> Run:
        from spiking_pvae.model import build_model
        from spiking_pvae.prune_config import PruneConfig
        from spiking_pvae.pruning import prune

        # Latents that fell silent at a larger beta come back slowly, so the way leads up from a smaller one.
        start = self.states[max((tried for tried in self.states if tried <= beta), default=min(self.states))]
        again = build_model(replace(start.config, beta=beta), self.dataset.shape)
        again.load_state_dict(start.state_dict())
        folder.mkdir(parents=True, exist_ok=True)
        held = PruneConfig(encoder_keep=1.0, decoder_keep=1.0, epochs=self.epochs, learning_rate=0.005)
        return prune(again, self.dataset, self.train, held, out=folder)


def meet(
    model: Any,
    dataset: Dataset,
    *,
    train: TrainConfig,
    options: BudgetOptions,
    out: Path,
    terminal: Terminal,
    resume: bool = False,
    origin: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Adapt beta until the budget is met; the run folder then holds the result.

    Weights that are 0 stay 0. Until the search ends the run folder keeps the model that it was given, and a folder in
    it the trainings of the search, and `origin`, what it begins from beside the model: with `resume` the search takes
    the same way again, past the trainings that are there.

    Returns
    -------
    dict
        ``budget`` (the outcome), the epochs, steps and seconds of all trainings here and, where there were any, the
        numbers of the last.
    """
    from spiking_pvae.checkpoint import TRAININGS, adopt_run
    from spiking_pvae.energy.budget import meet_budget
    from spiking_pvae.storage import write_json

    trainings = out / TRAININGS
    if not resume:
        shutil.rmtree(trainings, ignore_errors=True)
    trainings.mkdir(exist_ok=True)
    write_json(trainings / "search.json", {"format": SEARCH_KIND, **(origin or {})})
    search = Search(model, dataset, train=train, options=options, trainings=trainings, terminal=terminal)
    try:
        outcome = meet_budget(search.measure, search.budget, search.priced(model.config.beta))
    except KeyboardInterrupt:
        terminal.say(
            f"Stopped. {out} holds the model from before the search; {search.trained} trainings of the search are "
            "kept beside it. Go on with the same command and --resume."
        )
        raise
    if search.trained:
        adopt_run(out, search.folder(search.trained))
    shutil.rmtree(trainings, ignore_errors=True)
    if not outcome.met:
        way = (
            "Take synapses away first: spiking-pvae prune RUN --energy-budget ..."
            if outcome.least >= search.budget
            else "Choose a budget nearer to what the network uses."
        )
        terminal.say(
            f"The budget of {quantity(search.budget, 'J')} can't be met. {outcome.reason} "
            f"The least, with silent latents, is {quantity(outcome.least, 'J')}. {way}"
        )
    return {**search.numbers, "budget": {"hardware": search.preset.name, **outcome.to_json()}}


def added(first: dict[str, Any], further: dict[str, Any]) -> dict[str, Any]:
    """Join the numbers of a training and of those that followed: what was spent adds up, the rest is the last's."""
    return {**first, **further, **{key: first[key] + further[key] for key in SPENT}}


def rows_of(budget: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the rows that a summary shows of a budget."""
    return [
        (
            f"budget on {budget['hardware']}",
            f"{quantity(budget['budget_joules'], 'J')}, {'met' if budget['met'] else 'NOT met'}",
        ),
        ("joules an inference", f"{quantity(budget['joules'], 'J')} at beta {budget['beta']:.4g}"),
        ("least, with silent latents", quantity(budget["least_joules"], "J")),
    ]
