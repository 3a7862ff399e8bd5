"""Sections about energy: by layer and by term, and the KL beside the joules."""

from __future__ import annotations

from typing import Any

import numpy as np

from spiking_pvae.energy import EnergyReport
from spiking_pvae.evaluation import Evaluation
from spiking_pvae.plots.run import metabolic_term
from spiking_pvae.quantities import quantity
from spiking_pvae.report.render import Cell, Section, Table


def _bands(energy: EnergyReport, parts: dict[str, Any], title: str) -> Table:
    whole = energy.joules_per_inference.value or 1.0
    rows = [
        (
            name.replace("_", " "),
            Cell(text=quantity(band.value, "J"), key=band.value, bar=band.value / whole),
            Cell(text=f"{band.value / whole:.1%}", key=band.value / whole),
            Cell(text=f"{quantity(band.low, 'J')} .. {quantity(band.high, 'J')}", key=band.high),
        )
        for name, band in parts.items()
    ]
    columns = ("part", "energy an inference", "share", "band of the prices")
    return Table(caption=title, columns=columns, rows=rows, sortable=True)


def by_part(energy: EnergyReport) -> Section:
    """Split the joules of an inference by layer and by term."""
    left_out = [f"Not counted: {term}. {reason}" for term, reason in energy.not_counted.items()]
    return Section(
        anchor="energy",
        title="Energy",
        text=f"{quantity(energy.joules_per_inference.value, 'J')} an inference on {energy.hardware}: "
        f"{energy.event_synops:,.0f} synaptic events, {energy.neuron_updates:,.0f} neuron updates.",
        tables=[
            _bands(energy, dict(energy.by_layer), "By layer"),
            _bands(energy, dict(energy.by_term), "By term"),
        ],
        notes=[*energy.notes, *left_out],
    )


def beside_kl(energy: EnergyReport, evaluated: Evaluation) -> Section:
    """Set the KL beside the joules, latent by latent."""
    latents = energy.latents
    order = np.argsort(-latents.joules)[:20]

    def number(value: float, text: str) -> Cell:
        return Cell(text=text, key=value)

    rows = [
        (
            f"latent {i}",
            number(float(latents.kl[i]), f"{latents.kl[i]:.3g}"),
            number(float(latents.rate[i]), f"{latents.rate[i]:.3g}"),
            number(float(latents.joules[i]), quantity(float(latents.joules[i]), "J")),
        )
        for i in order.tolist()
    ]
    return Section(
        anchor="metabolic",
        title="KL against joules",
        text="KL is not energy: at the prior it is zero while spikes still cost. Here are both, latent by latent.",
        drawings=[metabolic_term(latents)],
        tables=[
            Table(
                caption=f"The 20 latents that cost most, of {evaluated.active_latents} active ones",
                columns=("latent", "KL (nats)", "rate (spikes)", "energy"),
                rows=rows,
                sortable=True,
            )
        ],
    )
