"""Writes a network for the Lava processes of this package, together with those processes: runs where only Lava is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from spiking_pvae.deploy.exporters.plain import write_plain
from spiking_pvae.deploy.ir import Conv2d, Layer, Network
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.deploy.sparsity import convolution_matrix

RUNTIME = Path(__file__).resolve().parent.parent / "lava_runtime"
"""What runs inside the interpreter that has Lava; never imported here."""


def unrolled(layer: Layer) -> Layer:
    """Write a layer's convolution as the dense matrix of its synapses."""
    if not isinstance(layer.synapse, Conv2d):
        return layer
    return replace(layer, synapse=convolution_matrix(layer.synapse))


def write(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> None:
    """Write the layers, and the programs that run them, into an empty folder; one form for both schedules."""
    write_plain([unrolled(layer) for layer in network.layers], folder)
    for path in sorted(RUNTIME.rglob("*.py")):
        target = folder / path.relative_to(RUNTIME)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)
