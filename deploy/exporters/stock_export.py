"""Writes a network for Lava's stock processes: one message a layer and image, without a neuron of this package.

    Dense(2 W, weight_exp=-1, num_message_bits=24) + Dense(2 B, ...) of constant messages -> GradedReluVec(vth=0)
    Dense(2 I, weight_exp=-(s + 1), ...) -> GradedReluVec(vth=0)

is max(0, floor((W x + b) / 2^s)): `Dense` divides its own sum, so that a bias has to be added a stage before; without
one the first `Dense` divides. It divides by 2^7 at most, more takes more stages. A threshold is a power of two, the
same for a whole layer, and there is no largest count: what a network asks beyond that is refused by name. The layers
that only sum end at their `Dense`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from spiking_pvae.deploy.exporters.lava_export import RUNTIME, unrolled
from spiking_pvae.deploy.exporters.plain import write_plain
from spiking_pvae.deploy.exporters.poisson import write_latents
from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold, Layer, Network
from spiking_pvae.deploy.ranges import LayerRange, ranges
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import LimitError

PROGRAM = "run_stock.py"
FILES = (PROGRAM, "shared.py", "shim.py", "processes/__init__.py", "processes/streams.py")
REMEDY = "Convert with --threshold power-of-two, or export to lava."


def check(layer: Layer, bound: LayerRange) -> None:
    """Raise `LimitError` where the stock processes can't compute the counts of a layer."""
    if not isinstance(layer.neuron, ConstantThreshold):
        return
    theta = layer.neuron.theta
    power = int(theta[0]).bit_length() - 1
    if (theta != 2**power).any():
        raise LimitError(
            layer.name,
            limit="one power of two for the thresholds of a layer",
            value=f"a threshold of {int(theta[theta != 2**power][0])}",
            remedy=REMEDY,
        )
    most = int((bound.sums.high // theta).max())
    if most > layer.neuron.n_max:
        raise LimitError(
            layer.name,
            limit=f"the largest count {layer.neuron.n_max}, which stock neurons can't keep to",
            value=f"a count of up to {most}",
            remedy=REMEDY,
        )


def write(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> None:
    """Write the layers, the latents and the program that runs them into an empty folder.

    Raises
    ------
    LimitError
        A layer has no form in the stock processes.
    """
    for layer, bound in zip(network.layers, ranges(network), strict=True):
        check(layer, bound)
    write_plain([unrolled(layer) for layer in network.layers], folder)
    assert isinstance(network.latent.neuron, ExponentialThreshold)
    write_latents(network.latent.neuron, folder)
    (folder / "processes").mkdir()
    for name in FILES:
        shutil.copyfile(RUNTIME / name, folder / name)
