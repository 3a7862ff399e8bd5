"""Held-out numbers of a trained model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from spiking_pvae.errors import InputError
from spiking_pvae.model import VAE, evaluating
from spiking_pvae.objective import expected_reconstruction, squared_error
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.types import ImageSet

CHUNK = 4096
ACTIVE_NATS = 0.01
"""A latent is active when its mean KL exceeds this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Averages over held-out samples.

    Parameters
    ----------
    samples, latents : int
        How many.
    beta : float
        Weight of the KL.
    mse : float
        Expected squared error of an image (sum over pixels): exact for a linear decoder, of drawn latents otherwise.
    kl : float
        Nats an inference, summed over latents.
    nelbo, objective : float
        mse + kl, and mse + beta * kl.
    metabolic_cost : float
        Mean over samples and latents of the posterior mean activity.
    proportion_zeros : float
        Share of zero counts in one exact draw.
    spikes_per_inference : float
        Sum over latents of the posterior mean activity.
    r2 : float
        Mean over samples of 1 - error / variance around the sample's own pixel mean, decoding the posterior mean;
        samples without variance are left out.
    mse_posterior_mean : float
        Squared error when the posterior mean is decoded.
    active_latents : int
        Latents with a mean KL above 0.01 nats.
    lifetime_sparseness, population_sparseness : float
        Vinje-Gallant sparseness of the drawn counts, over samples and over latents.
    """

    samples: int
    mse: float
    kl: float
    nelbo: float
    objective: float
    beta: float
    latents: int
    metabolic_cost: float
    proportion_zeros: float
    spikes_per_inference: float
    r2: float
    mse_posterior_mean: float
    active_latents: int
    lifetime_sparseness: float
    population_sparseness: float

    def to_json(self) -> dict[str, Any]:
        """Return the numbers by name."""
        return asdict(self)


def sparseness(activity_sum: Tensor, square_sum: Tensor, count: int) -> float:
    """Treves-Rolls / Vinje-Gallant sparseness [1 - (sum z)^2 / (m sum z^2)] / (1 - 1/m), averaged.

    Parameters
    ----------
    activity_sum, square_sum : Tensor
        sum z and sum z^2 of each unit (or sample); silent ones are left out.
    count : int
        m, the number of values summed.

    Returns
    -------
    float
        0 for a uniform response, 1 for a single one; NaN where nothing responds or m is 1.

    References
    ----------
    W. E. Vinje, J. L. Gallant, Science 287, 1273 (2000).
    """
    responds = square_sum > 0
    if count < 2 or not bool(responds.any()):
        return float("nan")
    ratio = activity_sum[responds].square() / (count * square_sum[responds])
    return float(((1 - ratio) / (1 - 1 / count)).mean())


def evaluate(model: VAE, images: ImageSet, *, seed: int = 0) -> Evaluation:
    """Measure a model on held-out images, in evaluation mode; the model stays as it is.

    Parameters
    ----------
    model : VAE
    images : ImageSet
    seed : int
        Seed of the one exact draw behind the proportion of zeros and the sparseness.

    Returns
    -------
    Evaluation

    Raises
    ------
    InputError
        The images do not have the model's shape.
    """
    if images.shape != model.image_shape:
        raise InputError("data", given=f"images of shape {images.shape}", allowed=f"the model's {model.image_shape}")
    device = model.device
    samples, latents = len(images), model.config.latents
    per_sample: dict[str, list[Tensor]] = {
        key: [] for key in ("mse", "mean_error", "variance", "kl", "activity", "zeros", "z", "zz")
    }
    per_latent = torch.zeros(3, latents, dtype=torch.float64, device=device)  # sums of KL, z and z^2
    with torch.no_grad(), evaluating(model):
        for place, chunk in enumerate(torch.split(torch.from_numpy(images.images), CHUNK)):
            batch = chunk.to(device)
            draws = Draws(seed=seed, first_sample=place * CHUNK)
            posterior = model.posterior(batch)
            kl, counts = posterior.kl(), posterior.sample(draws)
            centred = batch - batch.flatten(1).mean(1).view(-1, 1, 1, 1)
            values = {
                "mse": expected_reconstruction(model, batch, posterior, draws),
                "mean_error": squared_error(batch, model.decode(posterior.mean)),
                "variance": centred.square().flatten(1).sum(1),
                "kl": kl.sum(1),
                "activity": posterior.activity.sum(1),
                "zeros": (counts == 0).double().mean(1),
                "z": counts.sum(1),
                "zz": counts.square().sum(1),
            }
            for key, value in values.items():
                per_sample[key].append(value.double())
            per_latent += torch.stack([kl.double().sum(0), counts.double().sum(0), counts.double().square().sum(0)])

    sample = {key: torch.cat(value) for key, value in per_sample.items()}
    varies = sample["variance"] > 0
    explained = 1 - sample["mean_error"][varies] / sample["variance"][varies]
    mse, kl_mean, spikes = (float(sample[key].mean()) for key in ("mse", "kl", "activity"))
    return Evaluation(
        samples=samples,
        mse=mse,
        kl=kl_mean,
        nelbo=mse + kl_mean,
        objective=mse + model.config.beta * kl_mean,
        beta=model.config.beta,
        latents=latents,
        metabolic_cost=spikes / latents,
        proportion_zeros=float(sample["zeros"].mean()),
        spikes_per_inference=spikes,
        r2=float(explained.mean()),
        mse_posterior_mean=float(sample["mean_error"].mean()),
        active_latents=int((per_latent[0] / samples > ACTIVE_NATS).sum()),
        lifetime_sparseness=sparseness(per_latent[1], per_latent[2], samples),
        population_sparseness=sparseness(sample["z"], sample["zz"], latents),
    )
