"""What the energy scripts share: their command line, continued training, one measured point, and the machine."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.deploy import Network, QuantizeConfig, convert, simulate
from spiking_pvae.energy import EnergyReport, estimate, metabolic
from spiking_pvae.evaluation import evaluate
from spiking_pvae.model import PoissonVAE
from spiking_pvae.training import fit
from spiking_pvae.types import Dataset

RESULTS = Path(__file__).parents[1] / "docs" / "results"
PLAIN = ModelConfig(clamp=5.0, bias=False)
"""What the networks behind the kept tables have in common: no biases, as the papers, and one clamp for all betas."""
PLAIN_OPTIONS = (f"--clamp={PLAIN.ceiling:g}", "--no-bias")
RETURNING = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""Environment of a process whose freed blocks go back to the system, where none waits to be used again."""


def held(key: str) -> int:
    """Read a size of this process in bytes: VmRSS now, VmHWM the largest since `reset_peak`."""
    with open("/proc/self/status", encoding="utf-8") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith(key))


def reset_peak() -> None:
    """Let the largest size of this process start anew from the present one."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def results_page(
    about: str,
    name: str,
    run: Callable[[argparse.Namespace], dict[str, Any]],
    document: Callable[[dict[str, Any]], str],
    draw: Callable[[dict[str, Any], Path], None] | None = None,
    *,
    explained: Mapping[str, str] | None = None,
    **options: Any,
) -> None:
    """Read the command line, run, keep the JSON, write the page and draw the picture.

    Parameters
    ----------
    about : str
        Help text.
    name : str
        Of the files.
    run : callable
        Options to a result.
    document : callable
        Result to the page.
    draw : callable, optional
        Result and path to the picture.
    explained : mapping of str to str, optional
        Help texts of the script's own options.
    **options
        The script's own options and their defaults, beside the data, latents and hardware of all; a tuple takes many
        values.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--data", default="natural")
    parser.add_argument("--latents", type=int, default=512)
    parser.add_argument("--hardware", default="loihi_davies2018")
    for option, default in options.items():
        many = isinstance(default, tuple)
        kind = type(default[0]) if many else Path if default is None else type(default)
        parser.add_argument(
            f"--{option.replace('_', '-')}",
            type=kind,
            default=default,
            nargs="+" if many else None,
            help=(explained or {}).get(option),
        )
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--draw", action="store_true", help="only write the page and the picture from the kept JSON")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    kept = chosen.out / f"{name}.json"
    if not chosen.draw:
        kept.write_text(json.dumps(run(chosen), indent=1) + "\n", encoding="utf-8")
    result = json.loads(kept.read_text(encoding="utf-8"))
    (chosen.out / f"{name}.md").write_text(document(result), encoding="utf-8")
    if draw is not None:
        draw(result, chosen.out / f"{name}.png")


def machine() -> dict[str, Any]:
    """Say where, when and how the figures were made."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    script, *options = sys.argv
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "command": " ".join(["python", f"benchmarks/{os.path.basename(script)}", *options]),
    }


def provenance(made: dict[str, Any]) -> str:
    """Write the machine as one paragraph."""
    return (
        f"Made on {made['date']} by `{made['command']}` on {made['cores']} cores of {made['cpu']}, "
        f"Python {made['python']}, torch {made['torch']}."
    )


def continued(model: PoissonVAE, dataset: Dataset, *, beta: float, epochs: int, seed: int = 0) -> PoissonVAE:
    """Train a copy of a model on at another beta."""
    again = PoissonVAE(replace(model.config, beta=beta), model.image_shape)
    again.load_state_dict(model.state_dict())
    fit(again, dataset, TrainConfig(epochs=epochs, learning_rate=0.005, beta_warmup=0.0, seed=seed, device="cpu"))
    return again


def nelbo_of(network: Network, dataset: Dataset) -> tuple[float, float]:
    """Return reconstruction error and KL of the integer network on the validation images.

    The expectation over the Poisson counts is exact: |x - Phi r|^2 + sum_i r_i |Phi_i|^2, with the integer rates.
    """
    images = dataset.validation.images
    record = simulate(network, images, keep=(network.latent.name,))
    neuron = network.latent.neuron
    rate = np.ldexp(record.traces[network.latent.name].charge.astype(np.float64), -neuron.fraction)  # type: ignore[union-attr]
    phi = network.readout.synapse.weight * np.ldexp(network.readout.scale, 0)[:, None]
    error = np.square(images.reshape(len(images), -1) - rate @ phi.T).sum(1) + rate @ np.square(phi).sum(0)
    return float(error.mean()), float(record.latent.kl.sum() / record.samples)


def measure(
    model: PoissonVAE, dataset: Dataset, *, hardware: str, samples: int, quantize: QuantizeConfig | None = None
) -> tuple[dict[str, Any], Network, EnergyReport]:
    """Convert, simulate and price a model on held-out images."""
    network = convert(model, dataset.calibration(), quantize)
    return priced(model, network, dataset, hardware=hardware, samples=samples)


def priced(
    model: PoissonVAE, network: Network, dataset: Dataset, *, hardware: str, samples: int
) -> tuple[dict[str, Any], Network, EnergyReport]:
    """Simulate and price a network on held-out images."""
    record = simulate(network, dataset.validation.images[:samples])
    report = estimate(network, record, hardware)
    held_out = evaluate(model, dataset.validation)
    mse, kl = nelbo_of(network, dataset)
    term = metabolic(report)
    encoder = report.ops.layers[0].name, network.latent.name
    synops = {layer.name: float(layer.event_synops.sum()) / report.samples for layer in report.ops.layers}
    whole = report.joules_per_inference
    into_latents = synops[network.latent.name]
    point = {
        "beta": model.config.beta,
        "nelbo_float": held_out.nelbo,
        "nelbo": mse + kl,
        "mse": mse,
        "kl": kl,
        "r2": held_out.r2,
        "spikes": term.spikes,
        "active_latents": held_out.active_latents,
        "event_synops": report.event_synops,
        "encoder_synops": into_latents,
        "decoder_synops": report.event_synops - into_latents,
        "joules": whole.to_json(),
        "by_term": {name: band.value for name, band in report.by_term.items()},
        "by_layer": {name: band.value for name, band in report.by_layer.items()},
        "latent_joules": term.latent_joules,
        "latent_share": term.latent_share,
        "nats_per_joule": term.nats_per_joule,
        "joules_per_spike": term.joules_per_spike,
        "prior_rate": float(network.latent.neuron.prior_rate.mean()),  # type: ignore[union-attr]
        "encoder_joules": sum(float(report.neurons[name].sum()) for name in encoder[:1]),
        "atp": term.atp,
        "brain_joules": term.brain_joules,
        "landauer_joules": term.landauer_joules,
    }
    return point, network, report
