"""From the parts of a page to its HTML: one file, no network request, light and dark, on paper too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from spiking_pvae.plots.style import Drawing
from spiking_pvae.plots.write import inline
from spiking_pvae.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A headline number."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell of a table: what is shown, by what it is sorted, and a bar of this share of the column's width."""

    text: str
    key: float | str | None = None
    bar: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; its columns can be sorted by the reader."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    sortable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Atom:
    """An image of a gallery with the numbers it can be sorted by."""

    image: str
    label: str
    keys: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Images side by side; with `keys`, sorted by one of them at the reader's choice."""

    caption: str
    atoms: Sequence[Atom]
    keys: Sequence[str] = ()
    columns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Section:
    """A part of a page with a heading and an anchor."""

    anchor: str
    title: str
    text: str = ""
    tiles: Sequence[Tile] = ()
    galleries: Sequence[Gallery] = ()
    drawings: Sequence[Drawing] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()


def render(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Return the page.

    Parameters
    ----------
    title, subtitle : str
    sections : sequence of Section
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("spiking_pvae.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    sources = environment.loader
    assert sources is not None
    style, script = (sources.get_source(environment, name)[0] for name in ("style.css", "script.js"))
    return environment.get_template("page.html").render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        svg=inline,
        style=style,
        script=script,
        version=__version__,
    )
