"""``spiking-pvae simulate``."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from spiking_pvae.cli.command import Command, load_data, shown_to
from spiking_pvae.cli.probing import parse_probe, write_probes
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule, SpikeRecord
from spiking_pvae.deploy.simulate import DEFAULT_STEPS, BackendName, ImageSource
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray, Split

TRANSIENT_SAMPLES = 200
"""Inferences on which the streaming schedule is compared with the graded one."""


@dataclass(frozen=True, kw_only=True)
class Simulate(Command):
    """Run images through an integer network and count spikes.

    Example: spiking-pvae simulate runs/first-network --samples 1000 --seed 0
    """

    network: tyro.conf.Positional[Path]
    """Network folder."""
    data: str | None = None
    """Name of a data set (spiking-pvae data) or a path; what the network was made for if not given."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    split: Split = "val"
    """Which images."""
    samples: int | None = None
    """How many images, from the first; all if not given."""
    seed: int = 0
    """Seed of the exponential thresholds."""
    schedule: Schedule = "graded"
    """Counts as payloads in one step; as single spikes, layer after layer; or all layers at once (streaming)."""
    steps: int = DEFAULT_STEPS
    """Steps T of a firing phase in the unary schedule, of an image's presentation in the streaming one."""
    accuracy: float | None = None
    """Streaming only: find the T at which the latents' rates are off by at most this share, and use it."""
    backend: BackendName = "auto"
    """What computes: the compiled kernels (numba, also auto) or the readable reference. The counts are the same."""
    threads: int | None = None
    """Threads of the compiled backend; all processors if not given. No influence on the counts."""
    repeat: int = 1
    """How often the images are shown, each time with draws of their own."""
    scheduler: str | None = None
    """Address of a Dask scheduler whose workers run the chunks."""
    record: Path | None = None
    """Folder for the record, with the network inside; `spiking-pvae energy` reads it."""
    resume: bool = False
    """Go on where a simulation with this record folder was interrupted."""
    force: bool = False
    """Replace a record folder that exists, and write probes into a folder that exists."""
    probe: tuple[str, ...] = ()
    """Watch neurons step by step: LAYER, LAYER:NEURONS or LAYER:NEURONS:STEPS, such as latents:0-15,40:1-32."""
    probe_out: Path = Path("probes")
    """Folder for the arrays (.npz) and pictures (raster, histogram of rates, membranes) of probes."""
    probe_samples: int = 16
    """Images, from the first, on which probes watch."""
    traces: Path | None = None
    """New folder for what every inference did, as .npy files: written as it goes, never held in memory."""
    keep: tuple[str, ...] = ()
    """Layers whose counts and charges go into --traces; all if neither this nor --rasters names one."""
    rasters: tuple[str, ...] = ()
    """Layers whose spikes in every step go into --traces, one bit each; unary and streaming schedules."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Simulate and print the counts."""
        from spiking_pvae.deploy.files import RECORD_KIND, load_network, save_recording
        from spiking_pvae.deploy.parts import remove_parts, require_parts_only
        from spiking_pvae.deploy.simulate import Repeated
        from spiking_pvae.deploy.spikes import require_rasters
        from spiking_pvae.storage import require_free

        self.check()
        probes = [parse_probe(text) for text in self.probe]
        parts = record_folder = None
        if self.record is not None:
            require_free(self.record, force=self.force, kind=RECORD_KIND)
            record_folder = self.record.resolve()  # "." has no name
            parts = record_folder.parent / f"{record_folder.name}.parts"
            require_parts_only(parts)
        network = load_network(self.network)
        require_rasters(network, self.rasters, self.schedule)
        dataset = load_data(shown_to(network, self.data), self.data_folder, terminal)
        images = choose(dataset.split(self.split).images, self.samples)
        transient = self.measure_transient(network, images, terminal)
        if parts is not None and not self.resume:
            remove_parts(parts)
        steps = self.steps if transient is None else transient["steps"]
        watched: dict[str, Any] = {"schedule": self.schedule, "steps": steps, "seed": self.seed}
        shown = images[: self.probe_samples]
        written = write_probes(network, shown, probes, self.probe_out, **watched) if probes else []
        record, result = simulate(
            network,
            images if self.repeat == 1 else Repeated(images, self.repeat),
            terminal,
            seed=self.seed,
            schedule=self.schedule,
            steps=steps,
            backend=self.backend,
            threads=self.threads,
            parts=parts,
            scheduler=self.scheduler,
            keep=self.keep,
            rasters=self.rasters,
            traces=self.traces,
        )
        if written:
            result["probes"] = written
        if self.traces is not None:
            result["traces"] = str(self.traces)
            result["rasters"] = list(record.rasters)
        if transient is not None:
            result["transient"] = transient
        if record_folder is not None:
            # What is kept of every sample is on disk already.
            save_recording(network, replace(record, traces={}, rasters={}), record_folder, force=self.force)
            result["record"] = str(self.record)
        if parts is not None:
            remove_parts(parts)
        terminal.emit(result, *summary(result))
        return result

    def check(self) -> None:
        """Refuse what can be known to be wrong without the network and the data."""
        from spiking_pvae.dask_client import require_address
        from spiking_pvae.storage import require_free

        if self.scheduler is not None:
            require_address(self.scheduler)
        for name in ("repeat", "samples", "steps", "probe_samples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(name, given=value, allowed="an integer of at least 1")
        if self.resume and self.record is None:
            raise InputError("resume", given="no record folder", allowed="--record, whose parts are gone on with")
        for name in ("keep", "rasters"):
            if getattr(self, name) and self.traces is None:
                given = ", ".join(getattr(self, name))
                raise InputError(name, given=given, allowed="only with --traces, the folder for them")
        if self.traces is not None:
            require_free(self.traces, force=self.resume)
        if self.probe:
            require_free(self.probe_out, force=self.force or self.resume)

    def measure_transient(self, network: Network, images: FloatArray, terminal: Terminal) -> dict[str, Any] | None:
        """Measure the streaming schedule's error against the graded one, at the T given or found; else None."""
        if self.schedule != "streaming":
            if self.accuracy is not None:
                raise InputError("accuracy", given=self.accuracy, allowed="only with --schedule streaming")
            return None
        from spiking_pvae.deploy.transient import steps_for, transient

        probed = images[:TRANSIENT_SAMPLES]
        if self.accuracy is None:
            (found,) = transient(network, probed, (self.steps,), seed=self.seed)
        else:
            terminal.say(f"Searching the steps at which rates are off by at most {self.accuracy:g}")
            found = steps_for(network, probed, self.accuracy, seed=self.seed)
        return {"samples": len(probed), **found.to_json()}


def choose(images: FloatArray, samples: int | None) -> FloatArray:
    """Return the first `samples` images, or all."""
    if samples is None:
        return images
    if not 1 <= samples <= len(images):
        raise InputError("samples", given=samples, allowed=f"1 .. {len(images)}, the images of this split")
    return images[:samples]


def simulate(
    network: Network,
    images: ImageSource,
    terminal: Terminal,
    *,
    seed: int = 0,
    schedule: Schedule = "graded",
    steps: int = DEFAULT_STEPS,
    backend: BackendName = "auto",
    threads: int | None = None,
    parts: Path | None = None,
    scheduler: str | None = None,
    keep: tuple[str, ...] = (),
    rasters: tuple[str, ...] = (),
    traces: Path | None = None,
) -> tuple[SpikeRecord, dict[str, Any]]:
    """Simulate with a progress display; return the record and its summary, whose time begins with kernels loaded."""
    from spiking_pvae.deploy.runner import used
    from spiking_pvae.deploy.simulate import simulate as run

    if scheduler is None and len(images) > 0:
        run(network, images[:1], schedule=schedule, steps=steps, backend_name=backend, threads=1)
    started = time.perf_counter()
    finished = 0
    with terminal.progress("simulating", len(images)) as tick:

        def report(done: int, _: int) -> None:
            nonlocal finished
            finished = done
            tick(done)

        try:
            record = run(
                network,
                images,
                seed=seed,
                schedule=schedule,
                steps=steps,
                backend_name=backend,
                threads=threads,
                parts=parts,
                scheduler=scheduler,
                keep=keep,
                rasters=rasters,
                traces=traces,
                report=report,
            )
        except KeyboardInterrupt:
            way = "; they are kept: the same command with --resume goes on"
            if parts is None:
                way = "; with --record FOLDER they would be kept, and --resume go on"
            terminal.say(f"{finished} of {len(images)} inferences are done{way}")
            raise
    seconds = time.perf_counter() - started
    return record, {
        "samples": record.samples,
        "seconds": seconds,
        "inferences_per_second": record.samples / seconds,
        "schedule": schedule,
        "steps": record.steps,
        "seed": seed,
        "backend": used(backend),
        "spikes_per_inference": int(record.tally(network.latent.name).spikes.sum()) / record.samples,
        "layers": by_population(record),
        "counts_sha256": record.counts_sha256,
    }


def by_population(record: SpikeRecord) -> list[dict[str, Any]]:
    """Return spikes and events an inference of the input and each layer."""
    return [
        {
            "name": tally.name,
            "neurons": tally.neurons,
            "spikes": int(tally.spikes.sum()) / record.samples,
            "events": int(tally.events.sum()) / record.samples,
        }
        for tally in record.tallies
    ]


def summary(result: dict[str, Any]) -> list[Any]:
    """Build the tables of a simulation."""
    rows = [
        (layer["name"], f"{layer['neurons']}", f"{layer['spikes']:.2f}", f"{layer['events']:.2f}")
        for layer in result["layers"]
    ]
    rate = f"{result['inferences_per_second']:,.0f} inferences/s"
    title = f"{result['samples']} inferences, {result['schedule']}, {result['backend']}, {rate}"
    tables = [table(title, ("population", "neurons", "spikes / inference", "events / inference"), rows)]
    if "transient" in result:
        errors = result["transient"]
        title = f"Error of {errors['steps']} streaming steps against the graded counts, {errors['samples']} inferences"
        shown = [(name, f"{error:.2%}") for name, error in errors["layers"].items()]
        tables.append(table(title, ("layer", "relative error"), shown))
    return tables
