"""``spiking-pvae verify``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import tyro
from rich.text import Text

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import InputError
from spiking_pvae.types import Split

if TYPE_CHECKING:
    from spiking_pvae.deploy.backends import VerifyBackend
    from spiking_pvae.deploy.verify import Verdict

ALL = ("all",)
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
    backends: tuple[str, ...] = ALL
    """Names of backends (spiking-pvae doctor lists them), or all."""
    require: tuple[str, ...] = ()
    """Backends that are run too and must be equal in a schedule at least; or all, of which none may be missing."""
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
        """Return 1 on a difference or a failure, where nothing was equal, or where a requirement is not met."""
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

        if self.samples < 1:
            raise InputError("samples", given=self.samples, allowed="an integer of at least 1")
        backends, required = chosen(self.backends), chosen(self.require)
        backends += tuple(backend for backend in required if backend not in backends)
        named = required if self.require != ALL else ()
        self.require_schedules(backends, named)
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
        unmet = unmet_requirements(
            verdicts, present=[backend.name for backend in required], equal=[backend.name for backend in named]
        )
        statuses = {verdict.status for verdict in verdicts}
        result = {
            "passed": not unmet and "equal" in statuses and not statuses & {"different", "failed"},
            "unmet": unmet,
            "data": data,
            "seed": self.seed,
            "steps": self.steps,
            "backends": [verdict.to_json() for verdict in verdicts],
            "schedules": {backend.name: list(backend.schedules) for backend in backends},
        }
        terminal.emit(result, *summary(f"{self.network}: backends against the reference", result))
        return result

    def require_schedules(self, backends: Sequence[VerifyBackend], named: Sequence[VerifyBackend]) -> None:
        """Refuse schedules that no backend knows, or that a backend required by name does not know any of."""
        for group in (backends, *((backend,) for backend in named)):
            known = [schedule for schedule in get_args(Schedule) if any(schedule in each.schedules for each in group)]
            if not set(known) & set(self.schedules):
                names = ", ".join(backend.name for backend in group)
                raise InputError(
                    "schedules", given=", ".join(self.schedules) or "none", allowed=f"{', '.join(known)} for {names}"
                )


def unmet_requirements(verdicts: Sequence[Verdict], *, present: Sequence[str], equal: Sequence[str]) -> list[str]:
    """Return the backends that are missing of those to be present, and those to be equal that are so nowhere."""
    missing = {verdict.name for verdict in verdicts if verdict.status == "missing"}
    compared = {verdict.name for verdict in verdicts if verdict.status == "equal"}
    return [name for name in present if name in missing or (name in equal and name not in compared)]


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
    if unmet := result.get("unmet"):
        lines.append(f"required, but equal in no schedule: {', '.join(unmet)}")
    return (table(title, columns, rows), *map(Text, lines))


def unknown_schedules(result: dict[str, Any]) -> list[str]:
    """Say which schedules the backends that ran do not know."""
    ran = {backend["name"] for backend in result["backends"] if backend["schedule"]}
    lacking: dict[str, list[str]] = {}
    for name, known in result.get("schedules", {}).items():
        if name in ran and (others := [schedule for schedule in get_args(Schedule) if schedule not in known]):
            lacking.setdefault(" or ".join(others), []).append(name)
    return [f"no {schedules} schedule: {', '.join(names)}" for schedules, names in lacking.items()]
