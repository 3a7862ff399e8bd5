"""Writes a network for Lava's stock processes: one message a layer and image, without a neuron of this package.

    Dense(2 W, weight_exp=-(s + 1), num_message_bits=24) -> GradedReluVec(vth=0)        max(0, floor(W x / 2^s))

A threshold is the power of two by which `Dense` shifts its sum, the same for a whole layer; there is no bias and no
largest count. What a network asks beyond that is refused by name. The layers that only sum end at their `Dense`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from spiking_pvae.deploy.exporters.lava_export import RUNTIME, unrolled
from spiking_pvae.deploy.exporters.plain import write_plain
from spiking_pvae.deploy.exporters.poisson import write_latents
from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold, Layer, Network
from spiking_pvae.deploy.ranges import LayerRange, ranges
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import LimitError

PROGRAM = "run_stock.py"
FILES = (PROGRAM, "shared.py", "shim.py", "processes/__init__.py", "processes/streams.py")
MOST_SHIFT = 7
"""Dense has a weight exponent of 4 bits, -8 .. 7, one of which undoes the factor 2 of signed weights."""
REMEDY = "Convert with --threshold power-of-two and without biases, or export to lava."


def shift(layer: Layer) -> int:
    """Return s of a layer that fires.

    Raises
    ------
    LimitError
        The stock processes can't compute its counts.
    """
    assert isinstance(layer.neuron, ConstantThreshold)
    theta = layer.neuron.theta
    power = int(theta[0]).bit_length() - 1
    if (theta != 2**power).any():
        different = int(theta[theta != 2**power][0])
        raise LimitError(
            layer.name,
            limit="one power of two for the thresholds of a layer",
            value=f"a threshold of {different}",
            remedy=REMEDY,
        )
    if layer.bias is not None and layer.bias.value.any():
        largest = int(np.abs(layer.bias.value).max())
        raise LimitError(layer.name, limit="neurons without a bias", value=f"a bias of {largest}", remedy=REMEDY)
    found = power - layer.synapse.exponent
    if found > MOST_SHIFT:
        raise LimitError(
            layer.name,
            limit=f"2^{MOST_SHIFT}, the most that Dense divides by",
            value=f"a division by 2^{found}",
            remedy=REMEDY,
        )
    return found


def check(layer: Layer, bound: LayerRange) -> None:
    """Raise `LimitError` where the stock processes can't compute the counts of a layer."""
    if not isinstance(layer.neuron, ConstantThreshold):
        return
    shift(layer)
    most = int((bound.sums.high // layer.neuron.theta).max())
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
