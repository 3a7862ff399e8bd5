"""Everything the results table says about one trained model."""

from __future__ import annotations

from typing import Any

import numpy as np

from spiking_pvae.deploy.fidelity import fidelity
from spiking_pvae.deploy.lower import lower
from spiking_pvae.deploy.quantize import quantize
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.energy import EnergyReport, Preset, estimate
from spiking_pvae.evaluation import evaluate
from spiking_pvae.model import VAE
from spiking_pvae.types import Dataset, FloatArray

Values = dict[str, Any]


def measure(model: VAE, dataset: Dataset, preset: Preset, samples: int) -> Values:
    """Return a model's columns of the results table.

    Parameters
    ----------
    model : VAE
    dataset : Dataset
        Its validation images are the held-out ones.
    preset : Preset
        Prices of energy.
    samples : int
        Held-out images that are priced, from the first.
    """
    held_out = dataset.validation.images
    silent = float(np.square(held_out, dtype=np.float64).sum() / len(held_out))
    evaluated = evaluate(model, dataset.validation).to_json()
    return {**evaluated, "silent_objective": silent, **priced_network(model, dataset, preset, held_out[:samples])}


def _priced(report: EnergyReport, account: str) -> Values:
    whole, latents = report.joules_per_inference, report.latents
    return {
        "hardware": report.hardware,
        "account": account,
        "joules": whole.value,
        "joules_low": whole.low,
        "joules_high": whole.high,
        "latent_joules": float(latents.joules.sum()),
        "event_synops": report.event_synops,
        "latent_spikes": float(latents.spikes.sum()),
    }


def priced_network(model: VAE, dataset: Dataset, preset: Preset, images: FloatArray) -> Values:
    """Convert, simulate and price a model of counts."""
    source = lower(model)
    network = quantize(source, dataset.calibration())
    report = estimate(network, simulate(network, images), preset)
    integer = fidelity(source, network, images).integer_figures
    return {**_priced(report, "integer network"), "integer_nelbo": integer.nelbo}
