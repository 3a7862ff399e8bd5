"""``spiking-pvae energy``."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import tyro

from spiking_pvae.cli.command import Command, load_data, shown_to
from spiking_pvae.cli.simulate import choose
from spiking_pvae.cli.simulate import simulate as run_network
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.quantities import quantity
from spiking_pvae.types import Split

if TYPE_CHECKING:
    from spiking_pvae.deploy.record import SpikeRecord
    from spiking_pvae.energy import EnergyReport

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
    data: str | None = None
    """Data to simulate a network with, a name or a path; what it was made for if not given."""
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
    mapping: Literal["chip", "greedy", "none"] = "chip"
    """Whether packets and hops are counted on the chip's mesh of cores, where the preset describes one; greedy places
    cores near what sends to them, not row by row."""
    widths: Literal["published", "network"] = "published"
    """Prices of synaptic operations as published, or at the network's own bit widths where the preset's source says how
    they follow them; else that is refused."""
    views: Path | None = None
    """Folder for latents.csv, neurons.csv and samples.csv: the estimate latent by latent, neuron by neuron and sample
    by sample."""
    force: bool = False
    """Write into a folder of views that holds files."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Estimate and print."""
        from spiking_pvae.checkpoint import prepare_folder
        from spiking_pvae.deploy.files import is_recording, load_network, load_recording
        from spiking_pvae.energy import baselines, estimate, load_preset, metabolic
        from spiking_pvae.energy.baselines import largest_count
        from spiking_pvae.energy.cpu import CpuEnergy, measured

        preset = load_preset(self.hardware)
        if self.views is not None:
            prepare_folder(self.views, force=self.force)
        cpu = CpuEnergy(reason="The record was made earlier.")
        if is_recording(self.source):
            network, record = load_recording(self.source)
        else:
            network = load_network(self.source)
            dataset = load_data(shown_to(network, self.data), self.data_folder, terminal)
            images = choose(dataset.split(self.split).images, self.samples)
            with measured() as cpu:
                record, _ = run_network(network, images, terminal, seed=self.seed)
        report = estimate(
            network,
            record,
            preset,
            seconds=self.seconds,
            clock_hz=self.clock_hz,
            mapping=self.mapping,
            widths=self.widths,
        )
        result = {
            **report.to_json(),
            "metabolic": asdict(metabolic(report)),
            "baselines": [
                row.to_json() for row in baselines(network, report.ops, largest_count=largest_count(network, record))
            ],
            "cpu": {
                "joules_per_inference": None if cpu.joules is None else cpu.joules / record.samples,
                "reason": cpu.reason,
            },
        }
        if self.views is not None:
            write_views(report, record, self.views)
            result["views"] = str(self.views)
        terminal.emit(result, *summary(result))
        return result


def write_views(report: EnergyReport, record: SpikeRecord, folder: Path) -> None:
    """Write the estimate in detail as three tables."""
    from spiking_pvae.energy.views import latent_rows, neuron_rows, sample_rows
    from spiking_pvae.storage import replacing

    for name, rows in (
        ("latents", list(latent_rows(report))),
        ("neurons", list(neuron_rows(report, record))),
        ("samples", list(sample_rows(report, record))),
    ):
        with (
            replacing(folder / f"{name}.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, fieldnames=list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


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
        ("packets, hops", _packets(result["packets"], result["hops"])),
        ("KL", f"{result['kl_nats']:.2f} nats"),
        ("joules a nat", "-" if per_nat is None else quantity(per_nat, "J")),
        ("share the latents' spikes cause", "-" if share is None else f"{100 * share:.1f} %"),
        ("E_latents: their spikes and what these cause", quantity(result["metabolic"]["latent_joules"], "J")),
        ("the same spikes in a cortex", quantity(result["metabolic"]["brain_joules"], "J")),
        ("the inference in molecules of ATP", f"{result['metabolic']['atp']:.3g}"),
        ("Landauer's bound of the KL", quantity(result["metabolic"]["landauer_joules"], "J")),
        ("dense MACs of the same function", quantity(result["ann_baseline_joules"], "J")),
    ]
    parts = [(f"layer {name}", quantity(band["value"], "J")) for name, band in result["by_layer"].items()]
    parts += [(f"term {name}", quantity(band["value"], "J")) for name, band in result["by_term"].items()]
    cpu = result["cpu"]
    others = [(row["name"], quantity(row["value"], "J")) for row in result["baselines"]]
    others.append(
        (
            "this simulation on this processor",
            cpu["reason"] if cpu["joules_per_inference"] is None else quantity(cpu["joules_per_inference"], "J"),
        )
    )
    return (
        table(f"Energy on {result['hardware']}, {result['samples']} inferences", ("", "value"), rows),
        table("Where it goes", ("part", "joules an inference"), parts),
        table("Instead of spikes, arithmetic only", ("network", "joules an inference"), others),
        table("Left out", ("term", "why"), sorted(result["not_counted"].items())),
    )


def _packets(packets: float | None, hops: float | None) -> str:
    return "-" if packets is None or hops is None else f"{packets:,.0f}, {hops:,.0f}"


def _interval(ends: list[float] | None) -> str:
    return "-" if ends is None else " .. ".join(quantity(end, "J") for end in ends)
