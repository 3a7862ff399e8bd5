"""From counts to joules.

    E = sum over layers and terms of  count(layer, term) * price(term)

Active and inactive updates are alternatives: an update is in one count or the other. A synaptic operation costs
``synop_graded`` in the graded schedule where the preset has that price, else ``synop``. An ``all_in`` price stands
alone. A term that the record holds and the preset neither prices nor excuses is refused by name. Packets and hops come
from the preset's mesh (`spiking_pvae.deploy.mapping`), static and clock power from the time and clock that the caller
gives; they belong to no layer and appear as ``chip``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.energy.account import Account, MappingKind, WidthsKind, account
from spiking_pvae.energy.band import Band, Interval
from spiking_pvae.energy.bootstrap import mean_interval
from spiking_pvae.energy.cells import Float64
from spiking_pvae.energy.coefficients import Preset
from spiking_pvae.energy.library import list_presets, load_preset
from spiking_pvae.energy.neurons import joules_by_neuron
from spiking_pvae.energy.pricing import left_out
from spiking_pvae.energy.report import EnergyReport, LatentEnergy
from spiking_pvae.energy.synops import SynOps
from spiking_pvae.errors import InputError


def estimate(
    network: Network,
    record: SpikeRecord,
    hardware: str | Path | Preset,
    *,
    baseline: str | Path | Preset = "ann_mac_ac",
    skip_zero_weights: bool = True,
    mapping: MappingKind = "chip",
    widths: WidthsKind = "published",
    seconds: float | None = None,
    clock_hz: float | None = None,
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
        Whether synapses of weight 0 perform no operation (`spiking_pvae.deploy.fanout`).
    mapping : {"chip", "greedy", "none"}
        Whether packets and hops are counted on the preset's mesh of cores, where it has one: with the cores row by row,
        or placed so that messages have a short way (`spiking_pvae.deploy.mapping`).
    widths : {"published", "network"}
        Prices of synaptic operations as published, or at the network's own widths where the preset's source says how
        they follow them (`spiking_pvae.energy.widths`).
    seconds : float, optional
        Time of an inference, for static power.
    clock_hz : float, optional
        Clock, for clock power; needs `seconds`.
    seed : int
        Seed of the bootstrap's draws.

    Returns
    -------
    EnergyReport

    Raises
    ------
    InputError
        The record is not one of the network, the preset does not price what the record holds or does not say how its
        prices follow widths, or the baseline does not price a dense multiply-accumulate.
    """
    preset = hardware if isinstance(hardware, Preset) else load_preset(hardware)
    floats = baseline if isinstance(baseline, Preset) else load_preset(baseline)
    done = account(
        network,
        record,
        preset,
        skip_zero_weights=skip_zero_weights,
        mapping=mapping,
        widths=widths,
        seconds=seconds,
        clock_hz=clock_hz,
    )
    return _report(network, record, preset, floats, done, mapping=mapping, seed=seed)


def _report(
    network: Network,
    record: SpikeRecord,
    preset: Preset,
    floats: Preset,
    done: Account,
    *,
    mapping: MappingKind,
    seed: int,
) -> EnergyReport:
    """Turn an account into means an inference."""
    ops, samples = done.ops, done.ops.samples
    neurons = joules_by_neuron(
        network,
        record,
        ops,
        prices=done.prices,
        routes=done.routes,
        at_widths=done.at_widths,
        message_bits=done.message_bits,
    )
    latents = _latents(network, record, done, neurons[network.latent.name])
    kl_nats = float(latents.kl.sum())
    whole = Band.total(done.parts.values())
    ci95 = mean_interval(done.block_joules, ops.block_samples, rng=np.random.default_rng(seed))
    return EnergyReport(
        samples=samples,
        hardware=preset.name,
        baseline=floats.name,
        event_synops=ops.event_synops / samples,
        spike_synops=ops.spike_synops / samples,
        neuron_updates=ops.neuron_updates / samples,
        packets=done.of_mesh("message"),
        hops=done.of_mesh("hop_east_west", "hop_north_south"),
        joules_per_inference=Interval(value=whole.value, low=whole.low, high=whole.high, ci95=ci95),
        by_layer={layer: done.of_layer(layer) for layer in done.layers},
        by_term={term: done.of_term(term) for term in done.prices},
        kl_nats=kl_nats,
        joules_per_nat=whole.value / kl_nats if kl_nats > 0 else None,
        latent_share=float(latents.joules.sum()) / whole.value if whole.value else None,
        ann_baseline_joules=_baseline(floats, ops),
        latents=latents,
        latent_name=network.latent.name,
        neurons=neurons,
        block_joules=done.block_joules,
        ops=ops,
        not_counted=left_out(preset, done.held),
        notes=(*preset.notes, *_remarks(preset, done, mapping), *_lacking(ci95, kl_nats)),
    )


def _latents(network: Network, record: SpikeRecord, done: Account, joules: Float64) -> LatentEnergy:
    """Put the latents' nats, rates, spikes and joules side by side."""
    samples = done.ops.samples
    kl = record.latent.kl.sum(axis=0) / samples
    return LatentEnergy(
        kl=kl,
        rate=record.latent.rate.sum(axis=0) / samples,
        spikes=record.tally(network.latent.name).spikes.sum(axis=0) / samples,
        joules=joules + (done.prices["nat"].value * kl if "nat" in done.prices else 0.0),
    )


def _baseline(preset: Preset, ops: SynOps) -> Band:
    if "dense_mac" not in preset.terms:
        having = [name for name in list_presets() if "dense_mac" in load_preset(name).terms]
        raise InputError(
            "baseline preset", given=f"'{preset.name}' without a price for 'dense_mac'", allowed=", ".join(having)
        )
    return preset.terms["dense_mac"].si * ops.dense_macs


def _remarks(preset: Preset, done: Account, mapping: MappingKind) -> list[str]:
    """Say what the sum rests on."""
    remarks = []
    if preset.all_in is not None:
        remarks.append(f"The price of '{preset.all_in}' is all-in: nothing is added to it.")
    if done.ops.schedule == "graded" and "synop" in done.prices:
        remarks.append("A graded message is priced as one synaptic operation a synapse, whatever its payload.")
    if done.routes and preset.mesh is not None and "message" in done.prices:
        mesh, how = preset.mesh, "cores near what sends to them" if mapping == "greedy" else "layers in order"
        remarks.append(
            f"Packets and hops: {how} on {mesh.columns} x {mesh.rows} tiles of {mesh.cores_per_tile} cores "
            f"of {mesh.neurons_per_core} neurons; the input enters at the first tile."
        )
    for (layer, term), price in done.at_widths.items():
        factor = price.value / done.prices[term].value
        remarks.append(f"At the network's widths '{term}' into '{layer}' costs {factor:.3g} x the published price.")
    for name, coefficient in preset.listed.items():
        remarks.append(
            f"Listed, not in the sum: {name} {coefficient.value:g} {coefficient.unit} ({coefficient.table})."
        )
    return remarks


def _lacking(ci95: tuple[float, float] | None, kl_nats: float) -> list[str]:
    """Say which figures the record does not give."""
    remarks = []
    if ci95 is None:
        remarks.append("No 95% interval: the record holds a single block of samples.")
    if kl_nats <= 0:
        remarks.append("No joules a nat: the KL of this record is 0.")
    return remarks
