"""A sweep from its settings to its table."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spiking_pvae.checkpoint import prepare_folder, require_empty
from spiking_pvae.dask_client import require_address
from spiking_pvae.energy import load_preset
from spiking_pvae.errors import InputError
from spiking_pvae.resuming import changes
from spiking_pvae.storage import read_json, write_json
from spiking_pvae.sweep.cluster import run_cluster
from spiking_pvae.sweep.grid import Curve, SweepConfig, curves, points
from spiking_pvae.sweep.job import Job
from spiking_pvae.sweep.local import run_local
from spiking_pvae.sweep.prices import keep_prices, prices_of
from spiking_pvae.sweep.results import POINT_FILE, TABLES, Outcome, collect, write_table
from spiking_pvae.types import Dataset
from spiking_pvae.version import __version__

SWEEP_KIND = "spiking-pvae sweep 1"
MANIFEST = "sweep.json"
CALLS = "calls.jsonl"
"""Lines of the calls that worked on the sweep: one at the start of each, and one at its end with how long it took."""

Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepResult:
    """A finished sweep.

    Parameters
    ----------
    out : Path
        Its folder.
    outcomes : tuple of Outcome
        In the order of the grid.
    tables : tuple of Path
        Files of the results table.
    seconds : float
        Wall time of this call.
    """

    out: Path
    outcomes: tuple[Outcome, ...]
    tables: tuple[Path, ...]
    seconds: float

    @property
    def done(self) -> int:
        """Points that were reached."""
        return sum(outcome.done for outcome in self.outcomes)


def require_usable(out: Path, *, force: bool) -> None:
    """Refuse a folder that holds something else than a sweep, before any work is done.

    Raises
    ------
    InputError
        It does, and `force` is not set.
    """
    if not (out / MANIFEST).is_file():
        require_empty(out, force=force)


def _settings(job: Job) -> dict[str, Any]:
    """Collect what identifies a sweep, as JSON values."""
    data, prices = job.dataset, prices_of(job.config.hardware)
    settings = {
        "format": SWEEP_KIND,
        "sweep": {**json.loads(json.dumps(asdict(job.config))), "hardware": prices.hardware},  # tuples as JSON has them
        "data": {"name": data.name, "fingerprint": data.fingerprint, "source": data.source, "licence": data.licence},
    }
    return settings if prices.sha256 is None else {**settings, "hardware": {"sha256": prices.sha256}}


def _forget(out: Path) -> None:
    """Take away the points of a sweep, whatever its grid, with all that was made of them."""
    for curve in out.glob("points/*-K*-seed*"):
        shutil.rmtree(curve)
    for name in (*TABLES, CALLS):
        (out / name).unlink(missing_ok=True)


def prepare_sweep(job: Job, *, force: bool = False, retry: bool = False) -> None:
    """Make a folder ready for a sweep: new, or that of the same sweep, which then goes on.

    Parameters
    ----------
    job : Job
    force : bool
        Forget whatever the folder holds of a sweep.
    retry : bool
        Forget the failures of before, so that they are tried again.

    Raises
    ------
    InputError
        The folder holds something else, or a sweep of other settings or data.
    """
    out, settings = job.out, _settings(job)
    if (out / MANIFEST).is_file() and not force:
        found = read_json(out / MANIFEST)
        if changed := changes({key: found.get(key) for key in settings}, settings):
            raise InputError(
                "output",
                given=f"{out}, which holds a sweep of other settings or data ({changed})",
                allowed="a new folder, or that of the same sweep",
                remedy="Give the options of that sweep, or choose another --out.",
            )
        keep_prices(job.config.hardware, out)
    else:
        prepare_folder(out, force=force)
        if force:
            _forget(out)
        keep_prices(job.config.hardware, out)
        write_json(out / MANIFEST, {**settings, "version": __version__})
    for outcome in collect(out, job.config) if retry else ():
        if not outcome.done:
            (job.folder(outcome.point) / POINT_FILE).unlink()


@contextmanager
def _noted(out: Path, workers: int | None, since: float) -> Iterator[None]:
    """Add a line when a call starts and one when it ends; a killed one leaves the first alone."""

    def note(**values: object) -> None:
        with (out / CALLS).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"started": started, **values, "workers": workers}) + "\n")

    started = datetime.now(tz=UTC).isoformat(timespec="microseconds")
    note()
    try:
        yield
    finally:
        note(ended=datetime.now(tz=UTC).isoformat(timespec="seconds"), seconds=time.perf_counter() - since)


def check_options(config: SweepConfig, out: Path, *, workers: int, scheduler: str | None, force: bool) -> None:
    """Refuse what can be known to be wrong without the data: who does the work, the prices, the folder."""
    if scheduler is not None:
        require_address(scheduler)
    if workers < 1:
        raise InputError("workers", given=workers, allowed="an integer of at least 1")
    load_preset(config.hardware)
    require_usable(out, force=force)


def _progress(chains: Sequence[Curve], job: Job, report: Report | None) -> Callable[[], None]:
    total = sum(map(len, chains))
    told = -1

    def tell() -> None:
        nonlocal told
        done = total - sum(map(job.unfinished, chains))
        if report is not None and done != told:
            report(done, total)
            told = done

    return tell


def run_sweep(
    config: SweepConfig,
    dataset: Dataset,
    out: Path,
    *,
    workers: int = 2,
    scheduler: str | None = None,
    force: bool = False,
    retry: bool = False,
    report: Report | None = None,
) -> SweepResult:
    """Go through a grid, or on with it after a stop, and write its table; that of the points so far when stopped.

    Parameters
    ----------
    config : SweepConfig
    dataset : Dataset
    out : Path
        Folder of the sweep.
    workers : int
        Processes of this machine at a time.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers do the work instead.
    force : bool
        Start anew in a folder that holds files.
    retry : bool
        Try the points again that failed before.
    report : callable, optional
        Called with the points finished and all points.
    """
    check_options(config, out, workers=workers, scheduler=scheduler, force=force)
    started = time.perf_counter()
    job = Job(config=config, dataset=dataset, out=out.absolute())
    prepare_sweep(job, force=force, retry=retry)
    chains = curves(config)
    tell = _progress(chains, job, report)
    try:
        with _noted(job.out, workers if scheduler is None else None, started):
            if scheduler is None:
                run_local(chains, job, workers, tell)
            else:
                run_cluster(chains, job, scheduler, tell)
    finally:
        outcomes = collect(job.out, config)
        finished = {outcome.point for outcome in outcomes}
        tables = write_table(job.out, outcomes, [point for point in points(config) if point not in finished])
    return SweepResult(
        out=job.out,
        outcomes=tuple(outcomes),
        tables=tables,
        seconds=time.perf_counter() - started,
    )
