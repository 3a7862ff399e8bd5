"""``spiking-pvae hardware``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tyro

from spiking_pvae.cli.command import Command
from spiking_pvae.cli.terminal import Terminal, jsonable, table


@dataclass(frozen=True, kw_only=True)
class Hardware(Command):
    """List the energy presets, with the source and evidence of every coefficient.

    Example: spiking-pvae hardware loihi_davies2018
    """

    name: tyro.conf.Positional[str | None] = None
    """Name of one preset, or path of a TOML file."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """List the presets."""
        from spiking_pvae.energy import list_presets, load_preset

        names = list_presets() if self.name is None else (self.name,)
        presets = [load_preset(name) for name in names]
        result: dict[str, Any] = {"presets": [jsonable(preset) for preset in presets]}
        if self.name is None:
            rows = [(preset.name, preset.title, ", ".join(preset.terms)) for preset in presets]
            terminal.emit(result, table("Energy presets", ("name", "what", "terms"), rows))
            return result
        prices = [
            (name, f"{c.value:g} ({c.low:g} .. {c.high:g}) {c.unit}", c.evidence, f"{c.source}, {c.table}")
            for name, c in presets[0].terms.items()
        ]
        read = [(text,) for text in dict.fromkeys(c.seen for c in presets[0].terms.values() if c.seen)]
        terminal.emit(
            result,
            table(presets[0].title, ("term", "value (band)", "evidence", "source"), prices),
            table("What was read of the sources", ("",), read),
        )
        return result
