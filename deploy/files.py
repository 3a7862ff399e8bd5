"""Networks and records on disk: safetensors beside a JSON manifest, hashed, written whole or not at all.

A node is stored by its class name and its members; arrays go to the safetensors file under their path in the network.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy import ir, record
from spiking_pvae.errors import DamagedFileError, InputError
from spiking_pvae.storage import digest, load_arrays, read_json, replacing_folder, save_arrays, write_json
from spiking_pvae.version import __version__

NETWORK_KIND = "spiking-pvae network 2"
RECORD_KIND = "spiking-pvae record 2"
OLDER = {NETWORK_KIND: "spiking-pvae network 1", RECORD_KIND: "spiking-pvae record 1"}
"""Formats that are read as well: they know no listed synapses and no name of the data."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """A record and the network it came from: what a record folder holds."""

    network: ir.Network
    record: record.SpikeRecord


_NODES: dict[str, type] = {
    node.__name__: node
    for node in (
        ir.InputPort,
        ir.Dense,
        ir.Sparse,
        ir.Conv2d,
        ir.Bias,
        ir.ConstantThreshold,
        ir.ExponentialThreshold,
        ir.Readout,
        ir.Layer,
        ir.Network,
        record.Tally,
        record.LatentTally,
        record.Trace,
        record.SpikeRaster,
        record.SpikeRecord,
        Recording,
    )
}
_Arrays = dict[str, NDArray[Any]]


def _flatten(value: object, path: str, arrays: _Arrays) -> object:
    """Turn a tree of nodes into JSON values, moving arrays out under their path."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {"array": path}
    if dataclasses.is_dataclass(value):
        members = {
            field.name: _flatten(getattr(value, field.name), f"{path}.{field.name}".lstrip("."), arrays)
            for field in dataclasses.fields(value)
        }
        return {"node": type(value).__name__, **members}
    if isinstance(value, tuple):
        return [_flatten(item, f"{path}.{index}", arrays) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {"mapping": {key: _flatten(item, f"{path}.{key}", arrays) for key, item in value.items()}}
    return value


def _build(value: object, arrays: _Arrays) -> Any:
    """Inverse of `_flatten`."""
    if isinstance(value, list):
        return tuple(_build(item, arrays) for item in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[value["array"]]
    if "mapping" in value:
        return {key: _build(item, arrays) for key, item in value["mapping"].items()}
    members = {key: _build(item, arrays) for key, item in value.items() if key != "node"}
    return _NODES[value["node"]](**members)


def _hash(tree: object) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()


def network_sha256(network: ir.Network) -> str:
    """Return the sha256 that `save_network` returns and the network's manifest keeps."""
    arrays: _Arrays = {}
    tree = _flatten(network, "", arrays)
    return digest(arrays, {"tree_sha256": _hash(tree), "format": NETWORK_KIND})


def _save(value: object, folder: Path, kind: str, *, force: bool) -> str:
    arrays: _Arrays = {}
    tree = _flatten(value, "", arrays)
    with replacing_folder(folder, kind=kind, force=force) as temporary:
        sha256 = save_arrays(temporary / "arrays.safetensors", arrays, kind=kind, metadata={"tree_sha256": _hash(tree)})
        write_json(
            temporary / "manifest.json", {"format": kind, "version": __version__, "arrays_sha256": sha256, "tree": tree}
        )
    return sha256


def _load(folder: Path, kind: str, node: type) -> Any:
    if not folder.is_dir():
        raise InputError(kind, given=f"no folder {folder}", allowed=f"a folder that holds a {kind}")
    if (folder / "run.json").is_file():
        made = (folder / "network" / "manifest.json").is_file()
        raise InputError(
            kind,
            given=f"{folder}, a run folder",
            allowed="a folder that convert or simulate wrote",
            remedy=f"Its network is {folder / 'network'}."
            if made
            else f"Convert the run first: spiking-pvae convert {folder} --out {folder / 'network'}.",
        )
    manifest = read_json(folder / "manifest.json")
    found = str(manifest.get("format"))
    if found not in (kind, OLDER[kind]):
        raise DamagedFileError(
            folder, f"holds '{found}', not '{kind}'.", "Use the version of the package that wrote it."
        )
    arrays, metadata = load_arrays(folder / "arrays.safetensors", kind=found, sha256=str(manifest.get("arrays_sha256")))
    if _hash(manifest.get("tree")) != metadata.get("tree_sha256"):
        raise DamagedFileError(folder / "manifest.json", "was edited: it does not match the hash beside the arrays.")
    try:
        value = _build(manifest["tree"], arrays)
    except InputError:
        raise
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(folder, f"does not fit together ({error}).") from error
    if not isinstance(value, node):
        raise DamagedFileError(folder, f"does not hold a {node.__name__}.")
    return value


def save_network(network: ir.Network, folder: Path | str, *, force: bool = False) -> str:
    """Write a network folder; returns the sha256 of its arrays."""
    return _save(network, Path(folder), NETWORK_KIND, force=force)


def load_network(folder: Path | str) -> ir.Network:
    """Read a network folder.

    Raises
    ------
    InputError
        There is none.
    DamagedFileError
        It is truncated, edited, foreign or of a newer version.
    """
    network: ir.Network = _load(Path(folder), NETWORK_KIND, ir.Network)
    return network


def save_recording(network: ir.Network, spikes: record.SpikeRecord, folder: Path | str, *, force: bool = False) -> str:
    """Write a record with the network it came from; returns the sha256 of its arrays."""
    return _save(Recording(network, spikes), Path(folder), RECORD_KIND, force=force)


def load_recording(folder: Path | str) -> tuple[ir.Network, record.SpikeRecord]:
    """Read a record and its network; raises as `load_network` does."""
    recording: Recording = _load(Path(folder), RECORD_KIND, Recording)
    return recording.network, recording.record


def is_recording(folder: Path | str) -> bool:
    """Tell whether a folder holds a record."""
    manifest = Path(folder) / "manifest.json"
    return manifest.is_file() and read_json(manifest).get("format") in (RECORD_KIND, OLDER[RECORD_KIND])
