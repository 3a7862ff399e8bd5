"""Run folders: a manifest in JSON, weights and the training state as safetensors.

run.json                 settings, data, versions, summary
model.safetensors        weights of the finished model
checkpoint.safetensors   weights, optimiser, averages and history after some step
scalars.jsonl            one JSON object a scalar and epoch
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.errors import DamagedFileError, InputError
from spiking_pvae.model import VAE, build_model
from spiking_pvae.scalars import History, read_scalars, write_scalars
from spiking_pvae.storage import load_arrays, read_json, replacing, save_arrays, write_json
from spiking_pvae.version import __version__

MODEL_KIND = "spiking-pvae model 2"
CHECKPOINT_KIND = "spiking-pvae checkpoint 2"
RUN_KIND = "spiking-pvae run 1"

CHECKPOINT = "checkpoint.safetensors"
RUN_FILES = ("run.json", CHECKPOINT, "model.safetensors", "scalars.jsonl")
PRUNING = "pruning"
"""What the settings of a checkpoint name as ``task`` where its training goes on under masks, which it does not hold."""
TRAININGS = "budget-trainings"
"""Folder in a run folder for the trainings of a search for an energy budget, while it lasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Training state after a step.

    Everything random is a function of the seed and the step, so that no generator has a state to keep.

    Parameters
    ----------
    step : int
        Steps done.
    tensors : dict of str to Tensor
        Named ``<group>.<name>``: weights (``model``), ``optimizer``, ``average``, ``best``, ``scaler`` and ``sums``.
    history : list of dict
        One entry an epoch.
    settings : dict
        Settings the state belongs to; a resumed run must have the same.
    seconds : float
        Time spent on it so far.
    """

    step: int
    tensors: dict[str, Tensor]
    history: History
    settings: dict[str, Any]
    seconds: float

    def group(self, name: str) -> dict[str, Tensor]:
        """Return the tensors of one group, without its name."""
        prefix = f"{name}."
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A trained model and how it came about.

    Parameters
    ----------
    model : VAE
    train : TrainConfig
    data : str
        Name or path of the data set.
    fingerprint : str
        Hash of the data set's recipe or content.
    steps : int
        Optimiser steps done.
    epoch : int
        Epoch whose weights these are: the last, or the best where the training stopped early.
    seconds : float
        Wall time of the training, without the time between a stop and its resumption.
    history : list of dict
        One entry an epoch.
    """

    model: VAE
    train: TrainConfig
    data: str
    fingerprint: str
    steps: int
    epoch: int
    seconds: float
    history: History


def require_empty(folder: Path, *, force: bool, resume: bool = False) -> None:
    """Refuse a folder that holds files unless `force` or `resume` is set; nothing is written."""
    if folder.exists() and not folder.is_dir():
        raise InputError("output", given=f"{folder}, which is a file", allowed="a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (force or resume):
        raise InputError(
            "output",
            given=f"{folder}, which is not empty",
            allowed="a new or empty folder",
            remedy="Choose another, or overwrite with --force.",
        )


def prepare_folder(folder: Path, *, force: bool, resume: bool = False) -> None:
    """Make sure that results can be written to `folder`, before any work is done.

    Raises
    ------
    InputError
        The folder holds files and neither `force` nor `resume` is set, or can't be written to.
    """
    require_empty(folder, force=force, resume=resume)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            "output", given=f"{folder} ({error.strerror})", allowed="a folder that can be written"
        ) from error


def clear_run(folder: Path) -> None:
    """Take away the run that a folder holds, and a search that began from it, before another run begins in it.

    The manifest goes first: without it nothing of the old run is taken for a finished one, whenever this is stopped.
    """
    for name in RUN_FILES:
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / TRAININGS, ignore_errors=True)


def adopt_run(folder: Path, source: Path) -> None:
    """Put a copy of the finished run of `source` in the place of the one in `folder`, file by file, manifest last."""
    for name in reversed(RUN_FILES):
        with replacing(folder / name) as temporary:
            shutil.copyfile(source / name, temporary)


def settings_of(model: VAE, train: TrainConfig, data: str, fingerprint: str) -> dict[str, Any]:
    """Collect what identifies a run, as JSON values."""
    return {
        "model": asdict(model.config),
        "image_shape": list(model.image_shape),
        "train": asdict(train),
        "data": {"name": data, "fingerprint": fingerprint},
    }


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the training state and its scalars; a kill at any moment leaves the last whole one."""
    state = {
        "step": checkpoint.step,
        "history": checkpoint.history,
        "settings": checkpoint.settings,
        "seconds": checkpoint.seconds,
    }
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in checkpoint.tensors.items()}
    save_arrays(folder / CHECKPOINT, arrays, kind=CHECKPOINT_KIND, metadata={"state": json.dumps(state)})
    write_scalars(folder, checkpoint.history)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read the training state of a run folder."""
    arrays, metadata = load_arrays(folder / CHECKPOINT, kind=CHECKPOINT_KIND)
    state = json.loads(metadata["state"])
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Checkpoint(tensors=tensors, **state)


def save_run(folder: Path, run: Run) -> None:
    """Write the finished model and the manifest of its run."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in run.model.state_dict().items()}
    settings = settings_of(run.model, run.train, run.data, run.fingerprint)
    # The weights keep the settings too, so that an edited manifest is noticed.
    sha256 = save_arrays(
        folder / "model.safetensors", arrays, kind=MODEL_KIND, metadata={"settings": json.dumps(settings)}
    )
    write_json(
        folder / "run.json",
        {
            "format": RUN_KIND,
            "version": __version__,
            "torch": str(torch.__version__),
            **settings,
            "steps": run.steps,
            "epoch": run.epoch,
            "seconds": run.seconds,
            "model_sha256": sha256,
        },
    )


def load_run(folder: Path | str) -> Run:
    """Read a run folder.

    Parameters
    ----------
    folder : Path or str
        Folder that training wrote.

    Returns
    -------
    Run

    Raises
    ------
    InputError
        There is no finished run.
    DamagedFileError
        A file is truncated, edited or foreign.
    """
    folder = Path(folder)
    if not (folder / "run.json").is_file():
        if (folder / "manifest.json").is_file():
            raise InputError(
                "run",
                given=f"{folder}, which holds a {read_json(folder / 'manifest.json').get('format')}",
                allowed="a run folder, which train, run and prune write",
                remedy="Networks and records are read by check, simulate, energy, export and verify.",
            )
        raise InputError(
            "run",
            given=f"{folder}, with no finished run",
            allowed="a folder that training wrote to the end",
            remedy=(
                f"A training that was stopped goes on with: spiking-pvae train --resume --out {folder}. "
                "A pruning begins anew: prune with --force."
            ),
        )
    manifest = read_json(folder / "run.json")
    if manifest.get("format") != RUN_KIND:
        raise DamagedFileError(folder / "run.json", f"holds '{manifest.get('format')}', not '{RUN_KIND}'.")
    arrays, metadata = load_arrays(
        folder / "model.safetensors", kind=MODEL_KIND, sha256=str(manifest.get("model_sha256"))
    )
    settings = json.loads(metadata["settings"])
    if settings != {key: manifest.get(key) for key in settings}:
        raise DamagedFileError(folder / "run.json", "was edited: its settings are not those of the weights beside it.")
    try:
        config = ModelConfig(**manifest["model"])
        train = TrainConfig(**manifest["train"])
        model = build_model(config, tuple(manifest["image_shape"])).eval()
        model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        return Run(
            model=model,
            train=train,
            data=manifest["data"]["name"],
            fingerprint=manifest["data"]["fingerprint"],
            steps=manifest["steps"],
            epoch=manifest["epoch"],
            seconds=manifest["seconds"],
            history=read_scalars(folder),
        )
    except (KeyError, TypeError, RuntimeError) as error:
        raise DamagedFileError(folder, f"does not fit together ({error}).", "Train again.") from error
