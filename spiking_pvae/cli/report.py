"""``spiking-pvae report``."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.energy import DEFAULT_HARDWARE
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.errors import InputError

FIGURES = "figures"


@dataclass(frozen=True, kw_only=True)
class Report(Command):
    """Write one self-contained HTML page about a run or a sweep.

    For a sweep, its figures are also written into its folder, as PNG and SVG files, and its claims as JSON.

    Example: spiking-pvae report runs/first --out first.html
    """

    source: tyro.conf.Positional[Path]
    """Run folder or sweep folder."""
    out: Path | None = None
    """File to write; report.html in the folder if not given."""
    hardware: str = DEFAULT_HARDWARE
    """Name of an energy preset (spiking-pvae hardware) or path of a TOML file, for a run."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    force: bool = False
    """Replace a file that exists."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Write the page and print where it is."""
        out = self.out or self.source / "report.html"
        if out.exists() and not self.force:
            raise InputError("output", given=f"{out}, which exists", allowed="a new file", remedy="Or use --force.")
        if (self.source / "sweep.json").is_file():
            file = write_sweep_report(self.source, out, terminal)
        elif (self.source / "run.json").is_file():
            file = write_run_report(self, out, terminal)
        else:
            raise InputError(
                "report",
                given=f"{self.source}, which holds no run and no sweep",
                allowed="a folder that one of them wrote",
            )
        result = {"file": str(file)}
        terminal.emit(result, table("Report", ("", "file"), [("page", str(file))]))
        return result


def write_run_report(options: Report, out: Path, terminal: Terminal) -> Path:
    """Write the page of a run folder; what `spiking-pvae run` left in it is used, what it lacks is computed."""
    from spiking_pvae.checkpoint import load_run
    from spiking_pvae.deploy import convert, simulate
    from spiking_pvae.deploy.files import is_recording, load_network, load_recording
    from spiking_pvae.energy import estimate, load_preset
    from spiking_pvae.report.run_page import RunResults, run_page
    from spiking_pvae.storage import write_text

    preset = load_preset(options.hardware)
    run = load_run(options.source)
    dataset = load_data(run.data, options.data_folder, terminal)
    if is_recording(options.source / "record"):
        network, record = load_recording(options.source / "record")
    else:
        stored = options.source / "network"
        network = load_network(stored) if stored.is_dir() else convert(run.model, dataset.calibration())
        terminal.say(f"Simulating {len(dataset.validation)} images")
        record = simulate(network, dataset.validation.images)
    report = estimate(network, record, preset)
    results = RunResults(
        name=options.source.resolve().name,
        run=run,
        dataset=dataset,
        network=network,
        record=record,
        energy=report,
        provenance=versions(),
    )
    terminal.say("Writing the report")
    write_text(out, run_page(results))
    return out


def write_sweep_report(folder: Path, out: Path, terminal: Terminal) -> Path:
    """Write the page of a sweep folder; its figures and claims go into the folder, wherever the page goes."""
    from spiking_pvae.plots.sweep import pixels_of, sweep_drawings
    from spiking_pvae.plots.write import save_all
    from spiking_pvae.report.sweep_page import sweep_page
    from spiking_pvae.storage import read_json, write_json, write_text
    from spiking_pvae.sweep.claims import judge
    from spiking_pvae.sweep.prices import kept_prices
    from spiking_pvae.sweep.results import TABLE, read_table

    manifest, rows = read_json(folder / "sweep.json"), read_table(folder / TABLE)
    if not any(row["status"] == "done" for row in rows):
        raise InputError("report", given=f"{folder}, without a finished point", allowed="a sweep with one at least")
    terminal.say("Drawing the figures")
    drawings = sweep_drawings(rows, kept_prices(folder, manifest["sweep"]["hardware"]), pixels_of(folder, rows))
    save_all(drawings, folder / FIGURES)
    claims = judge(rows)
    write_json(folder / "claims.json", {"claims": [claim.to_json() for claim in claims]})
    data = manifest["data"]
    provenance = {
        **versions(),
        "data": f"{data['name']}: {data['source']}",
        "data licence": data["licence"] or "not stated",
        "data fingerprint": data["fingerprint"],
        "settings": ", ".join(f"{key} {value}" for key, value in manifest["sweep"].items()),
        "version of the sweep": manifest["version"],
    }
    write_text(out, sweep_page(rows, claims, drawings, provenance))
    return out


def versions() -> dict[str, str]:
    """Return the versions behind a report."""
    import numpy
    import torch

    from spiking_pvae.version import __version__

    return {
        "spiking-pvae": __version__,
        "Python, torch, numpy": f"{platform.python_version()}, {torch.__version__}, {numpy.__version__}",
        "platform": platform.platform(),
    }
