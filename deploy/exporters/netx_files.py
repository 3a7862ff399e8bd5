"""The reader of ``.net`` exports, which lava-dl runs, and the model of what they have to say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spiking_pvae.deploy.exporters.cuba import RESET_OFFSET, cuba, frames, run_cuba, sums_of
from spiking_pvae.deploy.exporters.lava_export import RUNTIME
from spiking_pvae.deploy.exporters.lava_files import RunProgram
from spiking_pvae.deploy.exporters.manifest import Manifest
from spiking_pvae.deploy.exporters.netx_latents import scaled_latents
from spiking_pvae.deploy.exporters.poisson import draw, read_latents
from spiking_pvae.deploy.exporters.sdnn import differences, run_sdnn, sdnn
from spiking_pvae.deploy.exporters.segments import segments
from spiking_pvae.deploy.exporters.traces import Int64, Traces
from spiking_pvae.deploy.ir import ExponentialThreshold, Network
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import DamagedFileError

Half = Callable[[Int64], Int64]
"""Messages of shape (samples, inputs) to accumulators of shape (samples, outputs), one image after the other."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Chain:
    """Two halves with the latents between them."""

    encoder: Half
    decoder: Half
    neuron: ExponentialThreshold
    latent: str
    readout: str

    def __call__(self, messages: Int64, seed: int, first_sample: int = 0) -> Traces:
        latents = draw(self.neuron, self.encoder(messages), seed=seed, first_sample=first_sample)
        return {self.latent: latents, self.readout: {"accumulator": self.decoder(latents["count"])}}


def _chain(network: Network, scale: float, *, encoder: Half, decoder: Half) -> _Chain:
    """Put a network's latents between models of its halves; `scale` is the encoder's for the network's accumulators."""
    return _Chain(
        encoder=encoder,
        decoder=decoder,
        neuron=scaled_latents(network, scale),
        latent=network.latent.name,
        readout=network.readout.name,
    )


def expected_netx(
    network: Network, messages: Int64, *, seed: int, first_sample: int, schedule: Schedule, steps: int
) -> Traces:
    """Compute what the sigma-delta form of a network says about a stream of images.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
        In the order in which they are presented.
    seed : int
    first_sample : int
        0: a stream has a past, so that it can't be cut.
    schedule : {"graded"}
    steps : int
        Unused.
    """
    assert first_sample == 0
    encoder, decoder = (sdnn(segment) for segment in segments(network, schedule, steps))
    chain = _chain(
        network,
        encoder.scale,
        encoder=lambda x: run_sdnn(encoder, differences(x)) + encoder.offset,
        decoder=lambda x: run_sdnn(decoder, differences(x)) + decoder.offset,
    )
    return chain(messages, seed)


def expected_cuba(
    network: Network, messages: Int64, *, seed: int, first_sample: int, schedule: Schedule, steps: int
) -> Traces:
    """Compute what the hard-reset form of a network says about images.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
    seed : int
    first_sample : int
        Index of the first row.
    schedule : {"streaming"}
    steps : int
        T of an image.
    """
    encoder, decoder = (cuba(segment, steps) for segment in segments(network, "graded", steps))
    chain = _chain(
        network, encoder.scale, encoder=lambda x: run_cuba(encoder, x), decoder=lambda x: run_cuba(decoder, x)
    )
    return chain(messages, seed, first_sample)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetxRunner:
    """Two ``.net`` files and the latents between them.

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
        """Run a stream of messages from rest; shape (samples, inputs)."""
        hard = self.manifest.target == "netx-cuba"
        assert hard or first_sample == 0
        chain = _Chain(
            encoder=self._half("encoder", hard=hard),
            decoder=self._half("decoder", hard=hard),
            neuron=read_latents(self.folder),
            latent=self.manifest.latent,
            readout=self.manifest.layers[-1],
        )
        return chain(messages, seed, first_sample)

    def _half(self, name: str, *, hard: bool) -> Half:
        path = self.folder / f"{name}.net"
        try:
            with h5py.File(path, "r") as file:
                offset, layers = file["offset"][()], len(file["layer"])
        except (OSError, KeyError) as error:
            raise DamagedFileError(path, f"is truncated or is no .net file ({error}).") from error

        def outputs(**job: Any) -> Int64:
            return np.asarray(
                self.run_program(RUNTIME / "run_netx.py", self.folder, {"name": path.name, **job})["outputs"]
            )

        def run(messages: Int64) -> Int64:
            # Every layer's synapses delay by a step.
            rows = outputs(frames=differences(messages))
            return np.asarray(rows[layers : layers + len(messages)] + offset)

        def run_hard(messages: Int64) -> Int64:
            steps = self.manifest.steps
            rows = outputs(frames=frames(messages, steps), reset_interval=steps, reset_offset=RESET_OFFSET)
            return np.asarray(sums_of(rows, len(messages), layers, steps) + offset)

        return run_hard if hard else run
