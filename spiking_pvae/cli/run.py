"""``spiking-pvae run``: the main job, from images to joules."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tyro

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.convert import convert
from spiking_pvae.cli.energy import DEFAULT_HARDWARE
from spiking_pvae.cli.report import provenance
from spiking_pvae.cli.simulate import simulate
from spiking_pvae.cli.terminal import Terminal, jsonable, table
from spiking_pvae.cli.train import Train, resumed, train
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.deploy.quantize import QuantizeConfig
from spiking_pvae.quantities import duration, quantity


@dataclass(frozen=True, kw_only=True)
class Run(Command):
    """The main job: train on the default data, convert, simulate, estimate the energy.

    Example: spiking-pvae run --out runs/first
    """

    out: Path | None = None
    """Folder to write; the next free runs/run-N if not given."""
    data: str = "natural"
    """Name of a data set (spiking-pvae data) or a path."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    model: tyro.conf.OmitArgPrefixes[ModelConfig] = field(default_factory=ModelConfig)
    train: tyro.conf.OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)
    quantize: tyro.conf.OmitArgPrefixes[QuantizeConfig] = field(default_factory=QuantizeConfig)
    hardware: str = DEFAULT_HARDWARE
    """Name of an energy preset (spiking-pvae hardware) or path of a TOML file."""
    resume: bool = False
    """Continue the training in the run folder, with its data and settings, and do all that follows it."""
    force: bool = False
    """Write into a folder that holds files."""

    @classmethod
    def defaults(cls, options: Sequence[str]) -> Run | None:
        """Return the settings of the run to go on with."""
        started = resumed(options)
        return None if started is None else cls(data=started.data, model=started.model, train=started.train)

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Do every step and print the summary."""
        from spiking_pvae.checkpoint import load_run
        from spiking_pvae.deploy.files import load_network, save_recording
        from spiking_pvae.energy import estimate, load_preset
        from spiking_pvae.evaluation import evaluate
        from spiking_pvae.plots.overview import draw_overview
        from spiking_pvae.report.run_page import RunResults, run_page
        from spiking_pvae.storage import write_json, write_text

        preset = load_preset(self.hardware)
        out = self.out or next(path for n in itertools.count(1) if not (path := Path("runs") / f"run-{n}").exists())
        options = Train(
            out=out,
            data=self.data,
            data_folder=self.data_folder,
            model=self.model,
            train=self.train,
            resume=self.resume,
            force=self.force,
        )
        options.check()
        dataset = load_data(self.data, self.data_folder, terminal)
        trained = train(dataset, options, terminal)
        run = load_run(out)
        model = run.model
        evaluated = evaluate(model, dataset.validation).to_json()
        again = self.force or self.resume
        converted = convert(model, dataset, self.quantize, out / "network", terminal, force=again)
        network = load_network(out / "network")
        record, simulated = simulate(network, dataset.validation.images, terminal)
        save_recording(network, record, out / "record", force=again)
        report = estimate(network, record, preset)
        result = {
            "run_dir": str(out),
            "network": str(out / "network"),
            "train": trained,
            "evaluate": evaluated,
            "fidelity": converted,
            "simulate": simulated,
            "energy": dict(report.to_json()),
            "picture": str(out / "overview.png"),
            "report": str(out / "report.html"),
        }
        terminal.say("Drawing the overview and the report")
        draw_overview(model, network, dataset.validation.images, report, out / "overview.png")
        results = RunResults(
            name=out.resolve().name,
            run=run,
            dataset=dataset,
            network=network,
            record=record,
            energy=report,
            provenance=provenance(out),
        )
        write_text(out / "report.html", run_page(results))
        write_json(out / "summary.json", jsonable(result))
        terminal.emit(result, summary(result))
        return result


def summary(result: dict[str, Any]) -> Any:
    """Build the table of the main job."""
    energy, fidelity, simulated = result["energy"], result["fidelity"], result["simulate"]
    whole = energy["joules_per_inference"]
    rows = [
        ("train", "held-out -ELBO, float", f"{result['evaluate']['nelbo']:.2f}"),
        ("", "reconstruction error + KL", f"{result['evaluate']['mse']:.2f} + {result['evaluate']['kl']:.2f} nats"),
        ("", "time", f"{duration(result['train']['seconds'])}, {result['train']['epochs']} epochs"),
        ("convert", "-ELBO, integer", f"{fidelity['nelbo_integer']:.2f} ({fidelity['nelbo_change_percent']:+.3f} %)"),
        ("", "weights, inputs", f"{fidelity['weight_bits']} bit, {fidelity['input_bits']} bit"),
        ("simulate", "latent spikes an inference", f"{simulated['spikes_per_inference']:.2f}"),
        ("", "silent latents", f"{100 * result['evaluate']['proportion_zeros']:.1f} %"),
        ("", "speed", f"{simulated['inferences_per_second']:,.0f} inferences/s ({simulated['backend']})"),
        ("energy", f"an inference on {energy['hardware']}", quantity(whole["value"], "J")),
        ("", "event synops", f"{energy['event_synops']:,.0f}"),
        ("", "share that the latents' spikes cause", _percent(energy["latent_share"])),
        ("", "dense MACs of the same function", quantity(energy["ann_baseline_joules"], "J")),
        ("files", "run folder", result["run_dir"]),
        ("", "picture", result["picture"]),
        ("", "report", result["report"]),
    ]
    return table("From images to joules", ("step", "what", "value"), rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
