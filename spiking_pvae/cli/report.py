"""``spiking-pvae report``."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.energy import DEFAULT_HARDWARE
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.errors import InputError

if TYPE_CHECKING:
    from spiking_pvae.checkpoint import Run
    from spiking_pvae.energy import Preset
    from spiking_pvae.types import Dataset

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
    hardware: str | None = None
    """For a run: name of an energy preset (spiking-pvae hardware) or path of a TOML file; loihi_davies2018 if not
    given."""
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
            for option, value in (("hardware", self.hardware), ("data-folder", self.data_folder)):
                if value is not None:
                    raise InputError(
                        option,
                        given=f"'{value}', for a sweep",
                        allowed="an option of runs",
                        remedy="A sweep's report is made from its table. Leave the option out.",
                    )
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
    """Write the page of a run folder."""
    from spiking_pvae.checkpoint import load_run
    from spiking_pvae.energy import load_preset
    from spiking_pvae.model import PoissonVAE
    from spiking_pvae.storage import write_text

    preset = load_preset(options.hardware or DEFAULT_HARDWARE)
    run = load_run(options.source)
    dataset = load_data(run.data, options.data_folder, terminal)
    page = _page_of_counts if isinstance(run.model, PoissonVAE) else _page_of_activities
    text = page(options, run, dataset, preset, terminal)
    write_text(out, text)
    return out


def _page_of_counts(options: Report, run: Run, dataset: Dataset, preset: Preset, terminal: Terminal) -> str:
    """Return the page of a Poisson run; what `spiking-pvae run` left in its folder is used, the rest is computed."""
    from spiking_pvae.deploy import convert, simulate
    from spiking_pvae.deploy.files import is_recording, load_network, load_recording
    from spiking_pvae.energy import estimate
    from spiking_pvae.report.run_page import RunResults, run_page

    if is_recording(options.source / "record"):
        network, record = load_recording(options.source / "record")
    else:
        stored = options.source / "network"
        network = load_network(stored) if stored.is_dir() else convert(run.model, dataset.calibration())
        terminal.say(f"Simulating {len(dataset.validation)} images")
        record = simulate(network, dataset.validation.images)
    results = RunResults(
        name=options.source.resolve().name,
        run=run,
        dataset=dataset,
        network=network,
        record=record,
        energy=estimate(network, record, preset),
        provenance=provenance(options.source),
    )
    terminal.say("Writing the report")
    return run_page(results)


def _page_of_activities(options: Report, run: Run, dataset: Dataset, preset: Preset, terminal: Terminal) -> str:
    """Return the page of a run whose latents are not counts; with energy where it is linear, or was asked for."""
    from spiking_pvae.report.activity_page import SHOWN, ActivityResults, activity_page
    from spiking_pvae.sweep.measure import drawn_energy, is_linear

    priced = is_linear(run.model) or options.hardware is not None
    images = dataset.validation.images[:SHOWN]
    results = ActivityResults(
        name=options.source.resolve().name,
        run=run,
        dataset=dataset,
        energy=drawn_energy(run.model, dataset, preset, images) if priced else None,
        provenance=provenance(options.source),
    )
    terminal.say("Writing the report")
    return activity_page(results)


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
        "sha256 of the table": hashlib.sha256((folder / TABLE).read_bytes()).hexdigest(),
    }
    write_text(out, sweep_page(rows, claims, drawings, provenance))
    return out


def provenance(run: Path) -> dict[str, str]:
    """Return the versions behind a run's report, and the hash of its weights."""
    from spiking_pvae.storage import read_json

    return {**versions(), "sha256 of the weights": str(read_json(run / "run.json")["model_sha256"])}


def versions() -> dict[str, str]:
    """Return the versions behind a report."""
    from importlib.metadata import version

    from spiking_pvae.version import __version__

    packages = ("torch", "numpy", "numba")
    return {
        "spiking-pvae": __version__,
        f"Python, {', '.join(packages)}": ", ".join([platform.python_version(), *map(version, packages)]),
        "platform": platform.platform(),
    }
