"""From counts to joules.

    E = sum over layers and terms of  count(layer, term) * price(term)

Active and inactive updates are alternatives: an update is in one count or the other. A synaptic operation costs
``synop_graded`` in the graded schedule where the preset has that price, else ``synop``. An ``all_in`` price stands
alone. A term that the record holds and the preset neither prices nor excuses is refused by name.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.energy.band import Band, Interval
from spiking_pvae.energy.bootstrap import mean_interval
from spiking_pvae.energy.coefficients import Preset
from spiking_pvae.energy.library import list_presets, load_preset
from spiking_pvae.energy.report import EnergyReport, LatentEnergy
from spiking_pvae.energy.synops import SynOps, count
from spiking_pvae.energy.terms import REQUIRED, TERMS
from spiking_pvae.errors import InputError

Float64 = NDArray[np.float64]
# Counts of one layer and term: sums over each block's samples, shape (blocks,).
Counts = dict[tuple[str, str], Float64]


def estimate(
    network: Network,
    record: SpikeRecord,
    hardware: str | Path | Preset,
    *,
    baseline: str | Path | Preset = "ann_mac_ac",
    skip_zero_weights: bool = True,
    seed: int = 0,
) -> EnergyReport:
    """Estimate the energy of an inference.

    Parameters
    ----------
    network : Network
        The integer network.
    record : SpikeRecord
        Its simulation.
    hardware : str, Path or Preset
        Name of a preset (`list_presets`), path of a TOML file, or a preset.
    baseline : str, Path or Preset
        Preset with a price for ``dense_mac``: what the same function costs without spikes.
    skip_zero_weights : bool
        Whether synapses of weight 0 perform no operation (`spiking_pvae.energy.fanout`).
    seed : int
        Seed of the bootstrap's draws.

    Returns
    -------
    EnergyReport

    Raises
    ------
    InputError
        The record is not one of the network, the preset does not price what the record holds, or the baseline does
        not price a dense multiply-accumulate.
    """
    preset = hardware if isinstance(hardware, Preset) else load_preset(hardware)
    dense = baseline if isinstance(baseline, Preset) else load_preset(baseline)
    ops = count(network, record, skip_zero_weights=skip_zero_weights)
    samples = ops.samples
    kl = record.latent.kl.sum(axis=0) / samples
    kl_nats = float(kl.sum())

    counts = _events(ops) | _dense(ops) | {(network.latent.name, "nat"): record.latent.kl.sum(axis=1)}
    prices = _prices(preset, counts, ops)
    charged = {cell: blocks for cell, blocks in counts.items() if cell[1] in prices}
    parts = {cell: prices[cell[1]] * (float(blocks.sum()) / samples) for cell, blocks in charged.items()}
    whole = Band.total(parts.values())
    per_block = np.sum([blocks * prices[term].value for (_, term), blocks in charged.items()], axis=0)
    ci95 = mean_interval(per_block, ops.block_samples, rng=np.random.default_rng(seed))
    latents = _latents(network, record, ops, prices, kl)

    notes = list(preset.notes) + _remarks(preset, ops, prices)
    if ci95 is None:
        notes.append("No 95% interval: the record holds a single block of samples.")
    if kl_nats <= 0:
        notes.append("No joules a nat: the KL of this record is 0.")
    return EnergyReport(
        samples=samples,
        hardware=preset.name,
        baseline=dense.name,
        event_synops=ops.event_synops / samples,
        spike_synops=ops.spike_synops / samples,
        neuron_updates=ops.neuron_updates / samples,
        joules_per_inference=Interval(value=whole.value, low=whole.low, high=whole.high, ci95=ci95),
        by_layer={
            layer.name: Band.total(part for (name, _), part in parts.items() if name == layer.name)
            for layer in ops.layers
        },
        by_term={term: Band.total(part for (_, name), part in parts.items() if name == term) for term in prices},
        kl_nats=kl_nats,
        joules_per_nat=whole.value / kl_nats if kl_nats > 0 else None,
        latent_share=float(latents.joules.sum()) / whole.value if whole.value else None,
        ann_baseline_joules=_baseline(dense, ops),
        latents=latents,
        ops=ops,
        not_counted=dict(preset.not_counted),
        notes=tuple(notes),
    )


def _events(ops: SynOps) -> Counts:
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


def _dense(ops: SynOps) -> Counts:
    samples = ops.block_samples.astype(np.float64)
    counts: Counts = {}
    for layer in ops.layers[1:]:
        counts[layer.name, "dense_mac"] = samples * layer.dense_macs
        counts[layer.name, "dense_update"] = samples * layer.neurons
    return counts


def _prices(preset: Preset, counts: Counts, ops: SynOps) -> dict[str, Band]:
    """Return the price of each term that enters the sum, or refuse by name."""
    summed = preset.summed
    if preset.all_in is None:
        for group in REQUIRED[preset.charges]:
            if any(name in summed or name in preset.not_counted for name in group):
                continue
            held = {
                name: sum(float(blocks.sum()) for (_, term), blocks in counts.items() if term == name) for name in group
            }
            if any(held.values()):
                alternatives = " or ".join(f"'{name}'" for name in group)
                meanings = " or ".join(TERMS[name].meaning for name in group)
                raise InputError(
                    f"hardware preset '{preset.name}'",
                    given=f"no price for {alternatives} ({meanings}); the record holds {max(held.values()):.0f}",
                    allowed=f"a coefficient under [terms.{group[0]}], or a reason under [not_counted]",
                    remedy="A missing price is never taken as 0.",
                )
    unused = "synop" if ops.schedule == "graded" and "synop_graded" in summed else "synop_graded"
    return {name: coefficient.si for name, coefficient in summed.items() if name != unused}


def _latents(network: Network, record: SpikeRecord, ops: SynOps, prices: dict[str, Band], kl: Float64) -> LatentEnergy:
    tally = record.tally(network.latent.name)
    messages = tally.events.sum(axis=0) / ops.samples
    spikes = tally.spikes.sum(axis=0) / ops.samples
    # What one more unit of each count costs; a dense machine pays nothing for a spike.
    each = {
        "message": messages,
        "firing": messages,
        "spike": spikes,
        "synop": messages * ops.latent_fan_out,
        "synop_graded": messages * ops.latent_fan_out,
        "nat": kl,
    }
    joules = np.zeros(len(kl))
    for term, price in prices.items():
        if term in each:
            joules = joules + price.value * each[term]
    return LatentEnergy(kl=kl, rate=record.latent.rate.sum(axis=0) / ops.samples, spikes=spikes, joules=joules)


def _baseline(preset: Preset, ops: SynOps) -> Band:
    if "dense_mac" not in preset.terms:
        having = [name for name in list_presets() if "dense_mac" in load_preset(name).terms]
        raise InputError(
            "baseline preset", given=f"'{preset.name}' without a price for 'dense_mac'", allowed=", ".join(having)
        )
    return preset.terms["dense_mac"].si * ops.dense_macs


def _remarks(preset: Preset, ops: SynOps, prices: dict[str, Band]) -> list[str]:
    remarks = []
    if preset.all_in is not None:
        remarks.append(f"The price of '{preset.all_in}' is all-in: nothing is added to it.")
    if ops.schedule == "graded" and "synop" in prices:
        remarks.append("A graded message is priced as one synaptic operation a synapse, whatever its payload.")
    for name, coefficient in preset.listed.items():
        remarks.append(
            f"Listed, not in the sum: {name} {coefficient.value:g} {coefficient.unit} ({coefficient.table})."
        )
    return remarks
