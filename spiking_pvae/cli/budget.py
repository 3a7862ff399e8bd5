"""Training to an energy budget: what `train` and `prune` share."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spiking_pvae.cli.terminal import Terminal
from spiking_pvae.config import TrainConfig
from spiking_pvae.quantities import quantity
from spiking_pvae.types import Dataset

if TYPE_CHECKING:
    from spiking_pvae.checkpoint import Run

SAMPLES = 2000
"""Held-out images behind a measurement."""
TRAININGS = "budget-trainings"
"""Folder in the run folder for the trainings of a search, while it lasts."""
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

    if options.energy_budget is not None:
        parse_joules(options.energy_budget)
        load_preset(options.hardware)


def meet(
    model: Any,
    dataset: Dataset,
    *,
    train: TrainConfig,
    options: BudgetOptions,
    out: Path,
    terminal: Terminal,
    resume: bool = False,
) -> dict[str, Any]:
    """Adapt beta until the budget is met; the run folder then holds the result.

    Weights that are 0 stay 0. Until the search ends the run folder keeps the model that it was given, and a folder in
    it the trainings of the search: with `resume` the search takes the same way again, past those that are there.

    Returns
    -------
    dict
        ``budget`` (the outcome), the epochs, steps and seconds of all trainings here and, where there were any, the
        numbers of the last.
    """
    from spiking_pvae.checkpoint import adopt_run
    from spiking_pvae.deploy import convert, simulate
    from spiking_pvae.energy import estimate, load_preset
    from spiking_pvae.energy.budget import Measured, meet_budget, parse_joules
    from spiking_pvae.model import build_model
    from spiking_pvae.prune_config import PruneConfig
    from spiking_pvae.pruning import prune

    assert options.energy_budget is not None
    budget, preset = parse_joules(options.energy_budget), load_preset(options.hardware)
    images = dataset.validation.images[:SAMPLES]
    states = {model.config.beta: model}
    held = PruneConfig(encoder_keep=1.0, decoder_keep=1.0, epochs=options.budget_epochs, learning_rate=0.005)
    numbers: dict[str, Any] = dict.fromkeys(SPENT, 0)
    trainings = out / TRAININGS
    if not resume:
        shutil.rmtree(trainings, ignore_errors=True)

    def priced(beta: float) -> Measured:
        network = convert(states[beta], dataset.calibration())
        report = estimate(network, simulate(network, images), preset)
        found = Measured(
            beta=beta,
            joules=report.joules_per_inference.value,
            latent_joules=float(report.latents.joules.sum()),
        )
        terminal.say(f"beta {beta:.4g}: {quantity(found.joules, 'J')} an inference, budget {quantity(budget, 'J')}")
        return found

    def measure(beta: float) -> Measured:
        folder = trainings / f"{len(states):02d}"
        run = kept_training(folder, beta, held.epochs)
        if run is None:
            # Latents that fell silent at a larger beta come back slowly, so the way leads up from a smaller one.
            start = states[max((tried for tried in states if tried <= beta), default=min(states))]
            again = build_model(replace(start.config, beta=beta), dataset.shape)
            again.load_state_dict(start.state_dict())
            folder.mkdir(parents=True, exist_ok=True)
            run = prune(again, dataset, train, held, out=folder)
        states[beta] = run.model
        last = run.history[-1]
        numbers.update(
            epochs=numbers["epochs"] + len(run.history),
            steps=numbers["steps"] + run.steps,
            seconds=numbers["seconds"] + run.seconds,
            objective=last["val_objective"],
            nelbo=last["val_mse"] + last["val_kl"],
            mse=last["val_mse"],
            kl=last["val_kl"],
        )
        return priced(beta)

    try:
        outcome = meet_budget(measure, budget, priced(model.config.beta))
    except KeyboardInterrupt:
        terminal.say(
            f"Stopped. {out} holds the model from before the search; {len(states) - 1} trainings of the search are "
            "kept beside it. Go on with the same command and --resume."
        )
        raise
    if len(states) > 1:
        adopt_run(out, trainings / f"{len(states) - 1:02d}")
    shutil.rmtree(trainings, ignore_errors=True)
    if not outcome.met:
        way = (
            "Take synapses away first: spiking-pvae prune RUN --energy-budget ..."
            if outcome.least >= budget
            else "Choose a budget nearer to what the network uses."
        )
        terminal.say(
            f"The budget of {quantity(budget, 'J')} can't be met. {outcome.reason} "
            f"The least, with silent latents, is {quantity(outcome.least, 'J')}. {way}"
        )
    return {**numbers, "budget": {"hardware": preset.name, **outcome.to_json()}}


def kept_training(folder: Path, beta: float, epochs: int) -> Run | None:
    """Return a finished training of an interrupted search, or None where there is none at this beta."""
    from spiking_pvae.checkpoint import load_run

    if not (folder / "run.json").is_file():
        return None
    run = load_run(folder)
    return run if run.model.config.beta == beta and run.train.epochs == epochs else None


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
