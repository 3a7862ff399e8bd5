"""Results: one file a point, one tidy table a sweep.

results.csv       one row a point: what it is, whether it was reached (done, failed, unfinished), what was measured
results.parquet   the same, where pyarrow is installed
timings.csv       seconds of wall and processor a point, apart from the results because they never repeat
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spiking_pvae.errors import InputError
from spiking_pvae.storage import read_json, replacing, write_json, write_text
from spiking_pvae.sweep.grid import Point, SweepConfig, points

POINT_FILE = "point.json"
TABLE = "results.csv"
PARQUET = "results.parquet"

WHAT = ("model", "latents", "beta", "seed", "start", "status", "reason")
EVALUATED = (
    "samples",
    "mse",
    "kl",
    "nelbo",
    "objective",
    "silent_objective",
    "metabolic_cost",
    "proportion_zeros",
    "spikes_per_inference",
    "r2",
    "mse_posterior_mean",
    "active_latents",
    "lifetime_sparseness",
    "population_sparseness",
)
PRICED = (
    "hardware",
    "account",
    "joules",
    "joules_low",
    "joules_high",
    "latent_joules",
    "event_synops",
    "latent_spikes",
    "integer_nelbo",
)
COLUMNS = (*WHAT, *EVALUATED, *PRICED)
TIMES = ("seconds", "cpu_seconds")
TIMINGS = "timings.csv"
TABLES = (TABLE, PARQUET, TIMINGS)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a point.

    Parameters
    ----------
    point : Point
    reason : str
        Why it failed; empty where it did not.
    values : mapping
        What was measured, by column.
    seconds, cpu_seconds : float
        Wall and processor time of the attempt that ended.
    """

    point: Point
    reason: str = ""
    values: Mapping[str, Any]
    seconds: float
    cpu_seconds: float

    @property
    def done(self) -> bool:
        """Whether the point was reached."""
        return not self.reason


def save_outcome(folder: Path, outcome: Outcome) -> None:
    """Write what became of a point into its run folder; with this file the point counts as finished."""
    values = {key: _finite(value) for key, value in outcome.values.items()}
    write_json(folder / POINT_FILE, {**asdict(outcome), "values": values})


def load_outcome(folder: Path) -> Outcome | None:
    """Read what became of a point, or None where it is not finished."""
    path = folder / POINT_FILE
    if not path.is_file():
        return None
    found = read_json(path)
    return Outcome(**{**found, "point": Point(**found["point"])})


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def row(outcome: Outcome) -> Row:
    """Return a point's row of the table."""
    status = "done" if outcome.done else "failed"
    return {**asdict(outcome.point), "status": status, "reason": outcome.reason, **outcome.values}


def collect(out: Path, config: SweepConfig) -> list[Outcome]:
    """Read the outcomes of all finished points, in the order of the grid."""
    found = (load_outcome(out / point.folder) for point in points(config))
    return [outcome for outcome in found if outcome is not None]


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in rows)
    return text.getvalue()


def write_table(out: Path, outcomes: Sequence[Outcome], unfinished: Sequence[Point] = ()) -> tuple[Path, ...]:
    """Write the table as CSV, as Parquet where pyarrow is installed, and the times beside it.

    Parameters
    ----------
    out : Path
        Folder of the sweep.
    outcomes : sequence of Outcome
        One row each.
    unfinished : sequence of Point
        Points that a stopped sweep has not come to; one row each, after the others.
    """
    waiting = {"status": "unfinished", "reason": "the sweep was stopped before its end"}
    rows = [*(row(outcome) for outcome in outcomes), *({**asdict(point), **waiting} for point in unfinished)]
    write_text(out / TABLE, _csv(COLUMNS, rows))
    times = [{**asdict(o.point), "seconds": o.seconds, "cpu_seconds": o.cpu_seconds} for o in outcomes]
    write_text(out / TIMINGS, _csv((*WHAT[:5], *TIMES), times))
    written = [out / TABLE]
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        return tuple(written)
    columns = {key: [each.get(key) for each in rows] for key in COLUMNS}
    with replacing(out / PARQUET) as temporary:
        parquet.write_table(pa.table(columns), temporary)
    return (*written, out / PARQUET)


def read_table(path: Path) -> list[Row]:
    """Read a results table (CSV): numbers as numbers, empty cells as None.

    Raises
    ------
    InputError
        There is no such file, or it lacks a column.
    """
    if not path.is_file():
        raise InputError(
            "results table",
            given=f"no file {path}",
            allowed=f"{TABLE} of a sweep that came to its end or was stopped by Ctrl-C",
            remedy="A sweep that was killed goes on with its command, without --force, and writes it.",
        )
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if missing := set(COLUMNS) - set(reader.fieldnames or ()):
            raise InputError("results table", given=f"{path} without {', '.join(sorted(missing))}", allowed="a sweep's")
        return [{key: _value(key, text) for key, text in cells.items()} for cells in reader]


_TEXT = frozenset({"model", "start", "status", "reason", "hardware", "account"})
_COUNTS = frozenset({"latents", "seed", "samples", "active_latents"})


def _value(column: str, text: str) -> Any:
    if column in _TEXT:
        return text
    if not text:
        return None
    return int(text) if column in _COUNTS else float(text)
