"""What the programs have in common: the network's arrays, shared memory and small channels."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import numpy as np

SMALL_CHANNELS = {"pypy_channel_size": 4}
"""Messages a channel holds: the default of 64 fills /dev/shm."""


def shared(shape: tuple[int, ...]) -> np.ndarray:
    """Return int64 zeros that forked processes write and this one reads."""
    buffer = multiprocessing.RawArray("q", int(np.prod(shape)))
    return np.frombuffer(buffer, np.int64).reshape(shape)


def layers_of(folder: Path) -> list[tuple[dict, dict[str, np.ndarray]]]:
    """Read the layers of an export: what describes them, and their arrays."""
    described = json.loads((folder / "network.json").read_text(encoding="utf-8"))["layers"]
    with np.load(folder / "network.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return [
        (layer, {name.split(".", 1)[1]: a for name, a in arrays.items() if name.startswith(f"{place}.")})
        for place, layer in enumerate(described)
    ]
