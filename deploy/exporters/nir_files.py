"""Readers of the exact NIR profile: what the two graphs of an export do with messages, by either executor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import nir
import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exporters.manifest import Manifest
from spiking_pvae.deploy.exporters.nir_interpreter import interpret
from spiking_pvae.deploy.exporters.poisson import draw, read_latents
from spiking_pvae.deploy.exporters.traces import Int64, Quantity, Traces, firing_steps, spike_trains
from spiking_pvae.deploy.ir import ExponentialThreshold
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import DamagedFileError

Float64 = NDArray[np.float64]
Execute = Callable[[nir.NIRGraph, Iterator[Float64]], Iterator[Mapping[str, Float64]]]
"""Runs a graph: inputs of each step to what each node emitted in it."""

CHARGE, TOTAL, COUNT = "_2_charge", "_4_total", "_6_count"


def read_graph(path: Path) -> nir.NIRGraph:
    """Read a NIR file.

    Raises
    ------
    DamagedFileError
        It is not one.
    """
    try:
        return nir.read(path, type_check=False)
    except (OSError, KeyError, ValueError, TypeError, AssertionError) as error:
        raise DamagedFileError(path, f"is truncated or is no NIR file ({error}).") from error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NirRunner:
    """Two graphs with the latents between them; runs messages step by step.

    Parameters
    ----------
    encoder, decoder : NIRGraph
    neuron : ExponentialThreshold
        The latents.
    names : tuple of str
        Layers of the network, in order.
    latent : str
    schedule : {"graded", "unary"}
    steps : int
        Steps of a firing phase.
    incoming : int
        Steps over which an image arrives in the unary schedule.
    execute : callable
        The interpreter of this package, or another.
    """

    encoder: nir.NIRGraph
    decoder: nir.NIRGraph
    neuron: ExponentialThreshold
    names: tuple[str, ...]
    latent: str
    schedule: Schedule
    steps: int
    incoming: int
    execute: Execute = interpret

    def __call__(self, messages: Int64, *, seed: int, first_sample: int) -> Traces:
        """Run messages of shape (samples, inputs)."""
        place = self.names.index(self.latent)
        unary = self.schedule == "unary"
        traces = self._run(self.encoder, messages, self.names[: place + 1], self.incoming if unary else 1)
        latents = draw(
            self.neuron,
            traces[self.latent]["accumulator"],
            seed=seed,
            first_sample=first_sample,
            most=self.steps if unary else None,
        )
        if unary:
            latents["spike"] = spike_trains(latents["count"], self.steps)
        traces[self.latent] = latents
        return {**traces, **self._run(self.decoder, latents["count"], self.names[place + 1 :], self.steps)}

    def _run(
        self, graph: nir.NIRGraph, messages: Int64, names: tuple[str, ...], incoming: int
    ) -> dict[str, dict[Quantity, Int64]]:
        """Run one graph and read its layers off."""
        entry = next(node for node in graph.nodes.values() if isinstance(node, nir.Input))
        shape = tuple(int(side) for side in entry.input_type["input"])
        phase = firing_steps(self.schedule, self.steps)
        if self.schedule == "graded":
            frames, ends = messages[None], [1] * len(names)
        else:
            trains = spike_trains(messages, incoming).swapaxes(0, 1)
            # Layer j has integrated all that arrives after `incoming` steps and j firing phases.
            ends = [incoming + place * phase for place in range(len(names))]
            frames = np.concatenate([trains, np.zeros((ends[-1] - incoming, *messages.shape), np.int64)])
        sums = [_find(graph, place, TOTAL) or _find(graph, place, CHARGE) for place in range(1, len(names) + 1)]
        counts = [_find(graph, place, COUNT) for place in range(1, len(names) + 1)]
        history = [
            {name: values[name] for name in (*sums, *counts) if name is not None}
            for values in self.execute(graph, iter(frames.reshape(-1, len(messages), *shape).astype(np.float64)))
        ]
        traces: dict[str, dict[Quantity, Int64]] = {}
        for layer, total, count, end in zip(names, sums, counts, ends, strict=True):
            if total is None:
                raise DamagedFileError("NIR graph", f"has no membrane of layer '{layer}'.")
            traces[layer] = {"accumulator": _integers(history[end - 1][total])}
            if count is not None:
                first = end if self.schedule == "unary" else end - 1
                spikes = np.stack([_integers(values[count]) for values in history[first : first + phase]], 1)
                traces[layer]["count"] = spikes.sum(1)
                if self.schedule == "unary":
                    traces[layer]["spike"] = spikes
        return traces


def _find(graph: nir.NIRGraph, place: int, part: str) -> str | None:
    """Return the node of a layer's part, or None."""
    return next((name for name in graph.nodes if name.startswith(f"n{place:02d}_") and name.endswith(part)), None)


def _integers(values: Float64) -> Int64:
    return np.rint(values).astype(np.int64).reshape(len(values), -1)


def load(folder: Path, manifest: Manifest, *, execute: Execute = interpret) -> NirRunner:
    """Read an export folder whose manifest was checked.

    Raises
    ------
    InputError, DamagedFileError
        A file is missing or not what it should be.
    """
    return NirRunner(
        encoder=read_graph(folder / "encoder.nir"),
        decoder=read_graph(folder / "decoder.nir"),
        neuron=read_latents(folder),
        names=manifest.layers,
        latent=manifest.latent,
        schedule=manifest.schedule,
        steps=manifest.steps,
        incoming=manifest.incoming,
        execute=execute,
    )
