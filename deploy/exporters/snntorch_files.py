"""snnTorch exports: plain arrays from which the modules are rebuilt, and the runner that drives them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spiking_pvae.deploy.exporters.manifest import Manifest
from spiking_pvae.deploy.exporters.plain import read_plain
from spiking_pvae.deploy.exporters.poisson import draw, read_latents
from spiking_pvae.deploy.exporters.snntorch_modules import SpikingHalf, exact_dtype
from spiking_pvae.deploy.exporters.traces import Int64, Quantity, Traces, spike_trains
from spiking_pvae.deploy.ir import ExponentialThreshold


def _integers(values: Tensor) -> Int64:
    return values.double().numpy().astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SnnTorchRunner:
    """Two halves of snnTorch modules with the latents between them.

    Parameters
    ----------
    encoder, decoder : SpikingHalf
    neuron : ExponentialThreshold
        The latents.
    manifest : Manifest
        Names of the layers and the schedule.
    """

    encoder: SpikingHalf
    decoder: SpikingHalf
    neuron: ExponentialThreshold
    manifest: Manifest

    def __call__(self, messages: Int64, *, seed: int, first_sample: int) -> Traces:
        """Run messages of shape (samples, inputs)."""
        names, latent = self.manifest.layers, self.manifest.latent
        unary, steps = self.manifest.schedule == "unary", self.manifest.steps
        place = names.index(latent)
        traces = self._run(self.encoder, names[: place + 1], messages, self.manifest.incoming)
        latents = draw(
            self.neuron,
            traces[latent]["accumulator"],
            seed=seed,
            first_sample=first_sample,
            most=steps if unary else None,
        )
        if unary:
            latents["spike"] = spike_trains(latents["count"], steps)
        traces[latent] = latents
        return {**traces, **self._run(self.decoder, names[place + 1 :], latents["count"], steps)}

    def _run(
        self, half: SpikingHalf, names: tuple[str, ...], messages: Int64, incoming: int
    ) -> dict[str, dict[Quantity, Int64]]:
        traces: dict[str, dict[Quantity, Int64]] = {}
        with torch.no_grad():
            if self.manifest.schedule == "graded":
                results = half.graded(torch.from_numpy(messages).to(half.dtype))
            else:
                trains = torch.from_numpy(spike_trains(messages, incoming)).transpose(0, 1)
                results = half.unary(trains.to(half.dtype), self.manifest.steps)
        for place, (name, (accumulator, fired)) in enumerate(zip(names, results, strict=True), 1):
            traces[name] = {"accumulator": _integers(accumulator)}
            if place == len(names):
                continue
            if self.manifest.schedule == "graded":
                traces[name]["count"] = _integers(fired)
            else:
                spikes = _integers(fired).swapaxes(0, 1)
                traces[name] |= {"spike": spikes, "count": spikes.sum(1)}
        return traces


def load(folder: Path, manifest: Manifest) -> SnnTorchRunner:
    """Rebuild the modules of an export folder whose manifest was checked.

    Raises
    ------
    InputError, DamagedFileError
        A file is missing or not what it should be.
    """
    layers, neuron = read_plain(folder), read_latents(folder)
    place = manifest.layers.index(manifest.latent)
    encoder, decoder = layers[: place + 1], layers[place + 1 :]
    unary = manifest.schedule == "unary"
    sent = manifest.steps if unary else neuron.n_max
    return SnnTorchRunner(
        encoder=SpikingHalf(encoder, exact_dtype(encoder, manifest.incoming)),
        decoder=SpikingHalf(decoder, exact_dtype(decoder, sent)),
        neuron=neuron,
        manifest=manifest,
    )
