"""``spiking-pvae data``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import tyro

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.terminal import Terminal, table


@dataclass(frozen=True, kw_only=True)
class Data(Command):
    """List the data sets, or load one and show its statistics.

    Example: spiking-pvae data natural
    """

    name: tyro.conf.Positional[str | None] = None
    """Name or path of one data set."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """List or describe."""
        from spiking_pvae.data import catalog, statistics

        if self.name is None:
            entries = [asdict(entry) for entry in catalog()]
            result: dict[str, Any] = {"datasets": entries}
            rows = [
                (str(e["name"]), str(e["description"]), "yes" if e["available"] else str(e["how"]), str(e["licence"]))
                for e in entries
            ]
            terminal.emit(result, table("Data sets", ("name", "what", "here", "licence"), rows))
            return result
        dataset = load_data(self.name, self.data_folder, terminal)
        described: dict[str, Any] = {
            "name": dataset.name,
            "shape": list(dataset.shape),
            "augment": dataset.augment,
            "source": dataset.source,
            "licence": dataset.licence,
            "fingerprint": dataset.fingerprint,
            "statistics": asdict(statistics(dataset)),
        }
        shown = {**described, **described["statistics"]}
        lines = [(key.replace("_", " "), f"{value}") for key, value in shown.items() if key != "statistics"]
        result = {"datasets": [described]}
        terminal.emit(result, table(f"Data set {dataset.name}", ("", "value"), lines))
        return result
