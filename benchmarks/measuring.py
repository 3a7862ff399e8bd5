"""What the energy scripts share: continued training, one measured point, and the machine it ran on."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from spiking_pvae.config import TrainConfig
from spiking_pvae.deploy import Network, QuantizeConfig, convert, simulate
from spiking_pvae.energy import EnergyReport, estimate, metabolic
from spiking_pvae.evaluation import evaluate
from spiking_pvae.model import PoissonVAE
from spiking_pvae.training import fit
from spiking_pvae.types import Dataset


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
