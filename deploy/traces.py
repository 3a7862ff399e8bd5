"""What is kept of every sample, in memory or in a folder of files that is written as samples come.

A folder holds for each layer `<layer>.counts.npy` and `<layer>.charge.npy` (`spiking_pvae.deploy.record.Trace`), or
`<layer>.spikes.npy` (`spiking_pvae.deploy.record.SpikeRaster`), or all three, and `traces.json`, which says what ran
and how many samples were done. Files have their full length from the start, so that what an interrupted simulation did
can be read; nothing of them stays in memory.
"""

from __future__ import annotations

import shutil
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import DTypeLike, NDArray

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.parts import Part, Plan
from spiking_pvae.deploy.record import SpikeRaster, Trace
from spiking_pvae.errors import DamagedFileError, InputError
from spiking_pvae.storage import read_json, write_json

TRACES_KIND = "spiking-pvae traces 1"
MANIFEST = "traces.json"


class _Rows:
    """An array whose rows come in order."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._path: Path | None = None
        self._array: NDArray[Any] | None = None
        self._place = 0

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) * self.dtype.itemsize

    def begin(self, path: Path | None) -> None:
        """Make room: in memory, or in a file."""
        if path is None:
            self._array = np.empty(self.shape, self.dtype)
        else:
            self._path, self._place = path, open_memmap(path, "w+", self.dtype, self.shape).offset

    def extend(self, rows: NDArray[Any]) -> None:
        """Add rows.

        Written, not mapped: pages of a map count as the process's memory, and a full disk would kill the process.
        """
        if self._path is None:
            assert self._array is not None
            self._array[self._place : self._place + len(rows)] = rows
            self._place += len(rows)
        else:
            with self._path.open("r+b") as file:
                file.seek(self._place)
                file.write(np.ascontiguousarray(rows, self.dtype).data)
                self._place = file.tell()

    def array(self) -> NDArray[Any]:
        """Return all rows, those of a file as a memory map."""
        if self._path is None:
            assert self._array is not None
            return self._array
        mapped: NDArray[Any] = np.load(self._path, mmap_mode="r")
        return mapped


class Keeper:
    """Collects what a simulation keeps of every sample.

    Parameters
    ----------
    network : Network
    plan : Plan
        Names the layers.
    samples : int
        All samples.
    folder : Path, optional
        For files; in memory if not given.

    Raises
    ------
    InputError
        The disk has not enough room.
    """

    def __init__(self, network: Network, plan: Plan, samples: int, folder: Path | None) -> None:
        self._plan, self._folder = plan, folder
        self._neurons = {layer.name: layer.neurons for layer in network.layers}
        self._rows: dict[tuple[str, str], _Rows] = {}
        for name in plan.keep:
            self._rows[name, "counts"] = _Rows((samples, self._neurons[name]), np.int32)
            self._rows[name, "charge"] = _Rows((samples, self._neurons[name]), np.int64)
        for name in plan.rasters:
            self._rows[name, "spikes"] = _Rows((samples, plan.steps, -(-self._neurons[name] // 8)), np.uint8)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / MANIFEST).unlink(missing_ok=True)
            _require_room(folder, sum(rows.size for rows in self._rows.values()))
        for (name, what), rows in self._rows.items():
            rows.begin(None if folder is None else _path(folder, name, what))

    def extend(self, part: Part) -> None:
        """Add the next samples."""
        for name, trace in part.traces.items():
            self._rows[name, "counts"].extend(trace.counts)
            self._rows[name, "charge"].extend(trace.charge)
        for name, raster in part.rasters.items():
            self._rows[name, "spikes"].extend(raster)

    def close(self, done: int) -> None:
        """Say in the folder how many samples were done."""
        if self._folder is None:
            return
        plan = self._plan
        about = {"format": TRACES_KIND, "schedule": plan.schedule, "steps": plan.steps, "seed": plan.seed}
        names = {name: self._neurons[name] for name, _ in self._rows}
        write_json(self._folder / MANIFEST, {**about, "samples": done, "neurons": names})

    def traces(self) -> dict[str, Trace]:
        """Return counts and charges."""
        return {
            name: Trace(counts=self._rows[name, "counts"].array(), charge=self._rows[name, "charge"].array())
            for name in self._plan.keep
        }

    def rasters(self) -> dict[str, SpikeRaster]:
        """Return rasters."""
        return {
            name: SpikeRaster(packed=self._rows[name, "spikes"].array(), neurons=self._neurons[name])
            for name in self._plan.rasters
        }


def _path(folder: Path, name: str, what: str) -> Path:
    return folder / f"{name}.{what}.npy"


def _require_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise InputError(
            "traces",
            given=f"{size / 1e9:,.3g} GB for {folder}",
            allowed=f"{free / 1e9:,.3g} GB, which the disk has free",
            remedy="Name fewer layers, take fewer samples or steps, or another disk.",
        )


def load_raster(folder: Path | str, layer: str) -> SpikeRaster:
    """Open the raster of a layer in a folder of traces, as a memory map of the samples that were done.

    Raises
    ------
    InputError
        There is no such raster.
    DamagedFileError
        A file is truncated or foreign.
    """
    folder = Path(folder)
    manifest = read_json(folder / MANIFEST)
    if manifest.get("format") != TRACES_KIND:
        raise DamagedFileError(folder / MANIFEST, f"holds '{manifest.get('format')}', not '{TRACES_KIND}'.")
    path = _path(folder, layer, "spikes")
    if not path.is_file():
        there = sorted(file.name.removesuffix(".spikes.npy") for file in folder.glob("*.spikes.npy"))
        raise InputError("raster", given=repr(layer), allowed=", ".join(there) or f"none: {folder} has no rasters")
    try:
        packed = np.load(path, mmap_mode="r")
    except ValueError as error:
        raise DamagedFileError(path, f"is no whole .npy file ({error}).") from error
    try:
        samples, steps, neurons = manifest["samples"], manifest["steps"], manifest["neurons"][layer]
    except (KeyError, TypeError) as error:
        raise DamagedFileError(folder / MANIFEST, f"does not name {error}.") from error
    if packed.dtype != np.uint8 or packed.shape[1:] != (steps, -(-neurons // 8)) or len(packed) < samples:
        raise DamagedFileError(path, f"has shape {packed.shape}, which is not what {MANIFEST} says.")
    return SpikeRaster(packed=packed[:samples], neurons=neurons)
