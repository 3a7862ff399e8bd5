"""The backends that `verify` knows: what each needs, which schedules it runs and how it is set going.

A backend is one entry of `BACKENDS`. Everything that needs an optional package is imported when it is prepared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from spiking_pvae.deploy import loaders
from spiking_pvae.deploy.expected import as_traces, expected
from spiking_pvae.deploy.export import Expect, expectation, write_files
from spiking_pvae.deploy.exporters.manifest import Manifest
from spiking_pvae.deploy.exporters.targets import INSTALL, target
from spiking_pvae.deploy.exporters.traces import Int64, Runner, Traces
from spiking_pvae.deploy.hosts import LAVA, SANAFE
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.deploy.simulate import BackendName
from spiking_pvae.errors import InputError
from spiking_pvae.version import __version__

SCHEDULES: tuple[Schedule, ...] = ("graded", "unary")


class Prepare(Protocol):
    """Makes a network ready to run, by way of files in an empty folder where the backend reads files."""

    def __call__(self, network: Network, folder: Path, *, schedule: Schedule, steps: int) -> Runner:
        """Return what runs it."""


def distribution_version(name: str) -> str | None:
    """Return the version of a distribution, or None where it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyBackend:
    """One backend.

    Parameters
    ----------
    name : str
    about : str
        What it is, in a few words.
    version : callable
        The version that is installed, or None.
    install : str
        The command that installs that.
    prepare : Prepare
    expect : Expect
        What it is compared with; the reference simulator unless the backend carries a form of its own.
    schedules : tuple of {"graded", "unary", "streaming"}
        Schedules it knows.
    most_samples : int, optional
        Inferences beyond which it would take minutes.
    needs : tuple of str
        Modules that this interpreter writes its files with, where `version` asks another one.
    """

    name: str
    about: str
    version: Callable[[], str | None]
    install: str
    prepare: Prepare
    expect: Expect = expected
    schedules: tuple[Schedule, ...] = SCHEDULES
    most_samples: int | None = None
    needs: tuple[str, ...] = ()

    def missing(self) -> str | None:
        """Return the command that installs what is missing, or None where nothing is."""
        commands = [] if self.version() is not None else [self.install]
        if any(find_spec(module) is None for module in self.needs):
            commands.append(INSTALL)
        return " && ".join(commands) or None


def _built_in() -> str:
    return __version__


def _own_format(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> Runner:
    """Write the own format, read it back, and simulate one sample after the other."""
    from spiking_pvae.deploy.files import load_network, save_network

    save_network(network, folder / "network")
    return _simulator("reference", load_network(folder / "network"), schedule=schedule, steps=steps, batch=1)


def _simulator(
    name: BackendName, network: Network, *, schedule: Schedule, steps: int, batch: int | None = None
) -> Runner:
    """Return the runner of a backend of `simulate`."""
    import numpy as np

    from spiking_pvae.deploy.simulate import runner as prepared

    run = prepared(network, name)

    def runner(messages: Int64, *, seed: int, first_sample: int) -> Traces:
        size = batch or len(messages)
        parts = [
            as_traces(
                network,
                run(
                    messages[start : start + size],
                    seed=seed,
                    first_sample=first_sample + start,
                    schedule=schedule,
                    steps=steps,
                ),
                schedule,
                steps,
            )
            for start in range(0, len(messages), size)
        ]
        return {
            layer: {quantity: np.concatenate([part[layer][quantity] for part in parts]) for quantity in quantities}
            for layer, quantities in parts[0].items()
        }

    return runner


def prepare_simulator(name: BackendName) -> Prepare:
    """Return the preparation of a backend of `simulate`, which needs no files."""

    def prepare(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> Runner:
        return _simulator(name, network, schedule=schedule, steps=steps)

    return prepare


def prepare_export(target: str, load: Callable[[Path, Manifest], Runner]) -> Prepare:
    """Return a preparation that exports to a folder and reads the files back."""

    def prepare(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> Runner:
        return load(folder, write_files(network, target, folder, schedule=schedule, steps=steps))

    return prepare


BACKENDS: tuple[VerifyBackend, ...] = (
    VerifyBackend(
        name="reference",
        about="own format, read back and simulated one sample at a time",
        version=_built_in,
        install="",
        prepare=_own_format,
        schedules=("graded", "unary", "streaming"),
    ),
    VerifyBackend(
        name="numba",
        about="the compiled backend",
        version=partial(distribution_version, "numba"),
        install="pip install numba",
        prepare=prepare_simulator("numba"),
        schedules=("graded", "unary", "streaming"),
    ),
    VerifyBackend(
        name="nir",
        about="exact NIR file, run by the package's interpreter of NIR primitives",
        version=partial(distribution_version, "nir"),
        install=INSTALL,
        prepare=prepare_export("nir", loaders.load_nir),
    ),
    VerifyBackend(
        name="nirtorch",
        about="exact NIR file, run by nirtorch",
        version=partial(distribution_version, "nirtorch"),
        install=INSTALL,
        prepare=prepare_export("nir", loaders.load_nirtorch),
    ),
    VerifyBackend(
        name="snntorch",
        about="torch modules of snnTorch neurons",
        version=partial(distribution_version, "snntorch"),
        install=INSTALL,
        prepare=prepare_export("snntorch", loaders.load_snntorch),
    ),
    VerifyBackend(
        name="lava",
        about="Lava processes of the spike-count neuron on Lava's CPU simulator",
        version=partial(LAVA.version, "lava-nc"),
        install=LAVA.install,
        prepare=prepare_export("lava", loaders.load_lava),
        most_samples=20,
    ),
    VerifyBackend(
        name="lava-stock",
        about="Lava's stock processes, for thresholds that are powers of two",
        version=partial(LAVA.version, "lava-nc"),
        install=LAVA.install,
        prepare=prepare_export("lava-stock", loaders.load_stock),
        schedules=("graded",),
        most_samples=100,
    ),
    VerifyBackend(
        name="netx",
        about=".net files read by lava-dl, against a model of the form that they carry",
        version=partial(LAVA.version, "lava-dl", "lava-nc"),
        install=LAVA.install,
        prepare=prepare_export("netx", loaders.load_netx),
        expect=expectation("netx"),
        needs=target("netx").needs,
        schedules=("graded",),
        most_samples=100,
    ),
    VerifyBackend(
        name="netx-cuba",
        about=".net files of hard-reset neurons read by lava-dl, against a model of the form that they carry",
        version=partial(LAVA.version, "lava-dl", "lava-nc"),
        install=LAVA.install,
        prepare=prepare_export("netx-cuba", loaders.load_netx),
        expect=expectation("netx-cuba"),
        needs=target("netx-cuba").needs,
        schedules=("streaming",),
        most_samples=20,
    ),
    VerifyBackend(
        name="sanafe",
        about="SANA-FE on the exported architecture and mapped network: spikes, synops, packets and hops",
        version=partial(SANAFE.version, "sanafe"),
        install=SANAFE.install,
        prepare=prepare_export("sanafe", loaders.load_sanafe),
        expect=expectation("sanafe"),
        schedules=("unary",),
        most_samples=10,
    ),
)


def chosen(names: tuple[str, ...]) -> tuple[VerifyBackend, ...]:
    """Return backends by name; ``all`` stands for every one.

    Raises
    ------
    InputError
        A name is unknown.
    """
    known = {backend.name: backend for backend in BACKENDS}
    if names == ("all",):
        return BACKENDS
    if unknown := [name for name in names if name not in known]:
        raise InputError("backends", given=", ".join(unknown), allowed=f"all, {', '.join(known)}")
    return tuple(known[name] for name in names)
