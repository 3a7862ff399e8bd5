"""``spiking-pvae verify``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import tyro
from rich.text import Text

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.types import Split

RANDOM = "random"
"""Messages instead of data."""


@dataclass(frozen=True, kw_only=True)
class Verify(Command):
    """Run a network on every backend that is installed and compare each integer with the reference's.

    An export folder is read back instead and compared with its golden traces.

    Example: spiking-pvae verify runs/first-network --samples 1000
    """

    network: tyro.conf.Positional[Path]
    """Network folder, or export folder."""
    backends: tuple[str, ...] = ("all",)
    """Names of backends (spiking-pvae doctor lists them), or all."""
    require: tuple[str, ...] = ()
    """Backends that must not be missing; or all."""
    data: str | None = None
    """Data set or path; what the network was made for if not given. With `random`, or where it does not say, random
    messages over the whole input range."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    split: Split = "val"
    """Which images."""
    samples: int = 100
    """Inferences; slow backends take fewer."""
    seed: int = 0
    """Seed of the latents' draws, and of random messages."""
    schedules: tuple[Schedule, ...] = ("graded", "unary", "streaming")
    """Schedules to run, of those that a backend knows."""
    steps: int = 32
    """Steps T of a firing phase in the unary schedule, of an image in the streaming one."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Run, compare and print."""
        from spiking_pvae.deploy.exporters.manifest import KIND
        from spiking_pvae.storage import read_json

        manifest = self.network / "manifest.json"
        if manifest.is_file() and read_json(manifest).get("format") == KIND:
            return self._golden(terminal)
        return self._backends(terminal)

    def exit_code(self, result: Mapping[str, Any]) -> int:
        """Return 1 on a difference or a failure, or where a required backend is missing."""
        return 0 if result["passed"] else 1

    def _golden(self, terminal: Terminal) -> dict[str, Any]:
        from spiking_pvae.deploy.verify import verify_export

        manifest, comparison = verify_export(self.network)
        backend = {
            "name": manifest.target,
            "version": None,
            "schedule": manifest.schedule,
            "status": "different" if comparison.mismatches else "equal",
            "samples": comparison.samples,
            "compared": comparison.compared,
            "mismatches": comparison.mismatches,
            "first_difference": None if comparison.first is None else comparison.first.to_json(),
            "reason": "",
        }
        result = {"passed": comparison.mismatches == 0, "backends": [backend]}
        terminal.emit(result, *summary(f"{self.network}: export against its golden traces", result))
        return result

    def _backends(self, terminal: Terminal) -> dict[str, Any]:
        from spiking_pvae.deploy.backends import chosen
        from spiking_pvae.deploy.export import random_messages
        from spiking_pvae.deploy.files import load_network
        from spiking_pvae.deploy.verify import verify

        backends, required = chosen(self.backends), {backend.name for backend in chosen(self.require)}
        network = load_network(self.network)
        data = self.data or network.data or RANDOM
        if data == RANDOM:
            messages = random_messages(network, self.samples, self.seed)
        else:
            images = load_data(data, self.data_folder, terminal).split(self.split).images
            messages = network.input.encode(images[: self.samples])
        verdicts = verify(
            network,
            messages,
            seed=self.seed,
            backends=backends,
            schedules=self.schedules,
            steps=self.steps,
            report=terminal.say,
        )
        failed = any(
            verdict.status in {"different", "failed"} or (verdict.name in required and verdict.status == "missing")
            for verdict in verdicts
        )
        result = {
            "passed": not failed,
            "data": data,
            "seed": self.seed,
            "steps": self.steps,
            "backends": [verdict.to_json() for verdict in verdicts],
            "schedules": {backend.name: list(backend.schedules) for backend in backends},
        }
        terminal.emit(result, *summary(f"{self.network}: backends against the reference", result))
        return result


def summary(title: str, result: dict[str, Any]) -> tuple[Any, ...]:
    """Build the table of a verification and, below it, what a row has no room for."""
    rows = []
    remarks: dict[str, list[str]] = {}
    for backend in result["backends"]:
        first = backend["first_difference"]
        remark = backend["reason"]
        if first is not None:
            remark = (
                f"first: layer '{first['layer']}', {first['quantity']} of neuron {first['neuron']}, "
                f"step {first['step']}, sample {first['sample']}: expected {first['expected']}, got {first['got']}"
            )
        if remark:
            what = f"{backend['name']} {backend['schedule'] or ''}".rstrip()
            remarks.setdefault(f"{backend['status']}: {remark}", []).append(what)
        rows.append(
            (
                backend["name"],
                backend["schedule"] or "",
                backend["status"],
                f"{backend['samples']:,}",
                f"{backend['compared']:,}",
                f"{backend['mismatches']:,}",
            )
        )
    columns = ("backend", "schedule", "status", "inferences", "compared", "mismatches")
    lines = [f"{', '.join(names)} {remark}" for remark, names in remarks.items()] + unknown_schedules(result)
    return (table(title, columns, rows), *map(Text, lines))


def unknown_schedules(result: dict[str, Any]) -> list[str]:
    """Say which schedules the backends that ran do not know."""
    ran = {backend["name"] for backend in result["backends"] if backend["schedule"]}
    lacking: dict[str, list[str]] = {}
    for name, known in result.get("schedules", {}).items():
        if name in ran and (others := [schedule for schedule in get_args(Schedule) if schedule not in known]):
            lacking.setdefault(" or ".join(others), []).append(name)
    return [f"no {schedules} schedule: {', '.join(names)}" for schedules, names in lacking.items()]
