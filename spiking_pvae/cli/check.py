"""``spiking-pvae check``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from spiking_pvae.cli.command import Command
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.deploy.record import Schedule


@dataclass(frozen=True, kw_only=True)
class Check(Command):
    """Place a network on a chip: cores, neurons, memory, axons, payloads; exit code 1 where it does not fit.

    Example: spiking-pvae check runs/first/network --chip loihi2
    """

    network: tyro.conf.Positional[Path]
    """Network folder."""
    chip: str = "loihi2"
    """Name of a chip (loihi1, loihi2) or path of a TOML file with the same keys."""
    schedule: Schedule = "graded"
    """How counts travel: payloads, or single spikes (unary, streaming)."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Check the budget and print it."""
        from spiking_pvae.deploy.check import check
        from spiking_pvae.deploy.chips import load_chip
        from spiking_pvae.deploy.files import load_network

        budget = check(load_network(self.network), load_chip(self.chip), self.schedule)
        result = {
            "network": str(self.network),
            "chip": budget.chip.name,
            "schedule": self.schedule,
            "fits": budget.fits,
            "cores": budget.cores,
            "layers": [
                {
                    "name": layer.name,
                    "neurons": layer.neurons,
                    "cores": layer.cores,
                    "neurons_a_core": layer.neurons_a_core,
                    "synapse_bits": layer.synapse_bits,
                    "fan_in": layer.fan_in,
                    "payload_bits": layer.payload_bits,
                }
                for layer in budget.layers
            ],
            "violations": [violation.to_json() for violation in budget.violations],
            "limits": {
                name: {"value": limit.value, "unit": limit.unit, "source": limit.source}
                for name, limit in budget.chip.limits.items()
            },
            "notes": list(budget.chip.notes),
        }
        terminal.emit(result, *summary(result))
        return result

    def exit_code(self, result: Mapping[str, Any]) -> int:
        """Return 1 where the network does not fit."""
        return 0 if result["fits"] else 1


def summary(result: dict[str, Any]) -> list[Any]:
    """Build the tables of a budget."""
    cores = result["limits"]["cores"]["value"]
    title = f"{result['network']} on {result['chip']}: {result['cores']} of {cores} cores"
    columns = ("layer", "neurons", "cores", "neurons a core", "kbit a core", "synapses a neuron", "payload bits")
    rows = [
        (
            layer["name"],
            f"{layer['neurons']}",
            f"{layer['cores']}",
            f"{layer['neurons_a_core']}",
            f"{layer['synapse_bits'] / 1024:.1f}",
            f"{layer['fan_in']}",
            f"{layer['payload_bits']}",
        )
        for layer in result["layers"]
    ]
    if result["fits"]:
        return [table(f"{title}; it fits", columns, rows)]
    broken = [
        (item["layer"], item["limit"].replace("_", " "), f"{item['value']}", f"{item['allowed']}", item["remedy"])
        for item in result["violations"]
    ]
    return [
        table(title, columns, rows),
        table("What does not fit", ("layer", "limit", "needed", "allowed", "what would make it fit"), broken),
    ]
