"""What a record's messages did on a machine, and what each thing costs there: counts beside prices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.mapping import Routes, routes
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.energy.band import Band
from spiking_pvae.energy.cells import Counts, Float64, dense, events, memory, packets
from spiking_pvae.energy.coefficients import Preset
from spiking_pvae.energy.library import list_presets, load_preset
from spiking_pvae.energy.memory import message_bits
from spiking_pvae.energy.pricing import prices, require_priced
from spiking_pvae.energy.synops import SynOps, count
from spiking_pvae.energy.widths import prices_at_widths
from spiking_pvae.errors import InputError

MappingKind = Literal["chip", "greedy", "none"]
WidthsKind = Literal["published", "network"]
CHIP = "chip"


@dataclass(frozen=True, kw_only=True, eq=False)
class Account:
    """Counts and prices of one record on one machine.

    Parameters
    ----------
    ops : SynOps
    routes : dict of str to Routes
        By sending population; empty without a mesh.
    counts : dict of (str, str) to ndarray
        By layer and term, sums over each block's samples; power is under the layer ``chip``.
    held : dict of str to float
        By term, sum over all layers and blocks.
    prices : dict of str to Band
        Joules of each term that enters the sum.
    at_widths : dict of (str, str) to Band
        Prices of a term in a layer at the network's own widths; they replace those of `prices`, and no count.
    message_bits : dict of str to int
        Bits of a message, by sending population.
    """

    ops: SynOps
    routes: dict[str, Routes]
    counts: Counts
    held: dict[str, float]
    prices: dict[str, Band]
    at_widths: dict[tuple[str, str], Band]
    message_bits: dict[str, int]

    @cached_property
    def charged(self) -> Counts:
        """Counts that have a price."""
        return {cell: blocks for cell, blocks in self.counts.items() if cell[1] in self.prices}

    def price(self, cell: tuple[str, str]) -> Band:
        """Joules of a layer's term."""
        return self.at_widths.get(cell, self.prices[cell[1]])

    @cached_property
    def parts(self) -> dict[tuple[str, str], Band]:
        """Joules an inference of each layer and term."""
        samples = self.ops.samples
        return {cell: self.price(cell) * (float(blocks.sum()) / samples) for cell, blocks in self.charged.items()}

    @cached_property
    def block_joules(self) -> Float64:
        """Joules of each block's samples at the coefficients' values."""
        joules = [blocks * self.price(cell).value for cell, blocks in self.charged.items()]
        whole: Float64 = np.sum(joules, axis=0)
        return whole

    @property
    def layers(self) -> tuple[str, ...]:
        """The populations, and ``chip`` where power is charged."""
        chip = (CHIP,) if any(name == CHIP for name, _ in self.charged) else ()
        return (*(layer.name for layer in self.ops.layers), *chip)

    def of_mesh(self, *terms: str) -> float | None:
        """Return how often something happened on the mesh in an inference; None without one."""
        return sum(self.held.get(term, 0.0) for term in terms) / self.ops.samples if self.routes else None

    def of_layer(self, layer: str) -> Band:
        """Joules an inference of a layer."""
        return Band.total(part for (name, _), part in self.parts.items() if name == layer)

    def of_term(self, term: str) -> Band:
        """Joules an inference of a term."""
        return Band.total(part for (_, name), part in self.parts.items() if name == term)


def account(
    network: Network,
    record: SpikeRecord,
    preset: Preset,
    *,
    skip_zero_weights: bool,
    mapping: MappingKind,
    widths: WidthsKind,
    seconds: float | None,
    clock_hz: float | None,
) -> Account:
    """Count what a record's messages did and price it; parameters and errors as of `spiking_pvae.energy.estimate`."""
    _chosen("mapping", mapping, get_args(MappingKind))
    _chosen("widths", widths, get_args(WidthsKind))
    cycles = _cycles(seconds, clock_hz)
    ops = count(network, record, skip_zero_weights=skip_zero_weights)
    traced = (
        routes(
            network,
            preset.mesh,
            placement="greedy" if mapping == "greedy" else "rows",
            skip_zero_weights=skip_zero_weights,
        )
        if preset.mesh is not None and mapping != "none"
        else {}
    )
    bits = message_bits(network, ops.schedule)
    counts = events(ops) | memory(network, ops, bits) | packets(record, traced) | dense(ops)
    counts |= {(network.latent.name, "nat"): record.latent.kl.sum(axis=1)}
    if seconds is not None:
        counts[CHIP, "static_power"] = ops.block_samples.astype(np.float64) * seconds
    if cycles is not None:
        counts[CHIP, "clock_power"] = ops.block_samples.astype(np.float64) * cycles
    held: dict[str, float] = {}
    for (_, term), blocks in counts.items():
        held[term] = held.get(term, 0.0) + float(blocks.sum())
    require_priced(preset, held)
    published = prices(preset, ops.schedule, held)
    return Account(
        ops=ops,
        routes=traced,
        counts=counts,
        held=held,
        prices=published,
        at_widths=_at_widths(network, preset, published, ops) if widths == "network" else {},
        message_bits=bits,
    )


def _at_widths(
    network: Network, preset: Preset, published: dict[str, Band], ops: SynOps
) -> dict[tuple[str, str], Band]:
    """Return what the network's widths make of a preset's prices; refuse a preset that does not say."""
    if not preset.widths:
        having = [name for name in list_presets() if load_preset(name).widths]
        raise InputError(
            "prices by the network's widths",
            given=f"'{preset.name}', whose source has one price whatever the width",
            allowed=", ".join(having),
            remedy="Take prices as published: --widths published.",
        )
    return prices_at_widths(network, preset.widths, published, ops.schedule)


def _chosen(what: str, given: str, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise InputError(what, given=repr(given), allowed=", ".join(allowed))


def _cycles(seconds: float | None, clock_hz: float | None) -> float | None:
    """Return the clock cycles of an inference."""
    for name, given in (("seconds", seconds), ("clock_hz", clock_hz)):
        if given is not None and not (np.isfinite(given) and given > 0):
            raise InputError(name, given=given, allowed="a finite number above 0")
    if clock_hz is None:
        return None
    if seconds is None:
        raise InputError("clock_hz", given=clock_hz, allowed="a clock together with the time of an inference (seconds)")
    return seconds * clock_hz
