"""The hardware budget: how many cores a network needs on a chip, what does not fit, and what would make it fit.

Every layer is spread evenly over cores of its own. A core holds as many of its neurons as its limits allow:

    neurons      at most the chip's number
    memory       stored bits of the synapses that lead to them, on the fullest of its cores
    fan-in       one input axon for each neuron of the population before that reaches the core
    fan-out      one output axon for each of its neurons and each core of the next layer

The synapses on a core take the smaller of two forms: every weight in order (fan-in x bits a neuron), or the nonzero
ones with the number of their target (nonzero x (bits + log2 of the neurons a core)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.chips import Chip
from spiking_pvae.deploy.ir import Conv2d, Layer, Network, Readout
from spiking_pvae.deploy.ranges import payload_bits
from spiking_pvae.deploy.record import Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One limit that a network exceeds.

    Parameters
    ----------
    layer : str
        The layer, or ``network``.
    limit : str
        Name of the limit.
    value, allowed : int
        What is needed, and what the chip has.
    unit : str
    remedy : str
        What would make it fit.
    """

    layer: str
    limit: str
    value: int
    allowed: int
    unit: str
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """Return the members by name."""
        return {name: getattr(self, name) for name in ("layer", "limit", "value", "allowed", "unit", "remedy")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """What one layer takes.

    Parameters
    ----------
    name : str
    neurons, cores, neurons_a_core : int
    synapse_bits : int
        Stored bits a core.
    fan_in : int
        Largest number of synapses of a neuron.
    payload_bits : int
        Bits of its largest message.
    """

    name: str
    neurons: int
    cores: int
    neurons_a_core: int
    synapse_bits: int
    fan_in: int
    payload_bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A network on a chip.

    Parameters
    ----------
    chip : Chip
    layers : tuple of Placement
    violations : tuple of Violation
        Empty when it fits.
    """

    chip: Chip
    layers: tuple[Placement, ...]
    violations: tuple[Violation, ...]

    @property
    def cores(self) -> int:
        """Cores of all layers."""
        return sum(layer.cores for layer in self.layers)

    @property
    def fits(self) -> bool:
        """Whether no limit is exceeded."""
        return not self.violations


def fan_in(layer: Layer) -> int:
    """Return the inputs of a neuron, whether a synapse of weight 0 leads from them or another."""
    return int(layer.synapse.weight[0].size)


def nonzero(layer: Layer) -> NDArray[np.int64]:
    """Return the nonzero weights of each neuron, int64 of shape (neurons,)."""
    rows = layer.synapse.weight.reshape(len(layer.synapse.weight), -1)
    each: NDArray[np.int64] = np.count_nonzero(rows, axis=1).astype(np.int64)
    return each.repeat(layer.neurons // len(rows))


def stored_bits(layer: Layer, neurons: int, *, shared_kernels: bool) -> int:
    """Return the bits that the synapses of `neurons` neurons of a layer take on a core."""
    bits = layer.synapse.bits
    if isinstance(layer.synapse, Conv2d) and shared_kernels:
        places = layer.neurons // len(layer.synapse.weight)
        channels = min(len(layer.synapse.weight), -(-neurons // places) + 1)
        return channels * int(layer.synapse.weight[0].size) * bits
    fullest = int(np.add.reduceat(nonzero(layer), np.arange(0, layer.neurons, neurons)).max())
    index = math.ceil(math.log2(max(neurons, 2)))
    return min(neurons * fan_in(layer) * bits, fullest * (bits + index))


def _neurons_a_core(layer: Layer, chip: Chip, next_cores: int) -> int:
    """Return how many neurons of a layer fit on a core; at least 1, whether that fits or not."""
    most = min(layer.neurons, chip.limits["neurons"].value)
    fan_out = chip.most("fan_out")
    if fan_out is not None and next_cores:
        most = min(most, fan_out // next_cores)
    inputs = chip.most("fan_in")
    if inputs is not None and layer.synapse.inputs > inputs:
        # Neighbours share sources, but not always: count every neuron's own.
        most = min(most, inputs // fan_in(layer))
    memory = chip.limits["synapse_bits"].value
    low, high = 1, max(1, most)
    while low < high:
        middle = (low + high + 1) // 2
        if stored_bits(layer, middle, shared_kernels=chip.shared_kernels) <= memory:
            low = middle
        else:
            high = middle - 1
    return low


def check(network: Network, chip: Chip, schedule: Schedule = "graded") -> Budget:
    """Place a network on a chip.

    Parameters
    ----------
    network : Network
    chip : Chip
    schedule : {"graded", "unary", "streaming"}
        Single spikes (unary, streaming) need no payload.

    Returns
    -------
    Budget
    """
    payloads = list(payload_bits(network).values())
    if schedule != "graded":
        payloads = [1] * len(payloads)
    placements: list[Placement] = []
    violations: list[Violation] = []
    next_cores = 0
    for layer, payload in zip(reversed(network.layers), reversed(payloads[1:]), strict=True):
        neurons = _neurons_a_core(layer, chip, next_cores)
        placement = Placement(
            name=layer.name,
            neurons=layer.neurons,
            cores=-(-layer.neurons // neurons),
            neurons_a_core=neurons,
            synapse_bits=stored_bits(layer, neurons, shared_kernels=chip.shared_kernels),
            fan_in=fan_in(layer),
            payload_bits=0 if isinstance(layer.neuron, Readout) else payload,
        )
        violations += _violations(layer, placement, chip, next_cores)
        placements.append(placement)
        next_cores = placement.cores
    violations += _of_network(network, chip, payloads[0], sum(placement.cores for placement in placements))
    return Budget(chip=chip, layers=tuple(reversed(placements)), violations=tuple(reversed(violations)))


def _violations(layer: Layer, placement: Placement, chip: Chip, next_cores: int) -> list[Violation]:
    """List the limits that one neuron of a layer exceeds by itself: more cores do not help."""
    needs = (
        (
            "synapse_bits",
            placement.synapse_bits,
            "Use fewer weight bits, prune the weights, or split the layer before in two.",
        ),
        ("fan_in", fan_in(layer), "Split the layer in two whose sums a third adds up, or use fewer neurons before it."),
        (
            "fan_out",
            placement.neurons_a_core * next_cores,
            "Use fewer weight bits in the next layer, so that it takes fewer cores, or fewer latents.",
        ),
        ("weight_bits", layer.synapse.bits, "Convert with fewer weight bits: --weight-bits."),
        (
            "payload_bits",
            placement.payload_bits,
            "Use the unary schedule (single spikes), or fewer activation bits: --activation-bits.",
        ),
    )
    return [
        _violation(layer.name, name, value, chip, remedy)
        for name, value, remedy in needs
        if (most := chip.most(name)) is not None and value > most
    ]


def _of_network(network: Network, chip: Chip, payload: int, cores: int) -> list[Violation]:
    """List the limits that the network as a whole exceeds."""
    found = []
    most = chip.most("payload_bits")
    if most is not None and payload > most:
        remedy = "Use the unary schedule (single spikes), or ON/OFF spikes as input: --input-bits 1."
        found.append(_violation("input", "payload_bits", payload, chip, remedy))
    if cores > chip.limits["cores"].value:
        largest = max(network.layers, key=lambda layer: layer.synapse.inputs * layer.neurons)
        remedy = f"Use fewer weight bits or latents, prune '{largest.name}', or spread the network over several chips."
        found.append(_violation("network", "cores", cores, chip, remedy))
    return found


def _violation(layer: str, name: str, value: int, chip: Chip, remedy: str) -> Violation:
    limit = chip.limits[name]
    return Violation(layer=layer, limit=name, value=value, allowed=limit.value, unit=limit.unit, remedy=remedy)
