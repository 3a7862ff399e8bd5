"""``spiking-pvae export``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.deploy.exporters.targets import TargetName
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.types import Split


@dataclass(frozen=True, kw_only=True)
class Export(Command):
    """Write an integer network for another tool, with golden traces and a manifest, into one folder.

    Example: spiking-pvae export runs/first-network --to nir --out runs/first-nir
    """

    network: tyro.conf.Positional[Path]
    """Network folder."""
    to: TargetName
    """What reads it."""
    out: Path
    """Folder to write."""
    data: str | None = None
    """Data set or path of the golden traces' images; random messages over the whole input range if not given."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    split: Split = "val"
    """Which images."""
    samples: int = 16
    """Samples of the golden traces."""
    seed: int = 0
    """Seed of the latents' draws in the golden traces, and of random messages."""
    schedule: Schedule | None = None
    """Counts as payloads in one step (graded), or as single spikes over many (unary); the first that the target knows
    if not given."""
    steps: int = 32
    """Steps T of a firing phase in the unary schedule."""
    force: bool = False
    """Replace an export that exists."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Export and say what was written."""
        from spiking_pvae.deploy.export import export, random_messages
        from spiking_pvae.deploy.exporters.manifest import KIND
        from spiking_pvae.deploy.files import load_network
        from spiking_pvae.storage import require_free

        require_free(self.out, force=self.force, kind=KIND)
        network = load_network(self.network)
        if self.data is None:
            messages = random_messages(network, self.samples, self.seed)
        else:
            images = load_data(self.data, self.data_folder, terminal).split(self.split).images
            messages = network.input.encode(images[: self.samples])
        written = export(
            network,
            self.to,
            self.out,
            messages=messages,
            seed=self.seed,
            schedule=self.schedule,
            steps=self.steps,
            force=self.force,
        )
        manifest = written.manifest
        for note in manifest.notes:
            terminal.say(f"note: {note}")
        result: dict[str, Any] = {
            "file": str(written.file),
            "folder": str(self.out),
            "sha256": written.sha256,
            "target": self.to,
            "form": manifest.form,
            "exact": manifest.exact,
            "against": manifest.against,
            "schedule": manifest.schedule,
            "steps": manifest.steps,
            "golden_samples": len(messages),
            "difference": dict(manifest.difference),
        }
        rows = [(key.replace("_", " "), str(value)) for key, value in result.items()]
        terminal.emit(result, table(f"Export to {self.to}", ("", ""), rows))
        return result
