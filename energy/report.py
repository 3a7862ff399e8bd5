"""The joules of an inference, where they go, and how they stand beside the KL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.energy.band import Band, Interval
from spiking_pvae.energy.synops import SynOps

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentEnergy:
    """Three readings of each latent's metabolic cost; means an inference, float64 of shape (latents,).

    Parameters
    ----------
    kl : ndarray
        KL_i in nats.
    rate : ndarray
        Posterior rate r_i: expected spikes.
    spikes : ndarray
        Spikes that were fired.
    joules : ndarray
        J_i = spikes_i e_spike + messages_i (e_message + e_firing + fan_out_i e_synop) [+ KL_i e_nat], at the
        coefficients' values; a term that the preset does not price is absent.
    """

    kl: Float64
    rate: Float64
    spikes: Float64
    joules: Float64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EnergyReport:
    """Energy of a recorded network on one machine; counts and joules are means an inference.

    Parameters
    ----------
    samples : int
        Inferences behind the means.
    hardware, baseline : str
        Names of the presets.
    event_synops, spike_synops, neuron_updates : float
        Counts an inference.
    packets, hops : float, optional
        Messages to single cores, and borders of tiles that they cross; None without a mesh.
    joules_per_inference : Interval
        The whole, in joules.
    by_layer, by_term : mapping of str to Band
        The whole in parts, in joules; each sums to the whole.
    kl_nats : float
        KL an inference, in nats.
    joules_per_nat : float, optional
        None where the KL is 0.
    latent_share : float, optional
        Share of the whole that the latents' spikes cause: their messages and the synaptic operations of those
        downstream. It is the part that the KL can steer. None where the whole is 0.
    ann_baseline_joules : Band
        The dense multiply-accumulates of the same function at the baseline's price.
    latents : LatentEnergy
        The metabolic term, latent by latent.
    latent_name : str
        Name of the latents' layer.
    neurons : mapping of str to ndarray
        Joules that the messages of each neuron cause, by population (`spiking_pvae.energy.neurons`).
    block_joules : ndarray of float64, shape (blocks,)
        Joules of each block of samples, at the coefficients' values; a block is one sample in records of up to 2048.
    ops : SynOps
        The counts.
    not_counted : mapping of str to str
        What the sum leaves out, and why.
    notes : tuple of str
        Caveats of the preset and of this estimate.
    """

    samples: int
    hardware: str
    baseline: str
    event_synops: float
    spike_synops: float
    neuron_updates: float
    packets: float | None
    hops: float | None
    joules_per_inference: Interval
    by_layer: Mapping[str, Band]
    by_term: Mapping[str, Band]
    kl_nats: float
    joules_per_nat: float | None
    latent_share: float | None
    ann_baseline_joules: Band
    latents: LatentEnergy
    latent_name: str
    neurons: Mapping[str, Float64]
    block_joules: Float64
    ops: SynOps
    not_counted: Mapping[str, str]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return a JSON-ready object; None where a ratio has a zero denominator."""
        return {
            "samples": self.samples,
            "hardware": self.hardware,
            "schedule": self.ops.schedule,
            "event_synops": self.event_synops,
            "spike_synops": self.spike_synops,
            "neuron_updates": self.neuron_updates,
            "packets": self.packets,
            "hops": self.hops,
            "joules_per_inference": self.joules_per_inference.to_json(),
            "by_layer": {name: band.to_json() for name, band in self.by_layer.items()},
            "by_term": {name: band.to_json() for name, band in self.by_term.items()},
            "kl_nats": self.kl_nats,
            "joules_per_nat": self.joules_per_nat,
            "latent_share": self.latent_share,
            "ann_baseline_joules": self.ann_baseline_joules.value,
            "ann_baseline": {"preset": self.baseline, **self.ann_baseline_joules.to_json()},
            "dense_macs": {"encoder": self.ops.encoder_macs, "decoder": self.ops.decoder_macs},
            "layers": [
                {
                    "name": layer.name,
                    "neurons": layer.neurons,
                    "event_synops": int(layer.event_synops.sum()) / self.samples,
                    "spike_synops": int(layer.spike_synops.sum()) / self.samples,
                    "messages": int(layer.messages.sum()) / self.samples,
                    "spikes": int(layer.spikes.sum()) / self.samples,
                    "updates_active": int(layer.updates_active.sum()) / self.samples,
                    "updates_inactive": int(layer.updates_inactive.sum()) / self.samples,
                    "dense_macs": layer.dense_macs,
                }
                for layer in self.ops.layers
            ],
            "not_counted": dict(self.not_counted),
            "notes": list(self.notes),
        }
