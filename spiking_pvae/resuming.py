"""Going on with a training: what it was started with, and whether what is asked for now is the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiking_pvae.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint
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
        There is no checkpoint.
    DamagedFileError
        It is damaged.
    """
    if not (folder / CHECKPOINT).is_file():
        raise InputError("resume", given=f"no checkpoint in {folder}", allowed="a folder that training wrote")
    settings = load_checkpoint(folder).settings
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
        It belongs to other settings or data.
    DamagedFileError
        It is damaged.
    """
    if not (folder / CHECKPOINT).is_file():
        return None
    checkpoint = load_checkpoint(folder)
    was, now = _flat(checkpoint.settings), _flat(settings)
    changed = [key for key in sorted(was | now) if was.get(key) != now.get(key)]
    if changed:
        raise InputError(
            "resumed run",
            given=", ".join(f"{key} {now.get(key)} instead of {was.get(key)}" for key in changed),
            allowed="the settings and the data it was started with",
            remedy="Leave these options out, or give another folder.",
        )
    return checkpoint


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Name every setting ``group.name``."""
    return {
        f"{group}.{name}": value
        for group, values in settings.items()
        for name, value in (values.items() if isinstance(values, dict) else [("value", values)])
    }
