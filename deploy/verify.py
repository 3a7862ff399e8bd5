"""Verify: every backend that is installed, on the same inputs, against the reference."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from spiking_pvae.deploy.backends import BACKENDS, VerifyBackend
from spiking_pvae.deploy.compare import Comparison, combine, compare
from spiking_pvae.deploy.exporters.golden import read_golden
from spiking_pvae.deploy.exporters.manifest import Manifest, read_manifest
from spiking_pvae.deploy.exporters.traces import Int64
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.loaders import LOADERS
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import BackendError, InputError, LimitError, UnsupportedError

CHUNK = 250
"""Samples at once: spike trains of every step are kept."""
Status = Literal["equal", "different", "missing", "unsupported", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a backend did in one schedule.

    Parameters
    ----------
    name : str
    version : str, optional
        None where it, or what its files are written with, is not installed.
    schedule : {"graded", "unary", "streaming"}, optional
        None where it did not run.
    status : {"equal", "different", "missing", "unsupported", "failed"}
    comparison : Comparison
    reason : str
        The command that installs a missing backend, why the network does not fit, or how the backend ended.
    """

    name: str
    version: str | None
    schedule: Schedule | None
    status: Status
    comparison: Comparison
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        first = self.comparison.first
        return {
            "name": self.name,
            "version": self.version,
            "schedule": self.schedule,
            "status": self.status,
            "samples": self.comparison.samples,
            "compared": self.comparison.compared,
            "mismatches": self.comparison.mismatches,
            "first_difference": None if first is None else first.to_json(),
            "reason": self.reason,
        }


def run_backend(
    backend: VerifyBackend, network: Network, messages: Int64, *, seed: int, schedule: Schedule, steps: int
) -> Verdict:
    """Run one installed backend in one schedule."""
    messages = messages[: backend.most_samples]
    parts: list[Comparison] = []
    status: Status | None = None
    reason = ""
    with tempfile.TemporaryDirectory(prefix="spiking-pvae-") as folder:
        try:
            runner = backend.prepare(network, Path(folder), schedule=schedule, steps=steps)
            for start in range(0, len(messages), CHUNK):
                part = messages[start : start + CHUNK]
                wanted = backend.expect(network, part, seed=seed, first_sample=start, schedule=schedule, steps=steps)
                parts.append(compare(wanted, runner(part, seed=seed, first_sample=start), first_sample=start))
        except BackendError as error:
            status, reason = "failed", str(error)
        except (UnsupportedError, LimitError) as error:
            status, reason = "unsupported", str(error)
    total = combine(parts, ["input", *(layer.name for layer in network.layers)])
    return Verdict(
        name=backend.name,
        version=backend.version(),
        schedule=schedule,
        status=status or ("different" if total.mismatches else "equal"),
        comparison=total,
        reason=reason,
    )


def verify(
    network: Network,
    messages: Int64,
    *,
    seed: int = 0,
    backends: Sequence[VerifyBackend] = BACKENDS,
    schedules: Sequence[Schedule] = ("graded", "unary", "streaming"),
    steps: int = 32,
    report: Callable[[str], None] | None = None,
) -> tuple[Verdict, ...]:
    """Run every backend that is installed, in every schedule it knows.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
        Encoded images.
    seed : int
        Seed of the latents' draws.
    backends : sequence of VerifyBackend
    schedules : sequence of {"graded", "unary", "streaming"}
    steps : int
        Steps of a firing phase in the unary schedule, of an image in the streaming one.
    report : callable, optional
        Called with what runs next.

    Returns
    -------
    tuple of Verdict
        One a backend and schedule; one a missing backend.
    """
    verdicts = []
    for backend in backends:
        if (command := backend.missing()) is not None:
            verdicts.append(
                Verdict(
                    name=backend.name,
                    version=None,
                    schedule=None,
                    status="missing",
                    comparison=Comparison(),
                    reason=command,
                )
            )
            continue
        for schedule in schedules:
            if schedule in backend.schedules:
                if report is not None:
                    report(f"{backend.name}, {schedule}: {backend.about}")
                verdicts.append(run_backend(backend, network, messages, seed=seed, schedule=schedule, steps=steps))
    return tuple(verdicts)


def verify_export(folder: Path) -> tuple[Manifest, Comparison]:
    """Read an export back and run its golden messages.

    Raises
    ------
    InputError
        There is no export, or its target has no reader here.
    DamagedFileError
        A file is truncated, edited, foreign or of another version.
    """
    manifest = read_manifest(folder)
    if manifest.target not in LOADERS:
        raise InputError(
            "export", given=f"target {manifest.target}", allowed=f"a target with a reader: {list(LOADERS)}"
        )
    golden = read_golden(folder, manifest.layers)
    runner = LOADERS[manifest.target](folder, manifest)
    return manifest, compare(golden.traces, runner(golden.messages, seed=golden.seed, first_sample=0))
