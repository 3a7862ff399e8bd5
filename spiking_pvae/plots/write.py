"""Figures as files, and as inline SVG that takes a page's text colour."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from matplotlib import rc_context

from spiking_pvae.plots.style import INK, RC, Drawing
from spiking_pvae.storage import replacing

PNG_DPI = 160
_USE = re.compile(r"<use ([^>]*?)/>")


def save(drawing: Drawing, folder: Path) -> tuple[Path, Path]:
    """Write a figure as PNG and SVG; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{drawing.name}.png", folder / f"{drawing.name}.svg"
    with rc_context({**RC, "svg.hashsalt": drawing.name}):
        for path in paths:
            kind = path.suffix[1:]
            with replacing(path) as temporary:
                metadata = {"Date": None} if kind == "svg" else {"Software": None}
                drawing.figure.savefig(temporary, format=kind, dpi=PNG_DPI, metadata=metadata)
    return paths


def save_all(drawings: Mapping[str, Sequence[Drawing]], folder: Path) -> None:
    """Write the figures of all sections as PNG and SVG."""
    for group in drawings.values():
        for drawing in group:
            save(drawing, folder)


def inline(drawing: Drawing) -> str:
    """Return a figure as SVG for a page: no fixed size, its own ids, text in the page's font and colour."""
    text = io.StringIO()
    with rc_context({**RC, "svg.hashsalt": drawing.name}):
        drawing.figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for gid, texts in drawing.hovers.items():
        svg = _with_titles(svg, gid, texts)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{drawing.name}-\1"', svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{drawing.name}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{drawing.name}-\1)", svg)
    svg = svg.replace(INK, "currentColor")
    svg = re.sub(r"font: ([^;\"]*?)([\d.]+px) [^;\"]*", r"font: \1\2 var(--font, sans-serif)", svg)
    head, rest = svg.split(">", 1)
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    labels = f'<title id="{drawing.name}-t">{escape(drawing.title)}</title><desc id="{drawing.name}-d">'
    labels += f"{escape(drawing.text)}</desc>"
    return f'{head} role="img" aria-labelledby="{drawing.name}-t {drawing.name}-d">{labels}{rest}'


def _with_titles(svg: str, gid: str, texts: Sequence[str]) -> str:
    """Give the markers of one artist their texts."""
    start = svg.index(f'id="{gid}"')
    head, tail = svg[:start], svg[start:]
    left = iter(texts)

    def titled(found: re.Match[str]) -> str:
        words = next(left, None)
        return found[0] if words is None else f"<use {found[1]}><title>{escape(words)}</title></use>"

    return head + _USE.sub(titled, tail, count=len(texts))
