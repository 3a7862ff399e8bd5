"""NIR, exact profile: soft-reset counts from standard nodes alone.

A layer of constant thresholds becomes, with K the largest count it can reach,

    synapse -> charge -> threshold_1 .. threshold_K -> count -> (next layer)
                  ^                                      |
                  +------------ reset (-theta) <---------+

- synapse: Affine, or Conv2d (a bias that differs within a channel: a synapse without weights, then a Scale);
- charge: I with r = 1, the membrane;
- threshold_k: Threshold(k theta - 1/2). NIR's comparison is strict, so that on integers it fires for charge >= k theta;
- count: Scale(1), the sum of the thresholds: clip(floor(charge / theta), 0, K);
- reset: Scale(-theta), which acts on the next step.

The unary schedule adds a clock and two gates to a layer. `clock` is an I that counts steps, fed by a synapse without
weights and with a bias of 1; `open` and `close` are Thresholds on it, led through Scale nodes to the same sum as the
charge. The single threshold is theta + G - 1/2, so that it fires only while the open gate lends G (far above any
membrane) and the close gate has not taken it away. The bias is added the same way, as a level on top of the charge and
not integrated in every step; `total` is the sum of the two.

One step of the graph is one unit of NIR's time. Files are read back in alphabetical order and some readers execute in
that order, so that the names sort as the data flows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

import nir
import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exporters.poisson import write_latents
from spiking_pvae.deploy.exporters.segments import Segment, channel_bias, most_counts, segments
from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, Dense, ExponentialThreshold, Layer, Network, Shape, Sparse
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import LimitError

MOST_THRESHOLDS = 1024
"""Thresholds of one layer in a file; above that NIR is the wrong form."""
GATE = 2.0**26
"""Above the sum of any membrane, bias and threshold."""

INPUT, OUTPUT = "n00_input", "n99_output"
CHARGE, TOTAL, COUNT = "2_charge", "4_total", "6_count"
"""Parts of a layer that readers observe."""


def node_name(place: int, layer: str, part: str) -> str:
    """Name a node so that names sort in the order of the flow."""
    return f"n{place:02d}_{layer.replace('.', '_')}_{part}"


@dataclass(frozen=True, slots=True)
class Builder:
    """Nodes and edges of a graph while it grows."""

    nodes: dict[str, nir.NIRNode] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def add(self, name: str, node: nir.NIRNode, *sources: str) -> str:
        """Add a node fed by the sum of its sources."""
        self.nodes[name] = node
        self.edges.extend((source, name) for source in sources)
        return name


def neuron_shape(layer: Layer) -> Shape:
    """Return the shape in which a layer's neurons appear in the graph."""
    return layer.synapse.output_shape if isinstance(layer.synapse, Conv2d) else (layer.neurons,)


def synapse_node(layer: Layer, weight: NDArray[np.integer], bias: NDArray[np.int64]) -> nir.NIRNode:
    """Return the node of weighted sums; `bias` one a neuron (Dense, Sparse) or channel (Conv2d)."""
    mantissas = np.left_shift(weight.astype(np.int64), layer.synapse.exponent).astype(np.float64)
    match layer.synapse:
        case Dense() | Sparse():
            return nir.Affine(weight=mantissas, bias=bias.astype(np.float64))
        case Conv2d(input_shape=shape, stride=stride, padding=padding, dilation=dilation, groups=groups):
            return nir.Conv2d(
                input_shape=shape[1:],
                weight=mantissas,
                stride=stride,
                padding=padding,
                dilation=dilation,
                groups=groups,
                bias=bias.astype(np.float64),
            )
        case _:
            assert_never(layer.synapse)


def graph(segment: Segment, schedule: Schedule, steps: int) -> nir.NIRGraph:
    """Build the graph of a segment.

    Parameters
    ----------
    segment : Segment
    schedule : {"graded", "unary"}
    steps : int
        Steps of a firing phase in the unary schedule.

    Raises
    ------
    LimitError
        A layer needs too many thresholds.
    """
    build = Builder()
    source = build.add(INPUT, nir.Input(input_type={"input": np.array(segment.shape)}))
    shape, high, opens = tuple(segment.shape), segment.high, segment.incoming
    for place, layer in enumerate(segment.layers, 1):
        wanted = layer.synapse.input_shape if isinstance(layer.synapse, Conv2d) else (layer.synapse.inputs,)
        if shape != wanted:
            flatten = nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1)
            source = build.add(node_name(place, layer.name, "0_flatten"), flatten, source)
        shape = neuron_shape(layer)
        if schedule == "graded":
            source = _graded(build, place, layer, source, high)
            high = most_counts(layer, high) if isinstance(layer.neuron, ConstantThreshold) else high
        else:
            source = _unary(build, place, layer, source, (opens, opens + steps))
            opens += steps
    build.add(OUTPUT, nir.Output(output_type={"output": np.array(shape)}), source)
    return nir.NIRGraph(nodes=build.nodes, edges=build.edges, type_check=False)


def _charge(build: Builder, place: int, layer: Layer, source: str, bias: NDArray[np.int64], *others: str) -> str:
    synapse = build.add(
        node_name(place, layer.name, "1_synapse"), synapse_node(layer, layer.synapse.weight, bias), source
    )
    return build.add(node_name(place, layer.name, CHARGE), nir.I(r=np.ones(neuron_shape(layer))), synapse, *others)


def _tick(build: Builder, place: int, layer: Layer, source: str) -> str:
    """Add a synapse without weights that says 1 to every neuron in every step."""
    weight, ones = np.zeros_like(layer.synapse.weight), np.ones(len(layer.synapse.weight), np.int64)
    return build.add(node_name(place, layer.name, "1_tick"), synapse_node(layer, weight, ones), source)


def _biased_charge(build: Builder, place: int, layer: Layer, source: str) -> str:
    """Add the charge of one step; a bias that differs within a channel has a node of its own."""
    bias = channel_bias(layer)
    if bias is not None:
        return _charge(build, place, layer, source, bias)
    assert layer.bias is not None
    level = nir.Scale(scale=layer.bias.value.reshape(neuron_shape(layer)).astype(np.float64))
    levels = build.add(node_name(place, layer.name, "1_tick_bias"), level, _tick(build, place, layer, source))
    return _charge(build, place, layer, source, np.zeros(len(layer.synapse.weight), np.int64), levels)


def _fire(build: Builder, place: int, layer: Layer, levels: Sequence[NDArray[np.float64]], *sources: str) -> str:
    """Add thresholds on the sum of the sources, their count, and the reset of the charge."""
    assert isinstance(layer.neuron, ConstantThreshold)
    thresholds = [
        build.add(node_name(place, layer.name, f"5_threshold_{k:04d}"), nir.Threshold(threshold=level), *sources)
        for k, level in enumerate(levels, 1)
    ]
    count = build.add(node_name(place, layer.name, COUNT), nir.Scale(scale=np.ones(neuron_shape(layer))), *thresholds)
    theta = layer.neuron.theta.reshape(neuron_shape(layer)).astype(np.float64)
    reset = build.add(node_name(place, layer.name, "7_reset"), nir.Scale(scale=-theta), count)
    build.edges.append((reset, node_name(place, layer.name, CHARGE)))
    return count


def _graded(build: Builder, place: int, layer: Layer, source: str, high: int) -> str:
    """Add a layer that integrates and fires in one step; return its last node."""
    charge = _biased_charge(build, place, layer, source)
    if not isinstance(layer.neuron, ConstantThreshold):
        return charge
    most = most_counts(layer, high)
    if most > MOST_THRESHOLDS:
        raise LimitError(
            layer.name,
            limit=f"{MOST_THRESHOLDS} NIR Threshold nodes a layer",
            value=f"a count of up to {most}",
            remedy="Convert with larger thresholds or a lower n_max, or export the unary schedule.",
        )
    theta = layer.neuron.theta.reshape(neuron_shape(layer)).astype(np.float64)
    return _fire(build, place, layer, [k * theta - 0.5 for k in range(1, max(most, 1) + 1)], charge)


def _unary(build: Builder, place: int, layer: Layer, source: str, phase: tuple[int, int]) -> str:
    """Add a layer that fires in the steps after the first number of `phase` up to the second; return its last node."""
    opens, closes = phase
    shape, channels = neuron_shape(layer), len(layer.synapse.weight)
    bias = np.zeros(shape) if layer.bias is None else layer.bias.value.reshape(shape).astype(np.float64)
    ticks = _tick(build, place, layer, source)
    clock = build.add(node_name(place, layer.name, "2_clock"), nir.I(r=np.ones(shape)), ticks)
    charge = _charge(build, place, layer, source, np.zeros(channels, np.int64))

    def gate(part: str, after: int, level: NDArray[np.float64]) -> str:
        edge = nir.Threshold(threshold=np.full(shape, after + 0.5))
        edges = build.add(node_name(place, layer.name, f"3_{part}_edge"), edge, clock)
        return build.add(node_name(place, layer.name, f"3_{part}_level"), nir.Scale(scale=level), edges)

    total = nir.Scale(scale=np.ones(shape))
    sum_ = build.add(node_name(place, layer.name, TOTAL), total, charge, gate("bias", 0, bias))
    if not isinstance(layer.neuron, ConstantThreshold):
        return sum_
    theta = layer.neuron.theta.reshape(shape).astype(np.float64)
    # A neuron that fires at all does so from the first step on: its largest count is a last step.
    closes = min(closes, opens + layer.neuron.n_max)
    gates = gate("close", closes, np.full(shape, -2 * GATE)), gate("open", opens, np.full(shape, GATE))
    return _fire(build, place, layer, [theta + GATE - 0.5], sum_, *gates)


def write(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> None:
    """Write a network's two halves and its latents into an empty folder; raises as `graph` does."""
    assert isinstance(network.latent.neuron, ExponentialThreshold)
    for segment in segments(network, schedule, steps):
        nir.write(folder / f"{segment.name}.nir", graph(segment, schedule, steps))
    write_latents(network.latent.neuron, folder)
