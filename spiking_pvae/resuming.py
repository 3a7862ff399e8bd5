"""Going on with a training: what it was started with, and whether what is asked for now is the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiking_pvae.checkpoint import CHECKPOINT, PRUNING, Checkpoint, load_checkpoint
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.errors import DamagedFileError, InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What a training was started with.

    Parameters
    ----------
    data : str
        Name or path of the data set.
    model : ModelConfig
    train : TrainConfig
    """

    data: str
    model: ModelConfig
    train: TrainConfig


def started_with(folder: Path) -> Started:
    """Read what the training in a folder was started with, from its checkpoint.

    Raises
    ------
    InputError
        There is no checkpoint, or it is of a pruning.
    DamagedFileError
        It is damaged.
    """
    if not (folder / CHECKPOINT).is_file():
        raise InputError("resume", given=f"no checkpoint in {folder}", allowed="a folder that training wrote")
    settings = _of_training(folder).settings
    try:
        model, train = ModelConfig(**settings["model"]), TrainConfig(**settings["train"])
        return Started(data=settings["data"]["name"], model=model, train=train)
    except (KeyError, TypeError) as error:
        raise DamagedFileError(folder / CHECKPOINT, f"does not fit together ({error}).", "Train again.") from error


def resumable(folder: Path, settings: dict[str, Any]) -> Checkpoint | None:
    """Read the checkpoint of a folder, if it has one.

    Raises
    ------
    InputError
        It belongs to other settings or data, or is of a pruning.
    DamagedFileError
        It is damaged.
    """
    if not (folder / CHECKPOINT).is_file():
        return None
    checkpoint = _of_training(folder)
    if changed := changes(checkpoint.settings, settings):
        raise InputError(
            "resumed run",
            given=changed,
            allowed="the settings and the data it was started with",
            remedy="Leave these options out, or give another folder.",
        )
    return checkpoint


def changes(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Name the settings that differ, with both values; empty where none does."""
    old, new = _flat(before), _flat(now)
    differing = [key for key in sorted(old | new) if old.get(key) != new.get(key)]
    return ", ".join(f"{key} {new.get(key)} instead of {old.get(key)}" for key in differing)


def _of_training(folder: Path) -> Checkpoint:
    """Read a checkpoint, unless it is of a pruning: it does not hold which weights were taken away."""
    checkpoint = load_checkpoint(folder)
    if checkpoint.settings.get("task") == PRUNING:
        raise InputError(
            "resume",
            given=f"{folder}, where a pruning or a search for an energy budget trained last",
            allowed="a folder whose last training was a plain one",
            remedy="A pruning does not go on: prune anew with --force.",
        )
    return checkpoint


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Name every setting ``group.name``."""
    return {
        f"{group}.{name}": value
        for group, values in settings.items()
        for name, value in (values.items() if isinstance(values, dict) else [("value", values)])
    }
