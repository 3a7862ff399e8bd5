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
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.mapping import Routes, routes
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.energy.band import Band, Interval
from spiking_pvae.energy.bootstrap import mean_interval
from spiking_pvae.energy.cells import dense, events, memory, packets
from spiking_pvae.energy.coefficients import Preset
from spiking_pvae.energy.library import list_presets, load_preset
from spiking_pvae.energy.neurons import joules_by_neuron
from spiking_pvae.energy.pricing import left_out, prices, require_priced
from spiking_pvae.energy.report import EnergyReport, LatentEnergy
from spiking_pvae.energy.synops import SynOps, count
from spiking_pvae.errors import InputError

Float64 = NDArray[np.float64]
MappingKind = Literal["chip", "none"]
CHIP = "chip"


def estimate(
    network: Network,
    record: SpikeRecord,
    hardware: str | Path | Preset,
    *,
    baseline: str | Path | Preset = "ann_mac_ac",
    skip_zero_weights: bool = True,
    mapping: MappingKind = "chip",
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
    mapping : {"chip", "none"}
        Whether packets and hops are counted on the preset's mesh of cores, where it has one.
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
        The record is not one of the network, the preset does not price what the record holds, or the baseline does
        not price a dense multiply-accumulate.
    """
    preset = hardware if isinstance(hardware, Preset) else load_preset(hardware)
    floats = baseline if isinstance(baseline, Preset) else load_preset(baseline)
    cycles = _cycles(seconds, clock_hz)
    if mapping not in get_args(MappingKind):
        raise InputError("mapping", given=repr(mapping), allowed=", ".join(get_args(MappingKind)))
    ops = count(network, record, skip_zero_weights=skip_zero_weights)
    samples = ops.samples
    kl = record.latent.kl.sum(axis=0) / samples
    kl_nats = float(kl.sum())
    traced = (
        routes(network, preset.mesh, skip_zero_weights=skip_zero_weights)
        if preset.mesh is not None and mapping == "chip"
        else {}
    )

    counts = events(ops) | memory(network, ops) | packets(record, traced) | dense(ops)
    counts |= {(network.latent.name, "nat"): record.latent.kl.sum(axis=1)}
    if seconds is not None:
        counts[CHIP, "static_power"] = ops.block_samples.astype(np.float64) * seconds
    if cycles is not None:
        counts[CHIP, "clock_power"] = ops.block_samples.astype(np.float64) * cycles
    held: dict[str, float] = {}
    for (_, term), blocks in counts.items():
        held[term] = held.get(term, 0.0) + float(blocks.sum())
    require_priced(preset, held)
    each = prices(preset, ops.schedule, held)
    charged = {cell: blocks for cell, blocks in counts.items() if cell[1] in each}
    parts = {cell: each[cell[1]] * (float(blocks.sum()) / samples) for cell, blocks in charged.items()}
    whole = Band.total(parts.values())
    per_block = np.sum([blocks * each[term].value for (_, term), blocks in charged.items()], axis=0)
    ci95 = mean_interval(per_block, ops.block_samples, rng=np.random.default_rng(seed))
    neurons = joules_by_neuron(network, record, ops, prices=each, routes=traced)
    name = network.latent.name
    nats = each["nat"].value * kl if "nat" in each else 0.0
    latents = LatentEnergy(
        kl=kl,
        rate=record.latent.rate.sum(axis=0) / samples,
        spikes=record.tally(name).spikes.sum(axis=0) / samples,
        joules=neurons[name] + nats,
    )
    chip = (CHIP,) if any(name == CHIP for name, _ in charged) else ()

    notes = list(preset.notes) + _remarks(preset, ops, each, traced)
    if ci95 is None:
        notes.append("No 95% interval: the record holds a single block of samples.")
    if kl_nats <= 0:
        notes.append("No joules a nat: the KL of this record is 0.")
    return EnergyReport(
        samples=samples,
        hardware=preset.name,
        baseline=floats.name,
        event_synops=ops.event_synops / samples,
        spike_synops=ops.spike_synops / samples,
        neuron_updates=ops.neuron_updates / samples,
        joules_per_inference=Interval(value=whole.value, low=whole.low, high=whole.high, ci95=ci95),
        by_layer={
            layer: Band.total(part for (name, _), part in parts.items() if name == layer)
            for layer in (*(layer.name for layer in ops.layers), *chip)
        },
        by_term={term: Band.total(part for (_, name), part in parts.items() if name == term) for term in each},
        kl_nats=kl_nats,
        joules_per_nat=whole.value / kl_nats if kl_nats > 0 else None,
        latent_share=float(latents.joules.sum()) / whole.value if whole.value else None,
        ann_baseline_joules=_baseline(floats, ops),
        latents=latents,
        latent_name=name,
        neurons=neurons,
        block_joules=per_block,
        ops=ops,
        not_counted=left_out(preset, held),
        notes=tuple(notes),
    )


def _cycles(seconds: float | None, clock_hz: float | None) -> float | None:
    for name, given in (("seconds", seconds), ("clock_hz", clock_hz)):
        if given is not None and not (np.isfinite(given) and given > 0):
            raise InputError(name, given=given, allowed="a finite number above 0")
    if clock_hz is None:
        return None
    if seconds is None:
        raise InputError("clock_hz", given=clock_hz, allowed="a clock together with the time of an inference (seconds)")
    return seconds * clock_hz


def _baseline(preset: Preset, ops: SynOps) -> Band:
    if "dense_mac" not in preset.terms:
        having = [name for name in list_presets() if "dense_mac" in load_preset(name).terms]
        raise InputError(
            "baseline preset", given=f"'{preset.name}' without a price for 'dense_mac'", allowed=", ".join(having)
        )
    return preset.terms["dense_mac"].si * ops.dense_macs


def _remarks(preset: Preset, ops: SynOps, prices_of: dict[str, Band], traced: dict[str, Routes]) -> list[str]:
    remarks = []
    if preset.all_in is not None:
        remarks.append(f"The price of '{preset.all_in}' is all-in: nothing is added to it.")
    if ops.schedule == "graded" and "synop" in prices_of:
        remarks.append("A graded message is priced as one synaptic operation a synapse, whatever its payload.")
    if traced and preset.mesh is not None and "message" in prices_of:
        mesh = preset.mesh
        remarks.append(
            f"Packets and hops: layers in order on {mesh.columns} x {mesh.rows} tiles of {mesh.cores_per_tile} cores "
            f"of {mesh.neurons_per_core} neurons; the input enters at the first tile."
        )
    for name, coefficient in preset.listed.items():
        remarks.append(
            f"Listed, not in the sum: {name} {coefficient.value:g} {coefficient.unit} ({coefficient.table})."
        )
    return remarks
