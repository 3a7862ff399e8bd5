"""The reader of exports for Lava's stock processes: runs the exported program in the interpreter that has Lava."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spiking_pvae.deploy.exporters.lava_files import RunProgram
from spiking_pvae.deploy.exporters.manifest import Manifest
from spiking_pvae.deploy.exporters.poisson import draw, read_latents
from spiking_pvae.deploy.exporters.stock_export import PROGRAM
from spiking_pvae.deploy.exporters.traces import QUANTITIES, Int64, Quantity, Traces


@dataclass(frozen=True, slots=True, kw_only=True)
class StockRunner:
    """An export folder and what runs it.

    Parameters
    ----------
    folder : Path
    manifest : Manifest
    run_program : callable
        Runs a program in the interpreter that has Lava.
    """

    folder: Path
    manifest: Manifest
    run_program: RunProgram

    def __call__(self, messages: Int64, *, seed: int, first_sample: int) -> Traces:
        """Run messages of shape (samples, inputs); the latents' counts are drawn here, between the two halves."""
        latent, layers = self.manifest.latent, self.manifest.layers
        place = layers.index(latent)
        encoder = self._half(0, place + 1, messages)
        accumulator = encoder[latent]["accumulator"]
        drawn = draw(read_latents(self.folder), accumulator, seed=seed, first_sample=first_sample)
        return {**encoder, latent: drawn, **self._half(place + 1, len(layers), drawn["count"])}

    def _half(self, first: int, end: int, messages: Int64) -> dict[str, dict[Quantity, Int64]]:
        job = {"first": first, "end": end, "messages": messages}
        result = self.run_program(self.folder / PROGRAM, self.folder, job)
        return {
            name: {quantity: result[f"{name}/{quantity}"] for quantity in QUANTITIES if f"{name}/{quantity}" in result}
            for name in self.manifest.layers[first:end]
        }
