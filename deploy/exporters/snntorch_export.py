"""Writes what the snnTorch modules are rebuilt from; needs neither torch nor snnTorch."""

from __future__ import annotations

from pathlib import Path

from spiking_pvae.deploy.exporters.plain import write_plain
from spiking_pvae.deploy.exporters.poisson import write_latents
from spiking_pvae.deploy.ir import ExponentialThreshold, Network
from spiking_pvae.deploy.record import Schedule


def write(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> None:
    """Write a network and its latents into an empty folder; one form for both schedules."""
    assert isinstance(network.latent.neuron, ExponentialThreshold)
    write_plain(network.layers, folder)
    write_latents(network.latent.neuron, folder)
