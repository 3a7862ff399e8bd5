"""The reader of SANA-FE exports, which runs the exported program, and what it has to say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spiking_pvae.deploy.expected import expected
from spiking_pvae.deploy.exporters.lava_files import RunProgram
from spiking_pvae.deploy.exporters.manifest import Manifest
from spiking_pvae.deploy.exporters.poisson import draw, read_latents
from spiking_pvae.deploy.exporters.sanafe_export import PROGRAM
from spiking_pvae.deploy.exporters.sanafe_form import MESH
from spiking_pvae.deploy.exporters.traces import QUANTITIES, Int64, Quantity, Traces, spike_trains
from spiking_pvae.deploy.fanout import fan_out
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.mapping import CoreMesh, routes
from spiking_pvae.deploy.record import Schedule


def expected_sanafe(
    network: Network,
    messages: Int64,
    *,
    seed: int,
    first_sample: int,
    schedule: Schedule,
    steps: int,
    mesh: CoreMesh = MESH,
) -> Traces:
    """Run the reference simulator and count what the messages of every population cause.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
    seed : int
    first_sample : int
        Index of the first row.
    schedule : {"unary"}
    steps : int
        Steps of a firing phase.
    mesh : CoreMesh
        Where packets go.
    """
    own = expected(network, messages, seed=seed, first_sample=first_sample, schedule=schedule, steps=steps)
    traces: dict[str, dict[Quantity, Int64]] = {"input": {"count": np.abs(messages)}}
    traces |= {layer: dict(quantities) for layer, quantities in own.items()}
    for (source, route), layer in zip(routes(network, mesh).items(), network.layers, strict=True):
        count = traces[source]["count"]
        traces[source] |= {
            "synops": count * fan_out(layer.synapse),
            "packets": count * route.packets,
            "hops": count * (route.east_west + route.north_south),
        }
    return traces


@dataclass(frozen=True, slots=True, kw_only=True)
class SanafeRunner:
    """An export folder and what runs it.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    run_program : callable
        Runs a program in the interpreter that has SANA-FE.
    """

    folder: Path
    manifest: Manifest
    run_program: RunProgram

    def __call__(self, messages: Int64, *, seed: int, first_sample: int) -> Traces:
        """Run messages of shape (samples, inputs); the latents' counts are drawn here, between the two halves."""
        latent, neuron = self.manifest.latent, read_latents(self.folder)
        place = self.manifest.layers.index(latent)
        encoder = self._half(0, messages, ("input", *self.manifest.layers[: place + 1]))
        accumulator = encoder[latent]["accumulator"]
        drawn = draw(neuron, accumulator, seed=seed, first_sample=first_sample, most=self.manifest.steps)
        decoder = self._half(1, drawn["count"], self.manifest.layers[place:])
        # What SANA-FE says of the counts that it was given.
        sent = decoder[latent] | {"accumulator": accumulator}
        spikes = spike_trains(sent["count"], self.manifest.steps)
        return {**encoder, **decoder, latent: {**drawn, "spike": spikes, **sent}}

    def _half(self, half: int, messages: Int64, populations: tuple[str, ...]) -> dict[str, dict[Quantity, Int64]]:
        job = {"half": half, "messages": messages}
        result = self.run_program(self.folder / PROGRAM, self.folder, job)
        return {
            name: {quantity: result[f"{name}/{quantity}"] for quantity in QUANTITIES if f"{name}/{quantity}" in result}
            for name in populations
        }
