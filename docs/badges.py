"""Draw the README's badges from what the package says of itself: `python docs/badges.py`."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LETTER, PAD, HEIGHT = 6.6, 8, 20
"""Pixels: width of a letter, space around words, height."""


def badge(label: str, value: str) -> str:
    """Return one badge as SVG: a label on grey, its value on blue."""
    left, right = (round(len(text) * LETTER) + 2 * PAD for text in (label, value))
    style = 'font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" fill="#fff" text-anchor="middle"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{HEIGHT}" role="img" '
        f'aria-label="{label}: {value}"><title>{label}: {value}</title>'
        f'<rect width="{left + right}" height="{HEIGHT}" rx="3" fill="#555"/>'
        f'<path d="M{left} 0h{right - 3}a3 3 0 0 1 3 3v{HEIGHT - 6}a3 3 0 0 1 -3 3h-{right - 3}z" fill="#2f6fb3"/>'
        f'<g {style}><text x="{left / 2:g}" y="14">{label}</text>'
        f'<text x="{left + right / 2:g}" y="14">{value}</text></g></svg>\n'
    )


def badges() -> dict[str, str]:
    """Return the badges by file name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = (ROOT / "spiking_pvae" / "version.py").read_text(encoding="utf-8").split('"')[-2]
    pythons = [text.rpartition(" ")[2] for text in project["classifiers"] if "Python :: 3." in text]
    return {
        "badge-version.svg": badge("version", version),
        "badge-python.svg": badge("python", " | ".join(pythons)),
        "badge-licence.svg": badge("licence", project["license"]),
    }


if __name__ == "__main__":
    for name, text in badges().items():
        (ROOT / "docs" / "images" / name).write_text(text, encoding="utf-8")
