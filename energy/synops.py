"""Counts of what a simulated network did: synaptic operations, updates, messages, spikes, and its dense twin's MACs.

Public tools disagree on what a synaptic operation is when messages carry counts, so both readings are kept:

    event_synops = sum_j messages_j fan_out_j       one graded message is one event
    spike_synops = sum_j spikes_j fan_out_j         what unary execution performs

with j over the population before. Operations belong to the layer that holds the synapses, messages to the
population that sends them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.fanout import dense_macs, fan_out
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule, SpikeRecord
from spiking_pvae.errors import InputError

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerOps:
    """Counts of one population; arrays are sums over each block's samples, int64 of shape (blocks,).

    Parameters
    ----------
    name : str
        ``input`` or the layer's name.
    neurons : int
        Size of the population.
    event_synops, spike_synops : ndarray of int64
        Operations in the synapses that lead to the population (0 for the input).
    messages, spikes : ndarray of int64
        What the population sends.
    updates_active, updates_inactive : ndarray of int64
        Alternatives: each update of a neuron is one or the other.
    dense_macs : int
        Multiply-accumulates an inference of the same layer computed densely (0 for the input).
    fan_out : ndarray of int64, shape (neurons,)
        Synapses that a message of each neuron reaches (0 for the readout, which sends none).
    """

    name: str
    neurons: int
    event_synops: Int64
    spike_synops: Int64
    messages: Int64
    spikes: Int64
    updates_active: Int64
    updates_inactive: Int64
    dense_macs: int
    fan_out: Int64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SynOps:
    """Counts of a network over a record.

    Parameters
    ----------
    schedule : {"graded", "unary"}
        How counts travelled.
    skip_zero_weights : bool
        Whether synapses of weight 0 are left out.
    block_samples : ndarray of int64, shape (blocks,)
        Samples in each block.
    layers : tuple of LayerOps
        The input first, then every layer in order.
    encoder_macs, decoder_macs : int
        Dense MACs an inference up to the latents, and after them.
    """

    schedule: Schedule
    skip_zero_weights: bool
    block_samples: Int64
    layers: tuple[LayerOps, ...]
    encoder_macs: int
    decoder_macs: int

    @property
    def samples(self) -> int:
        """Inferences counted."""
        return int(self.block_samples.sum())

    @property
    def event_synops(self) -> int:
        """Sum of messages times fan-out over all layers and samples."""
        return sum(int(layer.event_synops.sum()) for layer in self.layers)

    @property
    def spike_synops(self) -> int:
        """Sum of spikes times fan-out over all layers and samples."""
        return sum(int(layer.spike_synops.sum()) for layer in self.layers)

    @property
    def neuron_updates(self) -> int:
        """Active and inactive updates over all layers and samples."""
        return sum(int(layer.updates_active.sum() + layer.updates_inactive.sum()) for layer in self.layers)

    @property
    def dense_macs(self) -> int:
        """Dense MACs of one inference, encoder and decoder."""
        return self.encoder_macs + self.decoder_macs


def count(network: Network, record: SpikeRecord, *, skip_zero_weights: bool = True) -> SynOps:
    """Count the operations that a record's messages caused in a network.

    Parameters
    ----------
    network : Network
        The network that was simulated.
    record : SpikeRecord
        Its spikes and messages.
    skip_zero_weights : bool
        Whether synapses of weight 0 count (`spiking_pvae.deploy.fanout`).

    Returns
    -------
    SynOps

    Raises
    ------
    InputError
        The record is not one of this network, or contradicts itself.
    UnsupportedError
        A layer's synapses have no known fan-out.
    """
    _check(network, record)
    reach = [fan_out(layer.synapse, skip_zero_weights=skip_zero_weights) for layer in network.layers]
    macs = [dense_macs(layer.synapse) for layer in network.layers]
    nothing = np.zeros(len(record.block_samples), np.int64)
    layers = []
    for place, tally in enumerate(record.tallies):
        source = record.tallies[place - 1] if place else None
        layers.append(
            LayerOps(
                name=tally.name,
                neurons=tally.neurons,
                event_synops=nothing if source is None else source.events @ reach[place - 1],
                spike_synops=nothing if source is None else source.spikes @ reach[place - 1],
                messages=tally.events.sum(axis=1),
                spikes=tally.spikes.sum(axis=1),
                updates_active=tally.active,
                updates_inactive=record.block_samples * (tally.steps * tally.neurons) - tally.active,
                dense_macs=0 if source is None else macs[place - 1],
                fan_out=reach[place] if place < len(reach) else np.zeros(tally.neurons, np.int64),
            )
        )
    names = [layer.name for layer in network.layers]
    split = names.index(network.latent.name) + 1
    return SynOps(
        schedule=record.schedule,
        skip_zero_weights=skip_zero_weights,
        block_samples=record.block_samples,
        layers=tuple(layers),
        encoder_macs=sum(macs[:split]),
        decoder_macs=sum(macs[split:]),
    )


def _check(network: Network, record: SpikeRecord) -> None:
    expected = [("input", network.input.neurons), *((layer.name, layer.neurons) for layer in network.layers)]
    given = [(tally.name, tally.neurons) for tally in record.tallies]
    if given != expected:
        raise InputError(
            "populations of the record",
            given=given,
            allowed=f"those of the network, {expected}",
            remedy="Simulate this network again, or pass the network that the record comes from.",
        )
    blocks = record.block_samples
    if len(blocks) == 0 or (blocks < 1).any():
        raise InputError(
            "samples a block of the record", given=blocks.tolist(), allowed="at least one block of one sample"
        )
    latents = (len(blocks), network.latent.neurons)
    if record.latent.kl.shape != latents or record.latent.rate.shape != latents:
        raise InputError(
            "KL and rates of the record",
            given=f"shapes {record.latent.kl.shape} and {record.latent.rate.shape}",
            allowed=f"shape {latents}: blocks x latents",
        )
    for tally in record.tallies:
        shape = (len(blocks), tally.neurons)
        if tally.spikes.shape != shape or tally.events.shape != shape or tally.active.shape != shape[:1]:
            raise InputError(
                f"counts of '{tally.name}' in the record",
                given=f"shapes {tally.spikes.shape}, {tally.events.shape}, {tally.active.shape}",
                allowed=f"{shape} for spikes and events, {shape[:1]} for active updates",
            )
        most = blocks * (tally.steps * tally.neurons)
        if (tally.active < 0).any() or (tally.active > most).any():
            raise InputError(
                f"active updates of '{tally.name}' in the record",
                given=tally.active.tolist(),
                allowed=f"0 .. steps x neurons x samples of each block, {most.tolist()}",
            )
