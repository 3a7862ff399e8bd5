"""What a preset charges for, given what happened: the one place where counts meet prices.

    E(cell) = count(cell) price(term of the cell)

A term that happened and has neither a price nor a reason for not being counted is refused by name; a priced term whose
count nobody knows (hops without a mesh, static power without a time) is named among what is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from spiking_pvae.deploy.record import Schedule
from spiking_pvae.energy.band import Band
from spiking_pvae.energy.coefficients import Preset
from spiking_pvae.energy.terms import REQUIRED, TERMS
from spiking_pvae.errors import InputError

UNKNOWN = {
    "hop_east_west": "No core mapping: the preset describes no mesh, or it was left out.",
    "hop_north_south": "No core mapping: the preset describes no mesh, or it was left out.",
    "static_power": "Needs the time of an inference (--seconds).",
    "clock_power": "Needs the time of an inference (--seconds) and the clock (--clock-hz).",
}


def require_priced(preset: Preset, held: Mapping[str, float]) -> None:
    """Refuse counts that a preset neither prices nor excuses.

    Parameters
    ----------
    preset : Preset
    held : mapping of str to float
        How often each term happened; a term that is absent did not.

    Raises
    ------
    InputError
        Names the term.
    """
    if preset.all_in is not None:
        return
    for group in REQUIRED[preset.charges]:
        if any(name in preset.summed or name in preset.not_counted for name in group):
            continue
        count = max(held.get(name, 0.0) for name in group)
        if count:
            alternatives = " or ".join(f"'{name}'" for name in group)
            meanings = " or ".join(TERMS[name].meaning for name in group)
            raise InputError(
                f"hardware preset '{preset.name}'",
                given=f"no price for {alternatives} ({meanings}); the record holds {count:.6g}",
                allowed=f"a coefficient under [terms.{group[0]}], or a reason under [not_counted]",
                remedy="A missing price is never taken as 0.",
            )


def prices(preset: Preset, schedule: Schedule, held: Mapping[str, float]) -> dict[str, Band]:
    """Return the price of each term that enters the sum: joules a count, a second or a cycle."""
    unused = "synop" if schedule == "graded" and "synop_graded" in preset.summed else "synop_graded"
    return {
        name: coefficient.si
        for name, coefficient in preset.summed.items()
        if name != unused and (name in held or name not in UNKNOWN)
    }


def left_out(preset: Preset, held: Mapping[str, float]) -> dict[str, str]:
    """Return the terms that the sum leaves out, each with the reason."""
    missing = {name: reason for name, reason in UNKNOWN.items() if name in preset.summed and name not in held}
    return {**preset.not_counted, **missing}


def charge(preset: Preset, held: Mapping[str, float], *, schedule: Schedule = "unary") -> dict[str, Band]:
    """Price counts that come from elsewhere than a record, for instance from a publication.

    Parameters
    ----------
    preset : Preset
    held : mapping of str to float
        How often each term of `spiking_pvae.energy.terms` happened; seconds for ``static_power``, cycles for
        ``clock_power``.
    schedule : {"graded", "unary"}
        Whether a synaptic operation carries a payload.

    Returns
    -------
    dict of str to Band
        Joules by term.

    Raises
    ------
    InputError
        A term that happened has no price, or is unknown.
    """
    for name in held:
        if name not in TERMS:
            raise InputError("term", given=repr(name), allowed=", ".join(TERMS))
    require_priced(preset, held)
    return {name: price * held.get(name, 0.0) for name, price in prices(preset, schedule, held).items()}
