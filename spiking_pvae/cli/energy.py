"""``spiking-pvae energy``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.simulate import choose
from spiking_pvae.cli.simulate import simulate as run_network
from spiking_pvae.cli.terminal import Terminal, quantity, table
from spiking_pvae.types import Split

DEFAULT_HARDWARE = "loihi_davies2018"


@dataclass(frozen=True, kw_only=True)
class Energy(Command):
    """Estimate the joules of an inference, beside its KL in nats.

    Given a network, images are simulated first; given the record of a simulation, that record is priced.

    Example: spiking-pvae energy runs/first-network --hardware loihi_davies2018
    """

    source: tyro.conf.Positional[Path]
    """Network folder, or record folder written by `spiking-pvae simulate --record`."""
    hardware: str = DEFAULT_HARDWARE
    """Name of a preset (spiking-pvae hardware) or path of a TOML file."""
    data: str = "natural"
    """Data to simulate a network with: a name or a path."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    split: Split = "val"
    """Which images."""
    samples: int | None = None
    """How many images, from the first; all if not given."""
    seed: int = 0
    """Seed of the exponential thresholds."""
    seconds: float | None = None
    """Time of an inference in seconds, for static power; without it static power is named as left out."""
    clock_hz: float | None = None
    """Clock in hertz, for chips whose power grows with it."""
    mapping: Literal["chip", "none"] = "chip"
    """Whether packets and hops are counted on the chip's mesh of cores, where the preset describes one."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Estimate and print."""
        from spiking_pvae.deploy.files import is_recording, load_network, load_recording
        from spiking_pvae.energy import estimate, load_preset

        preset = load_preset(self.hardware)
        if is_recording(self.source):
            network, record = load_recording(self.source)
        else:
            network = load_network(self.source)
            images = choose(load_data(self.data, self.data_folder, terminal).split(self.split).images, self.samples)
            record, _ = run_network(network, images, terminal, seed=self.seed)
        report = estimate(network, record, preset, seconds=self.seconds, clock_hz=self.clock_hz, mapping=self.mapping)
        result = dict(report.to_json())
        terminal.emit(result, *summary(result))
        return result


def summary(result: dict[str, Any]) -> tuple[Any, ...]:
    """Build the tables of an estimate: the whole, by layer, by term."""
    whole = result["joules_per_inference"]
    per_nat = result["joules_per_nat"]
    share = result["latent_share"]
    rows = [
        ("joules an inference", quantity(whole["value"], "J")),
        ("  band of the coefficients", f"{quantity(whole['low'], 'J')} .. {quantity(whole['high'], 'J')}"),
        ("  95% interval over images", _interval(whole["ci95"])),
        ("event synops", f"{result['event_synops']:,.0f}"),
        ("spike synops", f"{result['spike_synops']:,.0f}"),
        ("neuron updates", f"{result['neuron_updates']:,.0f}"),
        ("KL", f"{result['kl_nats']:.2f} nats"),
        ("joules a nat", "-" if per_nat is None else quantity(per_nat, "J")),
        ("share the latents' spikes cause", "-" if share is None else f"{100 * share:.1f} %"),
        ("dense MACs of the same function", quantity(result["ann_baseline_joules"], "J")),
    ]
    parts = [(f"layer {name}", quantity(band["value"], "J")) for name, band in result["by_layer"].items()]
    parts += [(f"term {name}", quantity(band["value"], "J")) for name, band in result["by_term"].items()]
    return (
        table(f"Energy on {result['hardware']}, {result['samples']} inferences", ("", "value"), rows),
        table("Where it goes", ("part", "joules an inference"), parts),
    )


def _interval(ends: list[float] | None) -> str:
    return "-" if ends is None else " .. ".join(quantity(end, "J") for end in ends)
