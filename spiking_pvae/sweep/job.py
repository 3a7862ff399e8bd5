"""What every process of a sweep is given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spiking_pvae.sweep.grid import Point, SweepConfig
from spiking_pvae.sweep.results import POINT_FILE
from spiking_pvae.types import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A sweep to be done.

    Parameters
    ----------
    config : SweepConfig
    dataset : Dataset
    out : Path
        Folder of the sweep; absolute.
    """

    config: SweepConfig
    dataset: Dataset
    out: Path

    def folder(self, point: Point) -> Path:
        """Return the run folder of a point."""
        return self.out / point.folder

    def unfinished(self, curve: tuple[Point, ...]) -> int:
        """Count the points of a curve that have no outcome yet."""
        return sum(not (self.folder(point) / POINT_FILE).is_file() for point in curve)
