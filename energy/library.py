"""Presets as data files: the shipped ones by name, a user's own by path.

A preset file is TOML with the keys ``title``, ``description``, ``source``, ``charges``, optionally ``notes``, and
the tables ``[terms.<term>]``, optionally ``[listed.<anything>]``, ``[not_counted]`` (term = "reason"), ``[mesh]`` (the
cores, for hops) and ``[common]``, whose entries are shared by every coefficient that does not give its own. A
coefficient of ``synop``, ``synop_graded`` or ``dense_mac`` may have a table ``widths``, which says that `low` .. `high`
is its spread over widths (`spiking_pvae.energy.widths`).
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import MISSING, fields
from importlib import resources
from pathlib import Path
from typing import Any

from spiking_pvae.deploy.mapping import CoreMesh
from spiking_pvae.energy.coefficients import Coefficient, Preset
from spiking_pvae.energy.widths import Widths
from spiking_pvae.errors import InputError

_REQUIRED = tuple(item.name for item in fields(Coefficient) if item.default is MISSING)
_OPTIONAL = tuple(item.name for item in fields(Coefficient) if item.default is not MISSING)
_NUMBERS = ("value", "low", "high", "voltage", "multiply", "add", "fixed")
_TEXTS = ("title", "description", "source", "charges")
_TABLES = ("terms", "not_counted", "listed", "common", "mesh")
_MESH = tuple(item.name for item in fields(CoreMesh))
_WIDTHS = tuple(item.name for item in fields(Widths))


def list_presets() -> tuple[str, ...]:
    """Return the names of the shipped presets, sorted."""
    folder = resources.files("spiking_pvae.energy") / "presets"
    return tuple(sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml")))


def load_preset(hardware: str | Path) -> Preset:
    """Read a preset by its name, or from a TOML file of the user.

    Parameters
    ----------
    hardware : str or Path
        A name of `list_presets`, or a path (a `Path`, or a text that ends in ``.toml`` or holds a slash).

    Raises
    ------
    InputError
        No such preset or file, or the file breaks a rule; the message names file, key and what is allowed.
    """
    names = list_presets()
    if isinstance(hardware, str) and hardware in names:
        text = (resources.files("spiking_pvae.energy") / "presets" / f"{hardware}.toml").read_text(encoding="utf-8")
        return parse_preset(text, name=hardware, file=f"{hardware}.toml")
    path = Path(hardware)
    if isinstance(hardware, str) and path.suffix != ".toml" and len(path.parts) == 1:
        near = difflib.get_close_matches(hardware, names, n=1, cutoff=0.5)
        hint = f"Did you mean '{near[0]}'?" if near else "A file of your own is given by its path, ending in .toml."
        raise InputError("hardware preset", given=repr(hardware), allowed=", ".join(names), remedy=hint)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a UTF-8 text"
        raise InputError(
            "hardware preset",
            given=f"'{path}' ({reason})",
            allowed=f"a readable TOML file, or one of {', '.join(names)}",
        ) from error
    return parse_preset(text, name=path.stem, file=str(path))


def parse_preset(text: str, *, name: str, file: str) -> Preset:
    """Read a preset from the text of its file.

    Parameters
    ----------
    text : str
        TOML.
    name, file : str
        Name of the preset, and the file that errors quote.

    Raises
    ------
    InputError
        As `load_preset`.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(file, given=f"text that is not TOML ({error})", allowed="a TOML file") from error
    _keys(f"{file}: top level", data, required=(*_TEXTS, "terms"), optional=("notes", *_TABLES))
    for key in _TEXTS:
        _text(f"{file}: {key}", data[key])
    for key in _TABLES:
        _table(f"{file}: [{key}]", data.get(key, {}))
    notes = data.get("notes", [])
    if not (isinstance(notes, list) and all(isinstance(note, str) for note in notes)):
        raise InputError(f"{file}: notes", given=repr(notes), allowed="a list of texts")
    for key, reason in data.get("not_counted", {}).items():
        _text(f"{file}: [not_counted] {key}", reason)
    common = data.get("common", {})
    _keys(f"{file}: [common]", common, required=(), optional=(*_REQUIRED, *_OPTIONAL))
    groups = {
        group: {
            key: _coefficient(f"{file}: [{group}.{key}]", entry, common) for key, entry in data.get(group, {}).items()
        }
        for group in ("terms", "listed")
    }
    try:
        return Preset(
            name=name,
            title=data["title"],
            description=data["description"],
            source=data["source"],
            charges=data["charges"],
            terms=groups["terms"],
            listed=groups["listed"],
            not_counted=data.get("not_counted", {}),
            notes=tuple(notes),
            mesh=_mesh(f"{file}: [mesh]", data["mesh"]) if "mesh" in data else None,
        )
    except InputError as error:
        raise _within(file, error) from None


def _coefficient(where: str, entry: object, common: dict[str, Any]) -> Coefficient:
    merged = common | _table(where, entry)
    _keys(where, merged, required=_REQUIRED, optional=_OPTIONAL)
    split = merged.pop("widths", None)
    _values(where, merged)
    try:
        return Coefficient(**merged, widths=None if split is None else _widths(f"{where} widths", split))
    except InputError as error:
        raise _within(where, error) from None


def _widths(where: str, entry: object) -> Widths:
    table = {"fixed": 0.0} | _table(where, entry)
    _keys(where, table, required=_WIDTHS, optional=())
    _values(where, table)
    return Widths(**table)


def _values(where: str, table: dict[str, Any]) -> None:
    for key, value in table.items():
        if key not in _NUMBERS:
            _text(f"{where} {key}", value)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"{where} {key}", given=repr(value), allowed="a number")


def _mesh(where: str, entry: dict[str, Any]) -> CoreMesh:
    _keys(where, entry, required=_MESH, optional=())
    for key, value in entry.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(f"{where} {key}", given=repr(value), allowed="an integer of at least 1")
    try:
        return CoreMesh(**entry)
    except InputError as error:
        raise _within(where, error) from None


def _within(where: str, error: InputError) -> InputError:
    return InputError(f"{where} {error.what}", given=error.given, allowed=error.allowed, remedy=error.remedy)


def _keys(where: str, table: dict[str, Any], *, required: tuple[str, ...], optional: tuple[str, ...]) -> None:
    known = tuple(dict.fromkeys((*required, *optional)))
    unknown = sorted(set(table) - set(known))
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else ""
        raise InputError(f"{where} key", given=repr(unknown[0]), allowed=", ".join(known), remedy=hint)
    missing = [key for key in required if key not in table]
    if missing:
        raise InputError(f"{where} {missing[0]}", given="nothing", allowed=f"all of {', '.join(required)}")


def _text(where: str, value: object) -> None:
    if not (isinstance(value, str) and value.strip()):
        raise InputError(where, given=repr(value), allowed="a text")


def _table(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(where, given=repr(value), allowed="a table")
    return value
