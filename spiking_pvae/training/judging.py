"""The objective on images that are not trained on."""

from __future__ import annotations

import torch
from torch import Tensor

from spiking_pvae.model import VAE, evaluating
from spiking_pvae.objective import expected_elbo
from spiking_pvae.sampling.draws import Draws

HELD_OUT_BATCH = 2000


@torch.no_grad()
def held_out(model: VAE, images: Tensor) -> dict[str, float]:
    """Average the terms of the objective over held-out images, exactly for a linear decoder."""
    with evaluating(model):
        terms = [
            expected_elbo(model, chunk.to(model.device), Draws(seed=0, first_sample=place * HELD_OUT_BATCH))
            for place, chunk in enumerate(torch.split(images, HELD_OUT_BATCH))
        ]
    mse = float(torch.cat([term.reconstruction for term in terms]).double().mean())
    kl = float(torch.cat([term.kl for term in terms]).double().mean())
    return {"mse": mse, "kl": kl, "objective": mse + model.config.beta * kl}
