"""``spiking-pvae sweep``."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.errors import InputError
from spiking_pvae.quantities import duration
from spiking_pvae.sweep.grid import PRESETS, Family, PresetName, SweepConfig

WORKERS = 2

Value = TypeVar("Value")
Preset = Annotated[Value | None, tyro.conf.arg(help_behavior_hint="(default: the preset's)")]
"""An option that takes the place of a value of the chosen preset."""


@dataclass(frozen=True, kw_only=True)
class Sweep(Command):
    """Train a grid of models over beta and K, price each, and test the paper's claims on the table.

    The same command on the same folder goes on after a stop. Options override the preset's values.

    Example: spiking-pvae sweep --preset quick --out sweeps/quick
    """

    out: Path
    """Folder to write."""
    preset: PresetName = "quick"
    """Grid: `quick` (3 K) or `metabolic-cost` (the paper's 11 K)."""
    data: str = "natural"
    """Name of a data set (spiking-pvae data) or a path."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    models: Preset[tuple[Family, ...]] = None
    """Families of models."""
    latents: Preset[tuple[int, ...]] = None
    """Numbers of latents K."""
    betas: Preset[tuple[float, ...]] = None
    """Weights of the KL."""
    seeds: Preset[tuple[int, ...]] = None
    """Seeds."""
    first_epochs: Preset[int] = None
    """Epochs of the first point of a curve along beta."""
    next_epochs: Preset[int] = None
    """Epochs of each further point, which starts from the one before."""
    last_epochs: Preset[int] = None
    """Epochs of the last point of a curve, at the largest beta."""
    cold_latents: Preset[tuple[int, ...]] = None
    """K at which points are also trained from scratch, as a check."""
    cold_betas: Preset[tuple[float, ...]] = None
    """Betas at which that is done."""
    cold_epochs: Preset[int] = None
    """Epochs of a check."""
    batch_size: Preset[int] = None
    """Images a step."""
    samples: Preset[int] = None
    """Held-out images that each integer network is simulated with."""
    hardware: Preset[str] = None
    """Name of an energy preset (spiking-pvae hardware) or path of a TOML file."""
    workers: Annotated[int | None, tyro.conf.arg(help_behavior_hint=f"(default: {WORKERS})")] = None
    """Processes of this machine at a time, of one thread each."""
    scheduler: str | None = None
    """Address of a Dask scheduler whose workers do the work instead."""
    retry: bool = False
    """Try the points again that failed before."""
    force: bool = False
    """Start anew in a folder that holds files."""

    def config(self) -> SweepConfig:
        """Return the preset with what was given in its place."""
        preset = PRESETS[self.preset]
        values = {item.name: getattr(self, item.name) for item in fields(SweepConfig)}
        chosen = {name: getattr(preset, name) if value is None else value for name, value in values.items()}
        for checks, grid in (("cold_latents", "latents"), ("cold_betas", "betas")):
            if values[checks] is None:  # the preset's checks, as far as they lie on the grid
                chosen[checks] = tuple(value for value in chosen[checks] if value in chosen[grid])
        return SweepConfig(**chosen)

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Run the sweep and print what became of it."""
        from spiking_pvae.sweep.engine import check_options, run_sweep
        from spiking_pvae.sweep.grid import curves, points
        from spiking_pvae.sweep.results import collect

        if self.scheduler is not None and self.workers is not None:
            raise InputError("workers", given=self.workers, allowed="a number of processes, without --scheduler")
        config, workers = self.config(), WORKERS if self.workers is None else self.workers
        check_options(config, self.out, workers=workers, scheduler=self.scheduler, force=self.force)
        dataset = load_data(self.data, self.data_folder, terminal)
        total = len(points(config))
        terminal.say(f"Sweep of {total} points on {len(curves(config))} curves, into {self.out}")
        cpu = time.process_time()
        with terminal.progress("points", total) as tick:
            try:
                result = run_sweep(
                    config,
                    dataset,
                    self.out,
                    workers=workers,
                    scheduler=self.scheduler,
                    force=self.force,
                    retry=self.retry,
                    report=lambda done, _: tick(done),
                )
            except KeyboardInterrupt:
                kept = len(collect(self.out, config))
                way = ", without --force," if self.force else ""
                terminal.say(f"Stopped: {kept} of {total} points are kept. The same command{way} goes on.")
                raise
        from spiking_pvae.cli.report import write_sweep_report

        report = None
        if result.done:
            report = str(write_sweep_report(self.out, self.out / "report.html", terminal))
        printed = {
            "report": report,
            "out": str(self.out),
            "points": total,
            "done": result.done,
            "failed": len(result.outcomes) - result.done,
            "seconds": result.seconds,
            "cpu_seconds": sum(o.cpu_seconds for o in result.outcomes) + time.process_time() - cpu,
            "tables": [str(path) for path in result.tables],
            "failures": [{"point": o.point.folder, "reason": o.reason} for o in result.outcomes if not o.done],
        }
        terminal.emit(printed, summary(printed))
        return printed


def summary(result: dict[str, Any]) -> Any:
    """Build the table of a sweep."""
    rows = [
        ("points done", f"{result['done']} of {result['points']}"),
        ("time", duration(result["seconds"])),
        ("processor time of the points", duration(result["cpu_seconds"])),
        *((f"failed: {each['point']}", each["reason"]) for each in result["failures"]),
        *(("table", path) for path in result["tables"]),
        ("report", result["report"] or "none: no point was reached"),
    ]
    return table("Sweep", ("", "value"), rows)
