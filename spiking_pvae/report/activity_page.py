"""The page about one run whose latents are not counts: what of a run's page needs no integer network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from spiking_pvae.checkpoint import Run
from spiking_pvae.energy import EnergyReport
from spiking_pvae.evaluation import Evaluation, evaluate
from spiking_pvae.model import VAE, evaluating
from spiking_pvae.plots.run import activities, training
from spiking_pvae.quantities import quantity
from spiking_pvae.report.learned import Float64, learned, reconstructions
from spiking_pvae.report.render import Section, Tile, render
from spiking_pvae.report.run_page import REBUILT, provenance_of, subtitle_of
from spiking_pvae.report.spending import beside_kl, by_part
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.types import Dataset, FloatArray

SHOWN = 1000
"""Held-out images over which a latent's numbers are averaged."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ActivityResults:
    """Everything the page is made of.

    Parameters
    ----------
    name : str
        What to call the run.
    run : Run
    dataset : Dataset
    energy : EnergyReport, optional
        Account of the drawn activities (`spiking_pvae.sweep.measure.drawn_energy`), where there is one.
    provenance : dict of str to str
        Lines for the last section, before those that follow from the rest.
    """

    name: str
    run: Run
    dataset: Dataset
    energy: EnergyReport | None
    provenance: dict[str, str]


def activity_page(results: ActivityResults) -> str:
    """Return the page."""
    model, held_out = results.run.model, results.dataset.validation
    evaluated = evaluate(model, held_out)
    kl, activity, zeros = _by_latent(model, held_out.images[:SHOWN])
    images = held_out.images[:REBUILT]

    def label(i: int) -> str:
        return f"Latent {i}: KL {kl[i]:.3g} nats, activity {activity[i]:.3g}, silent in {zeros[i]:.1%}"

    sections = [
        _summary(evaluated, results.energy),
        learned(model, {"KL": kl, "activity": activity, "silence": zeros}, label),
        reconstructions(images, *_rebuilt(model, images), ("activities", "the float model")),
        Section(
            anchor="activity",
            title="Activity",
            drawings=[activities(activity, zeros, kl), training(results.run.history)],
        ),
    ]
    if results.energy is not None:
        sections += [by_part(results.energy), beside_kl(results.energy, evaluated)]
    sections.append(provenance_of(results.run, results.dataset, results.provenance))
    return render(results.name, subtitle_of(results.run, results.dataset), sections)


def _tensor(model: VAE, images: FloatArray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(images)).to(model.device)


def _by_latent(model: VAE, images: FloatArray) -> tuple[Float64, Float64, Float64]:
    """Return each latent's KL in nats, mean activity, and probability of being 0, averaged over images."""
    with torch.no_grad(), evaluating(model):
        posterior = model.posterior(_tensor(model, images))
        kl, activity, zeros = (
            value.double().mean(0).cpu().numpy() for value in (posterior.kl(), posterior.activity, posterior.zeros)
        )
    return kl, activity, zeros


def _rebuilt(model: VAE, images: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Decode the posterior mean of images, and one draw."""
    with torch.no_grad(), evaluating(model):
        posterior = model.posterior(_tensor(model, images))
        mean, drawn = (model.decode(z).cpu().numpy() for z in (posterior.mean, posterior.sample(Draws(seed=0))))
    return mean, drawn


def _summary(evaluated: Evaluation, energy: EnergyReport | None) -> Section:
    tiles = [
        Tile(
            label="−ELBO, held out",
            value=f"{evaluated.nelbo:.1f}",
            note=f"squared error {evaluated.mse:.1f} + KL {evaluated.kl:.1f} nats",
        ),
        Tile(
            label="Activity of a latent",
            value=f"{evaluated.metabolic_cost:.3g}",
            note=f"{evaluated.proportion_zeros:.1%} of the latents silent",
        ),
        Tile(label="Explained variance", value=f"{evaluated.r2:.3f}", note="R² of an image, by decoded means"),
    ]
    text = "Averages over held-out images. Latents that are not counts have no integer network."
    if energy is not None:
        whole = energy.joules_per_inference
        band = f"{quantity(whole.low, 'J')} .. {quantity(whole.high, 'J')}, {energy.hardware}"
        tiles.append(Tile(label="Energy an inference", value=quantity(whole.value, "J"), note=band))
        text += " Joules are those of one graded message a latent that is not 0, in one draw."
    return Section(anchor="summary", title="Summary", text=text, tiles=tiles)
