"""A simulation in parts: one chunk of samples each, computed anywhere, in any order, kept on disk, joined in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.accounting import active_updates, population, rates_and_divergence, silent
from spiking_pvae.deploy.ir import ExponentialThreshold, Network, Readout
from spiking_pvae.deploy.record import Schedule, Trace
from spiking_pvae.deploy.runner import Runner
from spiking_pvae.deploy.streaming import delivered
from spiking_pvae.errors import InputError
from spiking_pvae.storage import digest, load_arrays, save_arrays
from spiking_pvae.types import FloatArray
from spiking_pvae.version import __version__

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

PART_KIND = "spiking-pvae part of a simulation 1"
PART_NAME = re.compile(r"\d{12,}-\d{12,}\.safetensors|\.\d{12,}-\d{12,}\.safetensors\.\w+")
"""A part, or the temporary file of one whose process was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What every part of a simulation shares."""

    seed: int
    schedule: Schedule
    steps: int
    block: int
    keep: tuple[str, ...] = ()
    rasters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """What one chunk of samples did.

    Parameters
    ----------
    spikes, events : sequence of ndarray of int64, shape (blocks, neurons)
        By population, the input first.
    active : sequence of ndarray of int64, shape (blocks,)
        By layer.
    rate, kl : ndarray of float64, shape (blocks, latents)
    counts : ndarray of int32, shape (samples, latents)
        The latents' counts.
    traces : dict of str to Trace
        Layers that are kept.
    rasters : dict of str to ndarray of uint8, shape (samples, steps, bytes)
        Layers whose spikes in every step are kept (`spiking_pvae.deploy.spikes`).
    """

    spikes: Sequence[Int64]
    events: Sequence[Int64]
    active: Sequence[Int64]
    rate: Float64
    kl: Float64
    counts: NDArray[np.int32]
    traces: dict[str, Trace]
    rasters: dict[str, NDArray[np.uint8]]


def run_part(network: Network, images: FloatArray, first_sample: int, plan: Plan, run: Runner) -> Part:
    """Run one chunk of images and count what happens."""
    names = [layer.name for layer in network.layers]
    latent = names.index(network.latent.name)
    neuron = network.latent.neuron
    assert isinstance(neuron, ExponentialThreshold)
    messages = network.input.encode(images)
    outputs = run(
        messages,
        seed=plan.seed,
        first_sample=first_sample,
        schedule=plan.schedule,
        steps=plan.steps,
        rasters=plan.rasters,
    )
    sent = delivered(network, messages, plan.steps) if plan.schedule == "streaming" else messages
    tallies = [population(sent, plan.schedule, plan.block)]
    for layer, output in zip(network.layers, outputs, strict=True):
        fires = not isinstance(layer.neuron, Readout)
        tallies.append(
            population(output.counts, plan.schedule, plan.block)
            if fires
            else silent(len(messages), layer.neurons, plan.block)
        )
    rate, kl = rates_and_divergence(neuron, outputs[latent].charge, plan.block)
    return Part(
        spikes=[each.spikes for each in tallies],
        events=[each.events for each in tallies],
        active=[
            active_updates(layer.neurons, source, own, plan.schedule, plan.block)
            if output.active is None
            else np.add.reduceat(output.active, np.arange(0, len(output.active), plan.block))
            for layer, output, source, own in zip(network.layers, outputs, tallies, tallies[1:], strict=False)
        ],
        rate=rate,
        kl=kl,
        counts=np.ascontiguousarray(outputs[latent].counts, "<i4"),
        traces={
            name: Trace(
                counts=outputs[names.index(name)].counts.astype(np.int32),
                charge=outputs[names.index(name)].charge.astype(np.int64),
            )
            for name in plan.keep
        },
        rasters={
            layer.name: output.raster
            for layer, output in zip(network.layers, outputs, strict=True)
            if output.raster is not None
        },
    )


def _leaves(value: object, path: str) -> Iterator[tuple[str, object]]:
    """Yield the members of a tree of nodes, and the types of its nodes, under their path."""
    if is_dataclass(value):
        yield f"{path}.node", type(value).__name__
        for field in fields(value):
            yield from _leaves(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
    else:
        yield path, value


def fingerprint(network: Network, images: FloatArray, plan: Plan) -> str:
    """Hash all that determines a part: network, images, plan and the version of the package."""
    arrays: dict[str, NDArray[Any]] = {"images": images}
    values = {"version": __version__}
    for path, value in (*_leaves(network, "network"), *_leaves(plan, "plan")):
        if isinstance(value, np.ndarray):
            arrays[path] = value
        else:
            values[path] = repr(value)
    return digest(arrays, values)


def _kept(folder: Path) -> list[Path]:
    """Return the parts in a folder, and what a killed process left of one."""
    return [path for path in folder.glob("*") if PART_NAME.fullmatch(path.name)]


def part_path(folder: Path, start: int, stop: int) -> Path:
    """Return where the part of samples start .. stop - 1 is kept."""
    return folder / f"{start:012d}-{stop:012d}.safetensors"


def require_parts_only(folder: Path) -> None:
    """Refuse a folder for parts that holds anything else; it need not exist.

    Raises
    ------
    InputError
        It is a file, or holds files that are no parts of a simulation.
    """
    foreign = {path.name for path in folder.glob("*")} - {path.name for path in _kept(folder)}
    if foreign or (folder.exists() and not folder.is_dir()):
        raise InputError(
            "folder of parts",
            given=f"{folder}, which holds {min(foreign)}" if foreign else f"{folder}, a file",
            allowed="a folder with nothing but parts of a simulation",
            remedy="Move it, or name another record.",
        )


def remove_parts(folder: Path) -> None:
    """Delete the parts in a folder, and the folder where it is empty then; nothing else is touched."""
    for path in _kept(folder):
        path.unlink()
    with suppress(OSError):
        folder.rmdir()


def save_part(part: Part, path: Path, identity: str) -> None:
    """Keep a part; the latents' counts, nearly all 0, as places and values."""
    arrays: dict[str, NDArray[Any]] = {"rate": part.rate, "kl": part.kl}
    for index, (spikes, events) in enumerate(zip(part.spikes, part.events, strict=True)):
        arrays |= {f"spikes.{index}": spikes, f"events.{index}": events}
    arrays |= {f"active.{index}": active for index, active in enumerate(part.active)}
    for name, trace in part.traces.items():
        arrays |= {f"counts.{name}": trace.counts, f"charge.{name}": trace.charge}
    arrays |= {f"raster.{name}": raster for name, raster in part.rasters.items()}
    places = np.flatnonzero(part.counts)
    arrays |= {"places": places, "values": part.counts.ravel()[places], "shape": np.array(part.counts.shape)}
    save_arrays(path, arrays, kind=PART_KIND, metadata={"identity": identity})


def load_part(path: Path, identity: str, layers: int, plan: Plan) -> Part | None:
    """Read a part back, or None where it is missing or of another simulation."""
    if not path.exists():
        return None
    arrays, about = load_arrays(path, kind=PART_KIND)
    if about["identity"] != identity:
        return None
    counts = np.zeros(tuple(arrays["shape"]), np.int32)
    counts.ravel()[arrays["places"]] = arrays["values"]
    return Part(
        spikes=[arrays[f"spikes.{index}"] for index in range(layers + 1)],
        events=[arrays[f"events.{index}"] for index in range(layers + 1)],
        active=[arrays[f"active.{index}"] for index in range(layers)],
        rate=arrays["rate"],
        kl=arrays["kl"],
        counts=counts,
        traces={name: Trace(counts=arrays[f"counts.{name}"], charge=arrays[f"charge.{name}"]) for name in plan.keep},
        rasters={name: arrays[f"raster.{name}"] for name in plan.rasters},
    )
