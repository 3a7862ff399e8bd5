"""Export a network: the target's files, golden traces and a manifest in one folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from spiking_pvae.deploy.expected import expected
from spiking_pvae.deploy.exporters.golden import Golden, write_golden
from spiking_pvae.deploy.exporters.manifest import KIND, Manifest, write_manifest
from spiking_pvae.deploy.exporters.targets import target
from spiking_pvae.deploy.exporters.traces import Int64, Traces
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import InputError
from spiking_pvae.storage import replacing_folder

GOLDEN_SAMPLES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written.

    Parameters
    ----------
    file : Path
        The file to hand on.
    sha256 : str
        Over every file of the folder and the manifest.
    manifest : Manifest
    """

    file: Path
    sha256: str
    manifest: Manifest


class Expect(Protocol):
    """Computes what a backend has to compute."""

    def __call__(
        self, network: Network, messages: Int64, *, seed: int, first_sample: int, schedule: Schedule, steps: int
    ) -> Traces:
        """Return the traces."""


OWN_FORMS = {
    "netx": "netx_files:expected_netx",
    "netx-cuba": "netx_files:expected_cuba",
    "sanafe": "sanafe_files:expected_sanafe",
}
"""Module and function that compute what a target's files carry, where that is not the network itself."""


def expectation(name: str) -> Expect:
    """Return what a target's files have to say: the network, or where they carry another form, that."""
    if name not in OWN_FORMS:
        return expected
    module, function = OWN_FORMS[name].split(":")

    def own_form(
        network: Network, messages: Int64, *, seed: int, first_sample: int, schedule: Schedule, steps: int
    ) -> Traces:
        expect: Expect = getattr(import_module(f"spiking_pvae.deploy.exporters.{module}"), function)
        return expect(network, messages, seed=seed, first_sample=first_sample, schedule=schedule, steps=steps)

    return own_form


def random_messages(network: Network, samples: int, seed: int) -> Int64:
    """Draw messages uniformly from the input's range, for golden traces without data."""
    limits = network.input.format
    generator = np.random.Generator(np.random.Philox(seed))
    return generator.integers(limits.low, limits.high, (samples, network.input.neurons), dtype=np.int64, endpoint=True)


def write_files(network: Network, name: str, folder: Path, *, schedule: Schedule, steps: int) -> Manifest:
    """Write a target's own files into an empty folder and return what the manifest has to say.

    Raises
    ------
    InputError
        The target or the schedule is unknown, or a package is missing.
    LimitError, UnsupportedError
        The network does not fit the target.
    """
    kind = target(name)
    if schedule not in kind.schedules:
        raise InputError(f"schedule of a {name} export", given=schedule, allowed=", ".join(kind.schedules))
    kind.writer().write(network, folder, schedule=schedule, steps=steps)
    return Manifest(
        target=name,
        form=kind.form,
        exact=kind.exact,
        against=kind.against,
        schedule=schedule,
        steps=1 if schedule == "graded" else steps,
        incoming=network.input.format.high,
        layers=tuple(layer.name for layer in network.layers),
        latent=network.latent.name,
        notes=kind.warnings(),
    )


def export(
    network: Network,
    name: str,
    folder: Path,
    *,
    messages: Int64 | None = None,
    seed: int = 0,
    schedule: Schedule | None = None,
    steps: int = 32,
    force: bool = False,
) -> Exported:
    """Write an export folder.

    Parameters
    ----------
    network : Network
    name : str
        One of `spiking_pvae.deploy.exporters.targets.TARGETS`.
    folder : Path
        Written whole or not at all.
    messages : ndarray of int64, shape (samples, inputs), optional
        Of the golden traces; drawn with `seed` if not given.
    seed : int
        Seed of the latents' draws in the golden traces.
    schedule : {"graded", "unary", "streaming"}, optional
        The first that the target knows if not given.
    steps : int
        Steps of a firing phase in the unary schedule, of an image in the streaming one.
    force : bool
        Replace an export that exists.

    Returns
    -------
    Exported

    Raises
    ------
    InputError
        The target or the schedule is unknown, a package is missing, or the folder exists.
    LimitError, UnsupportedError
        The network does not fit the target.
    """
    if messages is None:
        messages = random_messages(network, GOLDEN_SAMPLES, seed)
    schedule = schedule or target(name).schedules[0]
    with replacing_folder(folder, kind=KIND, force=force) as temporary:
        manifest = write_files(network, name, temporary, schedule=schedule, steps=steps)
        how: dict[str, Any] = {"seed": seed, "first_sample": 0, "schedule": schedule, "steps": steps}
        traces = expectation(name)(network, messages, **how)
        if not manifest.exact:
            own = expected(network, messages, **{**how, "schedule": "graded"})
            measured = target(name).measure()(network, messages, own, steps=steps)
            manifest = replace(manifest, difference=measured)
        write_golden(Golden(messages=messages, seed=seed, traces=traces), temporary)
        sha256 = write_manifest(manifest, temporary)
    return Exported(file=folder / target(name).main, sha256=sha256, manifest=manifest)
