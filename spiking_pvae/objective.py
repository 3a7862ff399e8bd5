"""The negative ELBO: reconstruction error plus beta times the KL.

    objective = mean over the batch of  sum_pixels (x - xhat)^2 + beta sum_i KL_i

without the factors 1/2 and sigma, as in the papers' public code. For a linear decoder xhat = Phi z + b the expectation
over the posterior is exact:

    E |x - Phi z - b|^2 = |x - Phi E z - b|^2 + trace(Phi Cov(z) Phi^T)

For any other decoder one draw stands for the expectation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spiking_pvae.config import Estimator, Indicator
from spiking_pvae.distributions.interface import Posterior
from spiking_pvae.errors import InputError
from spiking_pvae.model import VAE
from spiking_pvae.relaxations.relax import relax, usual_relaxation
from spiking_pvae.sampling.draws import Draws

SCORE_DRAWS = 4
"""Draws of the score estimator; each is judged against the mean of the others."""


@dataclass(frozen=True, slots=True)
class Elbo:
    """Terms of the negative ELBO, each of shape (batch,).

    Parameters
    ----------
    reconstruction : Tensor
        Expected sum of squared errors over the pixels, or its estimate.
    kl : Tensor
        Sum of the latents' divergences, nats.
    """

    reconstruction: Tensor
    kl: Tensor

    def objective(self, beta: float | Tensor) -> Tensor:
        """Mean over the batch of reconstruction + beta * KL; a scalar."""
        return (self.reconstruction + beta * self.kl).mean()


def squared_error(images: Tensor, reconstruction: Tensor) -> Tensor:
    """Sum of squared differences over everything but the batch; shape (batch,)."""
    return (images - reconstruction).square().flatten(1).sum(1)


def exact_elbo(model: VAE, images: Tensor, posterior: Posterior) -> Elbo:
    """Return the exact terms of a linear decoder: the expectation over the posterior, without a draw.

    Raises
    ------
    InputError
        The decoder is not linear.
    """
    if not model.has_linear_decoder:
        raise InputError(
            "estimator",
            given=f"'exact' for a decoder of kind '{model.config.decoder}'",
            allowed="a linear decoder",
            remedy="Use --estimator auto, or --decoder linear.",
        )
    terms = posterior.terms(model.dictionary())
    return Elbo(squared_error(images, model.decode(terms.mean)) + terms.readout_variance, terms.kl)


def score_reconstruction(model: VAE, images: Tensor, posterior: Posterior, draws: Draws) -> Tensor:
    """Estimate the expected squared error with the score-function gradient; shape (batch,).

    The value is the mean over draws of f_s = |x - g(z_s)|^2; its gradient

        mean_s [ d f_s + (f_s - mean of the other f) d log q(z_s) ]

    is unbiased for any decoder and any latents. Source: R. J. Williams 1992; leave-one-out baseline: W. Kool,
    H. van Hoof, M. Welling, "Buy 4 REINFORCE samples, get a baseline for free", 2019.
    """
    zs = [posterior.sample(draws.split(index)) for index in range(SCORE_DRAWS)]
    errors = torch.stack([squared_error(images, model.decode(z)) for z in zs])
    log_q = torch.stack([posterior.log_prob(z).sum(1) for z in zs])
    values = errors.detach()
    advantage = (values - values.mean(0)) * (SCORE_DRAWS / (SCORE_DRAWS - 1))  # f_s - mean of the others
    return (errors + advantage * (log_q - log_q.detach())).mean(0)


def elbo(
    model: VAE,
    images: Tensor,
    estimator: Estimator = "auto",
    *,
    draws: Draws,
    temperature: float | Tensor = 0.05,
    indicator: Indicator = "cubic",
) -> Elbo:
    """Negative ELBO of a batch, with the gradient of the chosen estimator.

    Parameters
    ----------
    model : VAE
    images : Tensor, shape (batch, channels, height, width)
    estimator : Estimator
        ``auto``: exact for a linear decoder, otherwise what suits the latents.
    draws : Draws
        Unused by ``exact``.
    temperature : float or Tensor
        tau of ``eat`` and ``gumbel``, 0 .. 1.
    indicator : Indicator
        Of ``eat``.

    Returns
    -------
    Elbo

    Raises
    ------
    InputError
        The estimator does not exist for this decoder or these latents.
    """
    posterior = model.posterior(images)
    if estimator == "exact" or (estimator == "auto" and model.has_linear_decoder):
        return exact_elbo(model, images, posterior)
    kl = posterior.kl().sum(1)
    if estimator == "score":
        return Elbo(score_reconstruction(model, images, posterior, draws), kl)
    relaxation = usual_relaxation(posterior) if estimator == "auto" else estimator
    z = relax(posterior, relaxation, indicator=indicator, temperature=temperature, draws=draws)
    return Elbo(squared_error(images, model.decode(z)), kl)


@torch.no_grad()
def expected_elbo(model: VAE, images: Tensor, draws: Draws) -> Elbo:
    """Judge a model: exact for a linear decoder, one exact draw of the latents otherwise; without gradient."""
    posterior = model.posterior(images)
    if model.has_linear_decoder:
        return exact_elbo(model, images, posterior)
    return Elbo(expected_reconstruction(model, images, posterior, draws), posterior.kl().sum(1))


def expected_reconstruction(model: VAE, images: Tensor, posterior: Posterior, draws: Draws) -> Tensor:
    """Return the expected squared error, exact for a linear decoder and of one exact draw otherwise; (batch,)."""
    if model.has_linear_decoder:
        return exact_elbo(model, images, posterior).reconstruction
    return squared_error(images, model.decode(posterior.sample(draws)))
