"""All figures of a sweep, by section."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from spiking_pvae.energy import Preset
from spiking_pvae.plots import curves, theory
from spiking_pvae.plots.style import Drawing
from spiking_pvae.storage import read_json
from spiking_pvae.sweep.grid import Point
from spiking_pvae.sweep.results import Row


def pixels_of(folder: Path, rows: Sequence[Row]) -> int:
    """Return the pixels of an image, from the run folder of the first finished point.

    Parameters
    ----------
    folder : Path
        Folder of the sweep.
    rows : sequence of mapping
        Its results table with at least one finished point.
    """
    done = next(row for row in rows if row["status"] == "done")
    point = Point(**{name: done[name] for name in ("model", "latents", "beta", "seed", "start")})
    return math.prod(read_json(folder / point.folder / "run.json")["image_shape"])


def sweep_drawings(rows: Sequence[Row], preset: Preset, pixels: int) -> dict[str, list[Drawing]]:
    """Draw all figures of a sweep, by section; those of its curves are left out where no curve has a finished point.

    Parameters
    ----------
    rows : sequence of mapping
        Results table.
    preset : Preset
        Prices of the figures that need no model.
    pixels : int
        Fan-out of a latent.
    """
    e = theory.message_joules(preset, pixels)
    reached = bool(curves.families(rows))
    return {
        "theory": [*theory.figure_1(e), *theory.figure_2(e), *theory.figure_3(e)],
        "results": [*curves.figure_4(rows), *curves.figure_5(rows), *curves.pie(rows)] if reached else [],
        "front": list(curves.front(rows)) if reached else [],
    }
