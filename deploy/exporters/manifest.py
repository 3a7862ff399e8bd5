"""The manifest beside an export: what the files are, their hashes, and against what they are exact."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import DamagedFileError, InputError
from spiking_pvae.storage import read_json, write_json
from spiking_pvae.version import __version__

FILE = "manifest.json"
KIND = "spiking-pvae export 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an export folder holds.

    Parameters
    ----------
    target : str
        Name of the exporter.
    form : str
        What the files say, in a sentence.
    exact : bool
        Whether a reader of the target's own semantics computes what `against` computes, integer for integer.
    against : str
        The model that the golden traces come from.
    schedule : {"graded", "unary"}
    steps : int
        Steps of a firing phase.
    incoming : int
        Steps over which an image arrives in the unary schedule.
    layers : tuple of str
        Layers of the network, in order.
    latent : str
        The layer of Poisson neurons.
    notes : tuple of str
        Warnings for whoever reads the files elsewhere.
    difference : dict of str to float
        Measured difference from the network on the golden messages, where the form is not exact.
    """

    target: str
    form: str
    exact: bool
    against: str
    schedule: Schedule
    steps: int
    incoming: int
    layers: tuple[str, ...]
    latent: str
    notes: tuple[str, ...] = ()
    difference: Mapping[str, float] = field(default_factory=dict)


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _sha256(tree: object) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def write_manifest(manifest: Manifest, folder: Path) -> str:
    """Describe every file of a folder; returns the sha256 over the files and the description."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    described = {
        "format": KIND,
        "version": __version__,
        **dataclasses.asdict(manifest),
        "files": {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths},
    }
    # JSON has no tuples: hash what will be read back.
    described = json.loads(json.dumps(described))
    sha256 = _sha256(described)
    write_json(folder / FILE, {**described, "sha256": sha256})
    return sha256


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest of an export folder and every file it names.

    Raises
    ------
    InputError
        There is no export.
    DamagedFileError
        The manifest or a file is truncated, edited, foreign or of another version.
    """
    if not (folder / FILE).is_file():
        raise InputError("export", given=f"no {FILE} in {folder}", allowed="a folder written by the export command")
    tree: dict[str, Any] = read_json(folder / FILE)
    if tree.get("format") != KIND:
        raise DamagedFileError(
            folder, f"holds '{tree.get('format')}', not '{KIND}'.", "Use the version of the package that wrote it."
        )
    stored = tree.pop("sha256", None)
    if stored != _sha256(tree):
        raise DamagedFileError(folder / FILE, "was edited: it does not match its own hash.")
    for name, sha256 in tree["files"].items():
        path = folder / name
        if not path.is_file():
            raise DamagedFileError(path, "is missing.", "Export again.")
        if file_sha256(path) != sha256:
            raise DamagedFileError(path, "was edited or truncated: it does not match its sha256.", "Export again.")
    names = {field.name for field in dataclasses.fields(Manifest)}
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in tree.items() if key in names}
    return Manifest(**values)
