"""Chips as data files: what a core holds, each limit with its published source.

A file is TOML with ``title``, ``source``, ``shared_kernels`` (whether a convolution's kernel is stored once a core) and
``[limits.<name>]`` tables with ``value``, ``unit`` and ``source``. A limit that is not listed is not checked.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from spiking_pvae.errors import InputError

LIMITS = ("cores", "neurons", "synapse_bits", "fan_in", "fan_out", "weight_bits", "payload_bits")
REQUIRED = ("cores", "neurons", "synapse_bits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One number a chip can't exceed.

    Parameters
    ----------
    value : int
        At least 1.
    unit : str
        What is counted.
    source : str
        Where the number was published.
    """

    value: int
    unit: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """A chip's limits.

    Parameters
    ----------
    name, title : str
    limits : dict of str to Limit
        By the names of `LIMITS`.
    shared_kernels : bool
        Whether the kernel of a convolution is stored once a core, not once a neuron.
    notes : tuple of str
        What the reader must know.
    """

    name: str
    title: str
    limits: dict[str, Limit]
    shared_kernels: bool
    notes: tuple[str, ...] = ()

    def most(self, limit: str) -> int | None:
        """Return the value of a limit; None where the chip states none."""
        found = self.limits.get(limit)
        return None if found is None else found.value


def list_chips() -> tuple[str, ...]:
    """Return the names of the shipped chips, sorted."""
    folder = resources.files("spiking_pvae.deploy") / "targets"
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


def load_chip(chip: str | Path) -> Chip:
    """Read a chip by its name, or from a TOML file of the user.

    Parameters
    ----------
    chip : str or Path
        A name of `list_chips`, or a path (a `Path`, or a text that ends in ``.toml``).

    Raises
    ------
    InputError
        No such chip or file, or the file breaks a rule.
    """
    names = list_chips()
    if isinstance(chip, str) and chip in names:
        text = (resources.files("spiking_pvae.deploy") / "targets" / f"{chip}.toml").read_text(encoding="utf-8")
        return parse_chip(text, name=chip, file=f"{chip}.toml")
    path = Path(chip)
    if path.suffix != ".toml":
        near = difflib.get_close_matches(str(chip), names, n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'?" if near else "A chip of your own is given by its path, ending in .toml."
        raise InputError("chip", given=repr(str(chip)), allowed=", ".join(names), remedy=hint)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "chip", given=f"'{path}', which can't be read", allowed=f"a TOML file, or one of {', '.join(names)}"
        ) from error
    return parse_chip(text, name=path.stem, file=str(path))


def parse_chip(text: str, *, name: str, file: str) -> Chip:
    """Read a chip from the text of its file; raises as `load_chip`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(file, given=f"text that is not TOML ({error})", allowed="a TOML file") from error
    for key, kind in (("title", str), ("shared_kernels", bool), ("limits", dict)):
        if not isinstance(data.get(key), kind):
            raise InputError(f"{file}: {key}", given=repr(data.get(key)), allowed=f"a {kind.__name__}")
    limits = data["limits"]
    if unknown := sorted(set(limits) - set(LIMITS)):
        raise InputError(f"{file}: [limits]", given=repr(unknown[0]), allowed=", ".join(LIMITS))
    if missing := [key for key in REQUIRED if key not in limits]:
        raise InputError(f"{file}: [limits.{missing[0]}]", given="nothing", allowed=f"all of {', '.join(REQUIRED)}")
    return Chip(
        name=name,
        title=data["title"],
        limits={key: _limit(f"{file}: [limits.{key}]", table) for key, table in limits.items()},
        shared_kernels=data["shared_kernels"],
        notes=tuple(str(note) for note in data.get("notes", [])),
    )


def _limit(where: str, table: Any) -> Limit:
    if not isinstance(table, dict) or set(table) != {"value", "unit", "source"}:
        raise InputError(where, given=repr(table), allowed="a table with value, unit and source")
    value = table["value"]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"{where} value", given=repr(value), allowed="an integer of at least 1")
    return Limit(value=value, unit=str(table["unit"]), source=str(table["source"]))
