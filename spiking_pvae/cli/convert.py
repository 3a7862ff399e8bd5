"""``spiking-pvae convert``."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from spiking_pvae.cli.command import Command, load_data
from spiking_pvae.cli.terminal import Terminal, table
from spiking_pvae.deploy.quantize import QuantizeConfig
from spiking_pvae.errors import InputError
from spiking_pvae.types import Dataset

if TYPE_CHECKING:
    from spiking_pvae.deploy.floatnet import FloatNetwork
    from spiking_pvae.deploy.ir import Network


@dataclass(frozen=True, kw_only=True)
class Convert(Command):
    """Turn a trained model into an integer spike-count network, and say what that costs.

    Example: spiking-pvae convert runs/first --weight-bits 8 --out runs/first-network
    """

    run: tyro.conf.Positional[Path]
    """Run folder."""
    out: Path
    """Network folder to write."""
    quantize: tyro.conf.OmitArgPrefixes[QuantizeConfig] = field(default_factory=QuantizeConfig)
    input_threshold: float = 0.0
    """Image values nearer to 0 than this send no message (event inputs)."""
    finetune: int = 0
    """Passes over the training images in which the integer network itself is trained on; 0 for none."""
    unary_steps: int | None = None
    """Also measure what the unary schedule with this T loses (finite T)."""
    picture: Path | None = None
    """Image file of the gap by cause and the agreement of layers and latents."""
    data_folder: Path | None = None
    """Folder of the files, for mnist, fashion-mnist and cifar16."""
    force: bool = False
    """Replace a network folder that exists."""

    def execute(self, terminal: Terminal) -> dict[str, Any]:
        """Convert, save, compare and print."""
        from spiking_pvae.checkpoint import load_run
        from spiking_pvae.deploy.files import NETWORK_KIND
        from spiking_pvae.storage import require_free

        if self.finetune < 0:
            raise InputError("finetune", given=self.finetune, allowed="an integer of at least 0")
        require_free(self.out, force=self.force, kind=NETWORK_KIND)
        run = load_run(self.run)
        dataset = load_data(run.data, self.data_folder, terminal)
        result = convert(
            run.model,
            dataset,
            self.quantize,
            self.out,
            terminal,
            force=self.force,
            input_threshold=self.input_threshold,
            epochs=self.finetune,
            unary_steps=self.unary_steps,
            picture=self.picture,
        )
        terminal.emit(result, summary(result))
        return result


def convert(
    model: Any,
    dataset: Dataset,
    config: QuantizeConfig,
    out: Path,
    terminal: Terminal,
    *,
    force: bool,
    input_threshold: float = 0.0,
    epochs: int = 0,
    unary_steps: int | None = None,
    picture: Path | None = None,
) -> dict[str, Any]:
    """Convert a model, save the network and return its fidelity on the validation images."""
    from spiking_pvae.deploy import fidelity, lower, prepare, quantize, save_network
    from spiking_pvae.deploy.event_inputs import with_event_inputs
    from spiking_pvae.deploy.floatnet import Rectify

    terminal.say(f"Converting to {config.weight_bits}-bit weights and {config.input_bits}-bit inputs")
    images = dataset.calibration()
    source = prepare(lower(model), images, config)
    network = with_event_inputs(quantize(source, images, config), input_threshold)
    if config.equalisation and not any(isinstance(layer.activation, Rectify) for layer in source.layers):
        terminal.say("Nothing to equalise: the network has no hidden (ReLU) layer, only linear ones")
    untuned = network
    if epochs:
        network = tune(source, untuned, dataset, epochs, terminal)
    network = replace(network, data=dataset.name)
    save_network(network, out, force=force)
    terminal.say(f"Comparing float and integer on {len(dataset.validation)} held-out images")
    report = fidelity(
        source, network, dataset.validation.images, untuned=untuned if epochs else None, steps=unary_steps
    )
    result = {
        "network": str(out),
        "layers": [
            {
                "name": layer.name,
                "neurons": layer.neurons,
                "synapses": layer.synapse.stored,
                "form": type(layer.synapse).__name__.lower(),
            }
            for layer in network.layers
        ],
        "weight_bits": config.weight_bits,
        "input_bits": config.input_bits,
        "input_threshold": input_threshold,
        "calibration": config.calibration,
        "rounding": config.rounding,
        "bias_correction": config.bias_correction,
        "threshold": config.threshold,
        "finetune_epochs": epochs,
        **report.to_json(),
    }
    if picture is not None:
        from spiking_pvae.plots.fidelity import draw_fidelity

        draw_fidelity(report, picture)
        result["picture"] = str(picture)
    return result


def tune(source: FloatNetwork, network: Network, dataset: Dataset, epochs: int, terminal: Terminal) -> Network:
    """Train the integer network on with a progress display."""
    from spiking_pvae.deploy.finetune import FinetuneConfig, finetune

    config = FinetuneConfig(epochs=epochs, augment=dataset.augment)
    steps = epochs * -(-len(dataset.train) // config.batch_size)
    with terminal.progress("fine-tuning", steps) as tick:
        return finetune(
            source,
            network,
            dataset.train.images,
            config,
            report=lambda done, _, objective: tick(done, f"objective {objective:.2f}"),
        )


FIGURES = (
    ("nelbo", "-ELBO (squared error + KL)"),
    ("mse", "squared error, summed over the pixels"),
    ("kl", "KL (nats)"),
    ("metabolic_cost", "spikes a latent and inference"),
    ("proportion_zeros", "share of silent latents"),
)


def summary(result: dict[str, Any]) -> Any:
    """Build the table of a conversion."""
    rows = []
    for name, title in FIGURES:
        before, after = result[f"{name}_float"], result[f"{name}_integer"]
        rows.append((title, f"{before:.4g}", f"{after:.4g}", f"{after - before:+.4f}"))
    change = f"{result['nelbo_change_percent']:+.3f} ± {result['standard_error_percent']:.3f} %"
    rows += [("change of the -ELBO, ± standard error", "", "", change)]
    causes = [(name, value) for name, value in result["gap"].items() if name != "total"]
    for name, value in causes:
        percent = 100 * value / result["nelbo_float"]
        rows.append((f"  by {name.replace('_', ' ')}", "", f"{value:+.4f}", f"{percent:+.3f} %"))
    title = f"Conversion to {result['weight_bits']} bits: {result['network']}"
    return table(title, (f"mean of {result['samples']} images", "float", "integer", "change"), rows)
