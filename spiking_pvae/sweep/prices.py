"""The prices of a sweep: a preset by its name, or the copy that the sweep's folder keeps of a file of the user.

The copy makes the sweep whole: workers on other machines and a later report find it there, and the points of a sweep
that goes on are priced as those before.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from spiking_pvae.energy import Preset, list_presets, load_preset
from spiking_pvae.storage import replacing

FOLDER = "hardware"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What a sweep's manifest says of its prices.

    Parameters
    ----------
    hardware : str
        Name of a preset, or path of the copy inside the sweep's folder.
    sha256 : str, optional
        Of the file; None for a preset of this package.
    """

    hardware: str
    sha256: str | None


def prices_of(hardware: str) -> Prices:
    """Return what is kept of a `--hardware`: a name of a preset, or the path of a readable file."""
    if hardware in list_presets():
        return Prices(hardware=hardware, sha256=None)
    path = Path(hardware)
    return Prices(hardware=f"{FOLDER}/{path.name}", sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def keep_prices(hardware: str, out: Path) -> None:
    """Copy a file of prices into a sweep's folder; nothing for a preset of this package."""
    prices = prices_of(hardware)
    copy = out / prices.hardware
    if prices.sha256 is None or (copy.exists() and os.path.samefile(copy, hardware)):
        return
    copy.parent.mkdir(exist_ok=True)
    with replacing(copy) as temporary:
        shutil.copyfile(hardware, temporary)


def kept_prices(out: Path, hardware: str) -> Preset:
    """Read the prices of a sweep.

    Parameters
    ----------
    out : Path
        Folder of the sweep.
    hardware : str
        As its settings or its manifest name them.

    Raises
    ------
    InputError
        The copy is gone or damaged.
    """
    return load_preset(hardware if hardware in list_presets() else out / FOLDER / Path(hardware).name)
