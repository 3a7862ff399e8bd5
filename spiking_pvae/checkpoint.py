"""Run folders: a manifest in JSON, weights and the training state as safetensors.

run.json                 settings, data, versions, summary
model.safetensors        weights of the finished model
checkpoint.safetensors   weights, optimiser and history after the last whole epoch
metrics.jsonl            one JSON object an epoch
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.errors import DamagedFileError, InputError
from spiking_pvae.model import PoissonVAE
from spiking_pvae.storage import load_arrays, read_json, save_arrays, write_json, write_text
from spiking_pvae.version import __version__

MODEL_KIND = "spiking-pvae model 1"
CHECKPOINT_KIND = "spiking-pvae checkpoint 1"
RUN_KIND = "spiking-pvae run 1"

History = list[dict[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Training state after a whole epoch.

    Parameters
    ----------
    epoch : int
        Epochs done.
    tensors : dict of str to Tensor
        Weights (``model.*``) and optimiser state (``optimizer.<parameter>.<moment>``).
    history : list of dict
        One entry an epoch.
    settings : dict
        Settings the state belongs to; a resumed run must have the same.
    """

    epoch: int
    tensors: dict[str, Tensor]
    history: History
    settings: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A trained model and how it came about.

    Parameters
    ----------
    model : PoissonVAE
    train : TrainConfig
    data : str
        Name or path of the data set.
    fingerprint : str
        Hash of the data set's recipe or content.
    steps : int
        Optimiser steps done.
    seconds : float
        Wall time of the training, this process only.
    history : list of dict
        One entry an epoch.
    """

    model: PoissonVAE
    train: TrainConfig
    data: str
    fingerprint: str
    steps: int
    seconds: float
    history: History


def prepare_folder(folder: Path, *, force: bool, resume: bool = False) -> None:
    """Make sure that results can be written to `folder`, before any work is done.

    Raises
    ------
    InputError
        The folder holds files and neither `force` nor `resume` is set, or can't be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError("output", given=f"{folder}, which is a file", allowed="a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (force or resume):
        raise InputError(
            "output",
            given=f"{folder}, which is not empty",
            allowed="a new or empty folder",
            remedy="Choose another, or overwrite with --force.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            "output", given=f"{folder} ({error.strerror})", allowed="a folder that can be written"
        ) from error


def settings_of(model: PoissonVAE, train: TrainConfig, data: str, fingerprint: str) -> dict[str, Any]:
    """Collect what identifies a run, as JSON values."""
    return {
        "model": asdict(model.config),
        "image_shape": list(model.image_shape),
        "train": asdict(train),
        "data": {"name": data, "fingerprint": fingerprint},
    }


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the training state and its metrics; a kill at any moment leaves the last whole one."""
    state = {"epoch": checkpoint.epoch, "history": checkpoint.history, "settings": checkpoint.settings}
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in checkpoint.tensors.items()}
    save_arrays(folder / "checkpoint.safetensors", arrays, kind=CHECKPOINT_KIND, metadata={"state": json.dumps(state)})
    write_text(folder / "metrics.jsonl", "".join(json.dumps(entry) + "\n" for entry in checkpoint.history))


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read the training state of a run folder."""
    arrays, metadata = load_arrays(folder / "checkpoint.safetensors", kind=CHECKPOINT_KIND)
    state = json.loads(metadata["state"])
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return Checkpoint(tensors=tensors, **state)


def save_run(folder: Path, run: Run) -> None:
    """Write the finished model and the manifest of its run."""
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in run.model.state_dict().items()}
    sha256 = save_arrays(folder / "model.safetensors", arrays, kind=MODEL_KIND, metadata={})
    write_json(
        folder / "run.json",
        {
            "format": RUN_KIND,
            "version": __version__,
            "torch": str(torch.__version__),
            **settings_of(run.model, run.train, run.data, run.fingerprint),
            "steps": run.steps,
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
        raise InputError(
            "run",
            given=f"{folder}, with no finished run",
            allowed="a folder that training wrote to the end",
            remedy="A run that was stopped goes on with: spiking-pvae train --resume.",
        )
    manifest = read_json(folder / "run.json")
    if manifest.get("format") != RUN_KIND:
        raise DamagedFileError(folder / "run.json", f"holds '{manifest.get('format')}', not '{RUN_KIND}'.")
    arrays, _ = load_arrays(folder / "model.safetensors", kind=MODEL_KIND)
    try:
        config = ModelConfig(**manifest["model"])
        train = TrainConfig(**manifest["train"])
        model = PoissonVAE(config, tuple(manifest["image_shape"]))
        model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        history = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        return Run(
            model=model,
            train=train,
            data=manifest["data"]["name"],
            fingerprint=manifest["data"]["fingerprint"],
            steps=manifest["steps"],
            seconds=manifest["seconds"],
            history=history,
        )
    except (KeyError, TypeError, RuntimeError, OSError, json.JSONDecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise DamagedFileError(folder, f"does not fit together ({error}).", "Train again.") from error
