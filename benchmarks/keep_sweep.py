"""Keep the results of a sweep in the documentation: its tables, its figures, and how they were made.

    python benchmarks/keep_sweep.py metabolic-cost --sweep sweeps/full

writes docs/results/metabolic-cost/ (results.csv, results.parquet, timings.csv, about.json, all figures as PNG and SVG).
The page of results judges and draws every kept table at each build of the documentation.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measuring import machine  # the file beside this one

from spiking_pvae.plots.sweep import pixels_of, sweep_drawings
from spiking_pvae.plots.write import save_all
from spiking_pvae.quantities import duration
from spiking_pvae.storage import read_json, write_json
from spiking_pvae.sweep.engine import CALLS, MANIFEST
from spiking_pvae.sweep.prices import FOLDER, kept_prices
from spiking_pvae.sweep.results import PARQUET, TABLE, read_table

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def wall_time(notes: Sequence[dict[str, Any]], cpu: float) -> str:
    """Say how long the calls took together: at least so long where some were killed, whose ends nobody noted.

    Parameters
    ----------
    notes : sequence of dict
        Lines of ``calls.jsonl``.
    cpu : float
        Processor seconds of all points. More than fit into the calls that ended are a sign of a killed one too.
    """
    ended = [note for note in notes if "ended" in note]
    killed = {note["started"] for note in notes if "started" in note} - {note.get("started") for note in ended}
    wall = sum(note["seconds"] for note in ended)
    local = all(note["workers"] for note in notes)  # the processes of a cluster are not counted
    short = local and cpu > sum(note["seconds"] * note["workers"] for note in ended)
    least = "at least " if killed or short else ""
    calls = f", in {len(ended)} calls" if len(ended) > 1 else ""
    lost = f", without {len(killed)} that were killed" if killed else ""
    return f"{least}{duration(wall)} ({wall / 3600:.2f} h){calls}{lost}"


def read_calls(sweep: Path) -> list[dict[str, Any]]:
    """Read what the calls on a sweep noted; end the program where none came to its end."""
    path = sweep / CALLS
    notes = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    if not any("ended" in note for note in notes):
        sys.exit(f"{path} tells of no call that came to its end. Run the sweep's command again: it goes on, and ends.")
    return notes


def about(sweep: Path, rows: list[dict[str, object]], command: str) -> dict[str, str]:
    """Say what was run, where, when, and how long it took."""
    calls = read_calls(sweep)
    made, manifest = machine(), read_json(sweep / MANIFEST)
    chosen = manifest["sweep"]
    done = sum(row["status"] == "done" for row in rows)
    cpu = cpu_seconds(sweep)
    workers = sorted({str(call["workers"]) for call in calls if call["workers"]})
    return {
        "command": command,
        "points": f"{done} of {len(rows)}",
        "machine": f"{made['cores']} cores of {made['cpu']}, Python {made['python']}, torch {made['torch']}",
        "processes at a time": ", ".join(workers) or "those of a cluster",
        "date": max(call["ended"] for call in calls if "ended" in call)[:10],
        "wall time": wall_time(calls, cpu),
        "processor time of the points": f"{duration(cpu)} ({cpu / 3600:.2f} h)",
        "training": f"{chosen['first_epochs']} epochs for the first point of a curve, {chosen['next_epochs']} for each "
        f"further one, {chosen['last_epochs'] or chosen['next_epochs']} for the last, {chosen['cold_epochs']} for a "
        "check",
        "hardware": chosen["hardware"],
        "pixels of an image": str(pixels_of(sweep, rows)),
        "version": manifest["version"],
    }


def cpu_seconds(sweep: Path) -> float:
    """Add up the processor time of all points."""
    lines = (sweep / "timings.csv").read_text(encoding="utf-8").splitlines()
    return sum(float(line.rsplit(",", 1)[1]) for line in lines[1:])


def draw(target: Path) -> None:
    """Draw the figures of a kept table beside it."""
    facts = read_json(target / "about.json")
    preset, pixels = kept_prices(target, facts["hardware"]), int(facts["pixels of an image"])
    save_all(sweep_drawings(read_table(target / TABLE), preset, pixels), target)


def keep(sweep: Path, target: Path, command: str) -> None:
    """Copy the tables of a sweep and say how they were made; without pyarrow there is no Parquet table to copy."""
    facts = about(sweep, read_table(sweep / TABLE), command)
    target.mkdir(parents=True, exist_ok=True)
    for name in (TABLE, "timings.csv", PARQUET):
        if (sweep / name).is_file():
            shutil.copyfile(sweep / name, target / name)
    if (sweep / FOLDER).is_dir():  # prices of the user's own
        shutil.copytree(sweep / FOLDER, target / FOLDER, dirs_exist_ok=True)
    write_json(target / "about.json", facts)


def main() -> None:
    """Copy, draw, write; without a sweep, draw anew."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="what it is called in docs/results")
    parser.add_argument("--sweep", type=Path, help="folder of the sweep; its kept table is drawn anew if not given")
    parser.add_argument("--command", help="the command that ran it", default="")
    options = parser.parse_args()
    target = RESULTS / options.name
    if options.sweep is not None:
        command = options.command or f"spiking-pvae sweep --preset {options.name}"
        keep(options.sweep, target, command)
    draw(target)
    print(f"{target}: {len(read_table(target / TABLE))} points")


if __name__ == "__main__":
    main()
