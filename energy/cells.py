"""Counts of each layer and term, sums over each block's samples, ready for prices."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.mapping import Routes
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.energy.memory import MEMBRANE_BITS, synapse_bits
from spiking_pvae.energy.synops import SynOps

Float64 = NDArray[np.float64]
Counts = dict[tuple[str, str], NDArray[np.float64]]
"""By layer and term; float64 of shape (blocks,)."""


def events(ops: SynOps) -> Counts:
    """Count what each population does: messages, operations, updates, firing."""
    counts: Counts = {}
    for position, layer in enumerate(ops.layers):
        counts[layer.name, "message"] = layer.messages.astype(np.float64)
        if position == 0:
            continue  # the host drives the input: it has no synapses, no updates and no membrane to fire
        # In the unary schedule a message is one spike, so the events are the spikes and one count serves both.
        for term in ("synop", "synop_graded"):
            counts[layer.name, term] = layer.event_synops.astype(np.float64)
        counts[layer.name, "update_active"] = layer.updates_active.astype(np.float64)
        counts[layer.name, "update_inactive"] = layer.updates_inactive.astype(np.float64)
        counts[layer.name, "firing"] = layer.messages.astype(np.float64)
        counts[layer.name, "spike"] = layer.spikes.astype(np.float64)
    return counts


def memory(network: Network, ops: SynOps, message_bits: Mapping[str, int]) -> Counts:
    """Count the bits that pass between memory and logic (`spiking_pvae.energy.memory`)."""
    counts: Counts = {}
    for layer in ops.layers:
        bits = 2 * message_bits[layer.name] * layer.messages
        counts[layer.name, "memory_bit"] = bits.astype(np.float64)
    for layer, node in zip(ops.layers[1:], network.layers, strict=True):
        updates = layer.updates_active + layer.updates_inactive
        a_synop = synapse_bits(node.synapse, skip_zero_weights=ops.skip_zero_weights) + 2 * MEMBRANE_BITS
        moved = layer.event_synops * a_synop + 2 * MEMBRANE_BITS * updates
        counts[layer.name, "memory_bit"] += moved.astype(np.float64)
    return counts


def packets(record: SpikeRecord, traced: dict[str, Routes]) -> Counts:
    """Count packets and hops on a mesh; empty without one."""
    counts: Counts = {}
    for name, route in traced.items():
        events = record.tally(name).events
        for term, each in (
            ("message", route.packets),
            ("hop_east_west", route.east_west),
            ("hop_north_south", route.north_south),
        ):
            counts[name, term] = (events @ each).astype(np.float64)
    return counts


def dense(ops: SynOps) -> Counts:
    """Count what the same function costs without spikes: every synapse and neuron once an inference."""
    samples = ops.block_samples.astype(np.float64)
    counts: Counts = {}
    for layer in ops.layers[1:]:
        counts[layer.name, "dense_mac"] = samples * layer.dense_macs
        counts[layer.name, "dense_update"] = samples * layer.neurons
    return counts
