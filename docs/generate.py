"""Pages made from the package: public names, commands, energy presets, data sets."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from benchmark_tables import benchmarks  # the file beside this one

if TYPE_CHECKING:
    from spiking_pvae.plots.style import Drawing

PACKAGES = {
    "spiking_pvae": "Models, training and evaluation",
    "spiking_pvae.data": "Data",
    "spiking_pvae.deploy": "Integer network and simulation",
    "spiking_pvae.energy": "Energy",
}


FURTHER = {
    "Probes, spike rasters, exports, verification": (
        "deploy.backends.VerifyBackend",
        "deploy.backends.chosen",
        "deploy.export.export",
        "deploy.export.random_messages",
        "deploy.probe_plots.draw_probe",
        "deploy.probe_plots.draw_raster",
        "deploy.probes.ProbeTrace",
        "deploy.probes.probe",
        "deploy.raster.RasterNetwork",
        "deploy.raster.RasterOutput",
        "deploy.verify.Verdict",
        "deploy.verify.verify",
        "deploy.verify.verify_export",
    ),
    "Sweeps and their figures": (
        "plots.curves.figure_4",
        "plots.curves.figure_5",
        "plots.curves.front",
        "plots.curves.pie",
        "plots.theory.figure_1",
        "plots.theory.figure_2",
        "plots.theory.figure_3",
        "sweep.claims.Claim",
        "sweep.claims.judge",
        "sweep.engine.SweepResult",
        "sweep.engine.run_sweep",
        "sweep.grid.Point",
        "sweep.grid.SweepConfig",
        "sweep.results.read_table",
    ),
}
"""Names to import from the modules that define them."""


def api() -> str:
    """Autosummary tables of every public name, by the module that defines it."""
    parts = []
    for package, title in PACKAGES.items():
        module = import_module(package)
        homes = []
        for name in module.__all__:
            value = getattr(module, name)
            home = getattr(value, "__module__", None)
            if (
                not isinstance(value, ModuleType)
                and isinstance(home, str)
                and home.startswith("spiking_pvae")
                and hasattr(value, "__name__")
            ):
                homes.append(f"   {home}.{name}")
        listing = "\n".join(sorted(homes))
        parts.append(
            f"{title}\n{'-' * len(title)}\n\n``import {package}``\n\n.. autosummary::\n   :toctree: api\n\n{listing}\n"
        )
    for title, names in FURTHER.items():
        listing = "\n".join(f"   spiking_pvae.{name}" for name in names)
        parts.append(f"{title}\n{'-' * len(title)}\n\n.. autosummary::\n   :toctree: api\n\n{listing}\n")
    title = "Python reference"
    intro = "Names are loaded on first use. Everything that travels between functions is a frozen value."
    return "\n".join([title, "=" * len(title), "", intro, "", *parts])


def commands() -> str:
    """Help text of every command, as the program prints it."""
    os.environ["COLUMNS"] = "100"  # the width at which the help is laid out
    from spiking_pvae.cli.main import COMMANDS
    from spiking_pvae.cli.parsing import parse

    parts = []
    for name, (kind_name, what) in COMMANDS.items():
        kind = getattr(import_module(f"spiking_pvae.cli.{name}"), kind_name)
        text = io.StringIO()
        with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
            parse(kind, name, ["--help"])
        parts.append(f"## {name}\n\n{what[0].upper()}{what[1:]}.\n\n```text\n{_stripped(text.getvalue())}\n```\n")
    return "\n".join(parts)


def energy_sources() -> str:
    """One section a preset, with the source and evidence of every coefficient."""
    from spiking_pvae.energy import list_presets, load_preset

    parts = []
    for name in list_presets():
        preset = load_preset(name)
        rows = [
            f"| `{term}` | {c.value:g} | {c.low:g} .. {c.high:g} | {c.unit} | {c.evidence} "
            f"| {_cell(c.source)}; {_cell(c.table)} |"
            for term, c in {**preset.terms, **preset.listed}.items()
        ]
        left_out = [f"- `{term}` is not counted: {reason}" for term, reason in preset.not_counted.items()]
        notes = [f"- {note}" for note in preset.notes]
        read = dict.fromkeys(c.seen for c in {**preset.terms, **preset.listed}.values() if c.seen)
        notes += [f"- What was read: {_cell(text)}" for text in read]
        notes += [f"- `{term}` follows bit widths: {_cell(split.source)}" for term, split in preset.widths.items()]
        table = ["| term | value | low .. high | unit | evidence | source |", "|---|---|---|---|---|---|", *rows]
        lines = [f"## {name}", "", f"**{preset.title}** {preset.description}", "", f"Source: {preset.source}", ""]
        parts.append("\n".join([*lines, *table, "", *left_out, *notes, ""]))
    return "\n".join(parts)


def data_sets() -> str:
    """Table of the data sets."""
    from spiking_pvae.data import catalog

    rows = [f"| `{e.name}` | {_cell(e.description)} | {_cell(e.licence)} |" for e in catalog()]
    return "\n".join(["| name | what | licence |", "|---|---|---|", *rows, ""])


def sweep_results(folder: Path, results: Path) -> str:
    """Judge the tables of sweeps kept in `results`, and draw their figures, each with the machine and the time it took.

    Figures 1 to 3, which need no table but prices and a fan-out, are drawn once for each pair of these.
    """
    from spiking_pvae.plots.sweep import sweep_drawings
    from spiking_pvae.sweep.claims import judge
    from spiking_pvae.sweep.prices import kept_prices
    from spiking_pvae.sweep.results import TABLE, read_table

    parts, theory = [], {}
    for kept in sorted(results.glob(f"*/{TABLE}")):
        rows, about = read_table(kept), json.loads((kept.parent / "about.json").read_text(encoding="utf-8"))
        name = kept.parent.name
        hardware, pixels = about["hardware"], int(about["pixels of an image"])
        drawings = sweep_drawings(rows, kept_prices(kept.parent, hardware), pixels)
        theory.setdefault((hardware, pixels), drawings["theory"])
        claims = [f"| {_cell(c.statement)} | {c.verdict} | {_cell(c.finding)} |" for c in judge(rows)]
        facts = [f"- {key}: {value}" for key, value in about.items()]
        table = ["| claim | verdict | by which number |", "|---|---|---|", *claims]
        shown = _figures([*drawings["results"], *drawings["front"]], folder, name)
        parts.append("\n".join([f"## {name}", "", *facts, "", *table, "", *shown]))
    for (hardware, pixels), drawings in theory.items():
        name = f"theory-{hardware}-{pixels}"
        told = f"Joules are those of a message and its {pixels} synaptic operations on `{hardware}`, hops left out."
        heads = ["## The figures that need no model", "", told, ""]
        parts.append("\n".join([*heads, *_figures(drawings, folder, name)]))
    return "\n".join(parts)


def _figures(drawings: Sequence[Drawing], folder: Path, name: str) -> list[str]:
    """Draw figures for a page and return the lines that show them."""
    from spiking_pvae.plots.write import save

    lines = []
    for drawing in drawings:
        png, _ = save(drawing, folder / "figures" / name)
        lines.append(f"![{drawing.text}](_generated/figures/{name}/{png.name})\n")
    return lines


def changelog() -> str:
    """Return the changes without their title."""
    path = Path(__file__).parents[1] / "CHANGELOG.md"
    return path.read_text(encoding="utf-8").partition("\n")[2] if path.exists() else "None yet.\n"


def _stripped(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def write(folder: Path) -> None:
    """Write all pages into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    pages = {
        "../api.rst": api(),  # a page of its own, for autosummary looks for its tables in whole pages only
        "commands.md": commands(),
        "energy-sources.md": energy_sources(),
        "data-sets.md": data_sets(),
        "changelog.md": changelog(),
        "results.md": sweep_results(folder, Path(__file__).parent / "results"),
        "benchmarks.md": benchmarks(),
    }
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
