"""Everything the results table says about one trained model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from spiking_pvae.deploy.fidelity import fidelity
from spiking_pvae.deploy.lower import lower
from spiking_pvae.deploy.quantize import quantize
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.energy import EnergyReport, Preset, estimate
from spiking_pvae.errors import UnsupportedError
from spiking_pvae.evaluation import evaluate
from spiking_pvae.model import VAE, PoissonVAE
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.sweep.standin import record_of, stand_in
from spiking_pvae.types import Dataset, FloatArray

Values = dict[str, Any]
SCALE_IMAGES = 500
"""Images that set the scale of a stand-in's input; its latents' counts, which would want more, play no part."""


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
    price = priced_counts if isinstance(model, PoissonVAE) else priced_activities
    return {**evaluated, "silent_objective": silent, **price(model, dataset, preset, held_out[:samples])}


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


def priced_counts(model: VAE, dataset: Dataset, preset: Preset, images: FloatArray) -> Values:
    """Convert, simulate and price a model of counts."""
    source = lower(model)
    network = quantize(source, dataset.calibration())
    report = estimate(network, simulate(network, images), preset)
    integer = fidelity(source, network, images).integer_figures
    return {**_priced(report, "integer network"), "integer_nelbo": integer.nelbo}


def priced_activities(model: VAE, dataset: Dataset, preset: Preset, images: FloatArray) -> Values:
    """Price a linear model whose activities are not counts."""
    return _priced(drawn_energy(model, dataset, preset, images), "drawn activities")


def is_linear(model: VAE) -> bool:
    """Whether encoder and decoder are one matrix each."""
    return model.config.encoder == "linear" and model.has_linear_decoder


@torch.no_grad()
def drawn_energy(model: VAE, dataset: Dataset, preset: Preset, images: FloatArray) -> EnergyReport:
    """Estimate the energy of a linear model whose activities are not counts, from one exact draw.

    Raises
    ------
    UnsupportedError
        The model is not linear.
    """
    encoder = next((module for module in model.encoder.modules() if isinstance(module, nn.Linear)), None)
    if not is_linear(model) or encoder is None:
        raise UnsupportedError(
            f"a {model.config.encoder} | {model.config.decoder} model of '{model.config.model}' latents",
            nearest="a linear encoder and decoder",
        )
    posterior = model.posterior(torch.from_numpy(np.ascontiguousarray(images)).to(model.device))
    network = stand_in(
        encoder.weight.double().cpu().numpy(),
        model.dictionary().double().cpu().numpy(),
        model.image_shape,
        dataset.calibration(SCALE_IMAGES),
    )
    activity, kl = posterior.sample(Draws(seed=0)), posterior.kl()
    record = record_of(network, images, activity.double().cpu().numpy(), kl.double().cpu().numpy())
    return estimate(network, record, preset)
