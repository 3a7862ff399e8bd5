"""Sections about the integer network: its spikes, what the conversion costs, and its place on a chip."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from spiking_pvae.deploy.check import Budget, check
from spiking_pvae.deploy.chips import load_chip
from spiking_pvae.deploy.fidelity import Fidelity
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.energy import EnergyReport, fan_out
from spiking_pvae.energy.memory import synapse_bits
from spiking_pvae.plots.run import gap, raster, rate_histograms, training
from spiking_pvae.report.render import Cell, Section, Table
from spiking_pvae.scalars import History

CHIPS = ("loihi2", "loihi1")
"""Chips whose limits the page shows."""


def spikes(network: Network, shown: SpikeRecord, energy: EnergyReport, history: History) -> Section:
    """Show the latents' counts of some images, how often latents fire, and the training."""
    counts = shown.traces[network.latent.name].counts
    rate = energy.latents.rate
    return Section(
        anchor="spikes",
        title="Spikes",
        drawings=[raster(counts, np.argsort(rate)), rate_histograms(rate, counts), training(history)],
    )


def conversion(compared: Fidelity) -> Section:
    """Compare the float model with the integer network, by cause."""
    fields: tuple[tuple[str, str], ...] = (
        ("nelbo", "−ELBO"),
        ("mse", "squared error"),
        ("kl", "KL (nats)"),
        ("metabolic_cost", "metabolic cost"),
        ("proportion_zeros", "proportion of zeros"),
    )
    exact, integer = compared.float_figures, compared.integer_figures
    rows = [
        (
            label,
            Cell(text=f"{getattr(exact, name):.5g}"),
            Cell(text=f"{getattr(integer, name):.5g}"),
            Cell(text=f"{100 * (getattr(integer, name) / getattr(exact, name) - 1):+.3f} %"),
        )
        for name, label in fields
    ]
    return Section(
        anchor="fidelity",
        title="Float against integer",
        text="Both are judged by the same exact expectation over the counts: no sampling noise enters the difference.",
        drawings=[gap(compared.gap)],
        tables=[
            Table(
                caption=f"{compared.samples} held-out images; rates correlate by {compared.rates.correlation:.6f}",
                columns=("", "float", "integer", "change"),
                rows=rows,
            )
        ],
    )


def hardware(network: Network) -> Section:
    """Show what the network asks of a chip, and the limits of some chips beside it."""
    rows = []
    for layer in network.layers:
        synapses = int(np.count_nonzero(layer.synapse.weight))
        reach = fan_out(layer.synapse)
        bits = synapses * synapse_bits(layer.synapse)
        rows.append(
            (
                layer.name,
                Cell(text=f"{layer.neurons:,}", key=layer.neurons),
                Cell(text=f"{synapses:,}", key=synapses),
                Cell(text=f"{layer.synapse.bits}", key=layer.synapse.bits),
                Cell(text=f"{bits / 8192:,.1f} KiB", key=bits),
                Cell(text=f"{int(reach.max()):,}", key=int(reach.max())),
            )
        )
    columns = ("layer", "neurons", "nonzero weights", "bits", "weight memory", "largest fan-out of its input")
    budgets = [check(network, load_chip(name)) for name in CHIPS]
    return Section(
        anchor="hardware",
        title="Hardware budget",
        text="What the integer network asks of a chip, and what some chips have. Counts travel as payloads (graded).",
        tables=[
            Table(caption="Layers", columns=columns, rows=rows, sortable=True),
            *(_limits(budget, network) for budget in budgets),
        ],
        notes=[
            note
            for budget in budgets
            for note in (
                *(f"{budget.chip.title}, {item.layer}: {item.remedy}" for item in budget.violations),
                *(f"{budget.chip.title}: {note}" for note in budget.chip.notes),
            )
        ],
    )


def _limits(budget: Budget, network: Network) -> Table:
    """Set what the network needs at most beside every limit of a chip."""
    places = budget.layers
    exceeded = {item.limit: item.value for item in budget.violations}
    needed = {
        "cores": budget.cores,
        "neurons": max(place.neurons_a_core for place in places),
        "synapse_bits": max(place.synapse_bits for place in places),
        "fan_in": max(place.fan_in for place in places),
        "fan_out": max(one.neurons_a_core * two.cores for one, two in pairwise(places)),
        "weight_bits": max(layer.synapse.bits for layer in network.layers),
        "payload_bits": max(place.payload_bits for place in places),
    }
    rows = []
    for name, limit in budget.chip.limits.items():
        value = max(needed[name], exceeded.get(name, 0))
        rows.append(
            (
                name.replace("_", " "),
                Cell(text=f"{value:,}", key=value, bar=min(1.0, value / limit.value)),
                Cell(text=f"{limit.value:,}", key=limit.value),
                "exceeded" if name in exceeded else "fits",
                limit.unit,
                limit.source,
            )
        )
    verdict = "the network fits" if budget.fits else "the network does not fit"
    columns = ("limit", "needed at most", "allowed", "verdict", "unit", "source")
    return Table(caption=f"{budget.chip.title}: {verdict}", columns=columns, rows=rows)
