"""Coefficients with their provenance, and presets that gather those of one machine.

Rules that hold for every preset, from a file or built in code: bounds enclose the value; nothing is added to an
``all_in`` value; a term is priced or has a reason for not being counted, never both.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

from spiking_pvae.deploy.mapping import CoreMesh
from spiking_pvae.energy.band import Band
from spiking_pvae.energy.terms import EXCLUSIVE, TERMS, Charges, Dimension
from spiking_pvae.energy.widths import FOLLOW, Widths
from spiking_pvae.errors import InputError

Evidence = Literal[
    "measured", "simulated", "fitted", "inherited", "convention", "literature", "physics", "derived", "secondary"
]
Scope = Literal["per_term", "all_in"]

ENERGY_UNITS = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "nJ": 1e-9, "pJ": 1e-12, "fJ": 1e-15, "aJ": 1e-18, "zJ": 1e-21}
POWER_UNITS = {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "nW": 1e-9, "pW": 1e-12}
CLOCK_UNITS = {"uW/MHz": 1e-12}
UNITS = ENERGY_UNITS | POWER_UNITS | CLOCK_UNITS
_UNITS_OF: dict[Dimension, dict[str, float]] = {
    "energy": ENERGY_UNITS,
    "power": POWER_UNITS,
    "power per clock": CLOCK_UNITS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """A published price.

    Parameters
    ----------
    value, low, high : float
        In `unit`, 0 < low <= value <= high, finite.
    unit : str
        One of `UNITS`.
    source : str
        Publication or file.
    table : str
        Where in the source.
    evidence : str
        How the source knows: one of `Evidence`.
    scope : {"per_term", "all_in"}
        Whether other terms come on top, or the figure is a whole machine's energy divided by a count.
    band : str
        How `low` and `high` were chosen.
    node : str, optional
        Process node; None where the source states none or there is no chip.
    voltage : float, optional
        Supply in volts; None likewise.
    seen : str
        What was read of it, where that is not the source itself.
    widths : Widths, optional
        How the price follows the widths of its operands, where the source says so; for terms that have such operands.
    """

    value: float
    low: float
    high: float
    unit: str
    source: str
    table: str
    evidence: Evidence
    scope: Scope
    band: str
    node: str | None = None
    voltage: float | None = None
    seen: str = ""
    widths: Widths | None = None

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):
            number = getattr(self, name)
            if not (math.isfinite(number) and number > 0):
                raise InputError(name, given=number, allowed="a finite number above 0")
        if not self.low <= self.value <= self.high:
            raise InputError(
                "low, value, high", given=f"{self.low}, {self.value}, {self.high}", allowed="low <= value <= high"
            )
        _choose("unit", self.unit, tuple(UNITS))
        _choose("evidence", self.evidence, get_args(Evidence))
        _choose("scope", self.scope, get_args(Scope))
        for name in ("source", "table", "band"):
            if not getattr(self, name).strip():
                raise InputError(name, given="an empty text", allowed="a text")
        if self.widths is not None and not math.isclose(self.widths.whole, self.value, rel_tol=1e-6):
            raise InputError(
                "widths", given=f"parts that add up to {self.widths.whole:g}", allowed=f"the value, {self.value:g}"
            )
        if self.voltage is not None and not (math.isfinite(self.voltage) and self.voltage > 0):
            raise InputError("voltage", given=self.voltage, allowed="volts, a finite number above 0")

    @property
    def si(self) -> Band:
        """The price in joules (a power in watts, or in watts a hertz)."""
        factor = UNITS[self.unit]
        return Band(value=self.value * factor, low=self.low * factor, high=self.high * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Prices of one machine.

    Parameters
    ----------
    name : str
        Name under which reports quote it.
    title, description : str
        One line, and a few.
    source : str
        URL or DOI of the main source.
    charges : {"events", "dense", "nats"}
        Account whose terms a sum takes (`spiking_pvae.energy.terms`). A preset may also hold terms of ``dense`` to
        serve as a baseline.
    terms : mapping of str to Coefficient
        Prices, in the unit that `spiking_pvae.energy.terms` asks for.
    not_counted : mapping of str to str
        Terms that a record holds and this preset leaves out, each with the reason.
    listed : mapping of str to Coefficient
        Published values that no sum uses.
    mesh : CoreMesh, optional
        Cores of the machine, for hops and packets.
    notes : tuple of str
        Caveats that every report repeats.
    """

    name: str
    title: str
    description: str
    source: str
    charges: Charges
    terms: Mapping[str, Coefficient]
    not_counted: Mapping[str, str] = field(default_factory=dict)
    listed: Mapping[str, Coefficient] = field(default_factory=dict)
    mesh: CoreMesh | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _choose("charges", self.charges, get_args(Charges))
        for name in (*self.terms, *self.not_counted):
            _choose("term", name, tuple(TERMS))
        for name, coefficient in self.terms.items():
            units = _UNITS_OF[TERMS[name].dimension]
            if coefficient.unit not in units:
                raise InputError(f"unit of term '{name}'", given=repr(coefficient.unit), allowed=", ".join(units))
            if coefficient.widths is not None and name not in FOLLOW:
                raise InputError(
                    f"widths of term '{name}'",
                    given="a price that follows the widths of a message, a weight and a sum",
                    allowed=f"widths of {', '.join(FOLLOW)}",
                )
        for name, reason in self.not_counted.items():
            if name in self.terms:
                raise InputError(f"term '{name}'", given="a price and a reason not to count it", allowed="one of them")
            if not reason.strip():
                raise InputError(f"reason not to count '{name}'", given="an empty text", allowed="a reason")
        summed = self.summed
        if not summed:
            raise InputError("terms", given=sorted(self.terms), allowed=f"at least one term of '{self.charges}'")
        whole = [name for name, coefficient in summed.items() if coefficient.scope == "all_in"]
        if whole and len(summed) > 1:
            raise InputError(
                f"term '{whole[0]}'",
                given=f"scope all_in beside {', '.join(sorted(set(summed) - {whole[0]}))}",
                allowed="nothing beside an all_in price: it holds the whole machine already",
            )
        if all(name in self.terms for name in EXCLUSIVE):
            raise InputError("terms", given=" and ".join(EXCLUSIVE), allowed="one of them: they are alternatives")
        if "synop_graded" in self.terms and "synop" not in self.terms:
            raise InputError("terms", given="synop_graded alone", allowed="synop too: it prices the unary schedule")
        # A frozen value must not change under its reports.
        for name in ("terms", "not_counted", "listed"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def summed(self) -> dict[str, Coefficient]:
        """Prices of the account that this preset charges for."""
        return {name: price for name, price in self.terms.items() if TERMS[name].charges == self.charges}

    @property
    def widths(self) -> dict[str, Widths]:
        """How prices of the sum follow widths, by term; empty where the source does not say."""
        return {name: price.widths for name, price in self.summed.items() if price.widths is not None}

    @property
    def all_in(self) -> str | None:
        """Name of the term whose price holds the whole machine, if there is one."""
        return next((name for name, price in self.summed.items() if price.scope == "all_in"), None)


def _choose(what: str, given: object, allowed: tuple[str, ...]) -> None:
    if given not in allowed:
        raise InputError(what, given=repr(given), allowed=", ".join(allowed))
