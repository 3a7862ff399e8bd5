"""Scalars of a training as JSON lines, with the fields of TensorBoard's scalar events.

    {"tag": "val/objective", "step": 160, "value": 191.2, "wall_time": 1767225600.0}

`step` counts optimiser steps, `wall_time` is in seconds since 1970 (UTC); the tags ``time/wall`` and ``time/cpu`` count
the seconds of the training. One entry of a history is one epoch; its keys
are the tags with ``_`` for ``/``, and ``epoch``, ``step`` and ``wall_time``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spiking_pvae.errors import DamagedFileError
from spiking_pvae.storage import write_text

History = list[dict[str, float]]
FILE = "scalars.jsonl"
_NOT_TAGS = ("epoch", "step", "wall_time")


def scalar_lines(entry: dict[str, float]) -> list[dict[str, Any]]:
    """Return the scalars of one epoch; the tag ``epoch`` carries its number."""
    common = {"step": int(entry["step"]), "wall_time": entry["wall_time"]}
    tags = {"epoch": entry["epoch"]} | {
        key.replace("_", "/", 1): value for key, value in entry.items() if key not in _NOT_TAGS
    }
    return [{"tag": tag, "value": value, **common} for tag, value in tags.items()]


def write_scalars(folder: Path, history: History) -> None:
    """Write all scalars of a run, atomically."""
    lines = [json.dumps(line, allow_nan=False) for entry in history for line in scalar_lines(entry)]
    write_text(folder / FILE, "".join(line + "\n" for line in lines))


def read_scalars(folder: Path) -> History:
    """Read the history back from its scalars.

    Raises
    ------
    DamagedFileError
        The file is missing or no such list.
    """
    path = folder / FILE
    entries: dict[int, dict[str, float]] = {}
    try:
        for line in path.read_text(encoding="utf-8").splitlines():
            scalar = json.loads(line)
            entry = entries.setdefault(scalar["step"], {"step": scalar["step"], "wall_time": scalar["wall_time"]})
            entry[scalar["tag"].replace("/", "_", 1)] = scalar["value"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(path, f"is no list of scalars ({error}).") from error
    return list(entries.values())
