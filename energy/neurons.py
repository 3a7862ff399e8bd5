"""What the messages of each neuron cost, wherever the joules are spent.

    J_j = messages_j (e_message packets_j + e_firing + e_hop hops_j + fan_out_j e_synop + bits_j e_bit)
        + spikes_j e_spike

with only the terms that the preset prices. Updates happen whether or not a neuron is spoken to, and static power
whatever happens: both belong to nobody here, so that

    sum over all neurons of J_j + updates + static = the whole.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.mapping import Routes
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.energy.band import Band
from spiking_pvae.energy.memory import MEMBRANE_BITS, synapse_bits
from spiking_pvae.energy.synops import SynOps

Float64 = NDArray[np.float64]


def joules_by_neuron(
    network: Network,
    record: SpikeRecord,
    ops: SynOps,
    *,
    prices: Mapping[str, Band],
    routes: Mapping[str, Routes],
    at_widths: Mapping[tuple[str, str], Band],
    message_bits: Mapping[str, int],
) -> dict[str, Float64]:
    """Attribute the cost of messages to the neurons that send them.

    Parameters
    ----------
    network, record, ops
        What was simulated, and its counts.
    prices : mapping of str to Band
        Joules of each term that the sum holds.
    routes : mapping of str to Routes
        Packets and hops of a message, by population; empty without a mesh.
    at_widths : mapping of (str, str) to Band
        Prices that follow widths, by the layer that holds the synapses and the term; they replace those of `prices`.
    message_bits : mapping of str to int
        Bits of a message, by population.

    Returns
    -------
    dict of str to ndarray
        By population, joules an inference of each neuron; float64 of shape (neurons,).
    """
    following = [*network.layers, None]
    found = {}
    for layer, tally, after in zip(ops.layers, record.tallies, following, strict=True):
        sends_itself = layer.name != "input"  # the host drives the input: no membrane fires there
        messages, spikes = tally.events.sum(axis=0) / ops.samples, tally.spikes.sum(axis=0) / ops.samples
        route = routes.get(layer.name)
        a_synop = 2 * MEMBRANE_BITS
        if after is not None:
            a_synop += synapse_bits(after.synapse, skip_zero_weights=ops.skip_zero_weights)
        each = {
            "message": messages if route is None else messages * route.packets,
            "hop_east_west": 0.0 if route is None else messages * route.east_west,
            "hop_north_south": 0.0 if route is None else messages * route.north_south,
            "firing": messages * sends_itself,
            "spike": spikes * sends_itself,
            "synop": messages * layer.fan_out,
            "synop_graded": messages * layer.fan_out,
            "memory_bit": messages * (2 * message_bits[layer.name] + layer.fan_out * a_synop),
        }
        joules = np.zeros(layer.neurons)
        for term, price in prices.items():
            if term in each:
                paid = price if after is None else at_widths.get((after.name, term), price)
                joules = joules + paid.value * each[term]
        found[layer.name] = joules
    return found
