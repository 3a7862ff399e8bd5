"""Gumbel-softmax draws of counts and of one-hot vectors.

A count is the expectation of k under softmax((k log r - log k! + gumbel_k) / tau), k = 0 .. U; U is chosen from the
largest rate of the batch. Memory is O(batch x latents x U). Sources: E. Jang, S. Gu, B. Poole, "Categorical
reparameterization with Gumbel-softmax", 2017; C. J. Maddison, A. Mnih, Y. W. Teh, "The concrete distribution", 2017.
"""

from __future__ import annotations

import math
from functools import singledispatch

import torch
from torch import Tensor

from spiking_pvae.distributions.categorical import CategoricalPosterior
from spiking_pvae.distributions.poisson import PoissonPosterior
from spiking_pvae.errors import InputError
from spiking_pvae.sampling.draws import Draws

TAIL_DEVIATIONS = 5.0
"""Counts beyond mean + 5 standard deviations + 5 are left out: less than 1e-6 of the probability at any rate."""


def largest_count(rate: float) -> int:
    """Return U, beyond which a count of this rate has a probability of less than 1e-6."""
    return math.ceil(rate + TAIL_DEVIATIONS * math.sqrt(rate) + 5)


@singledispatch
def gumbel(posterior: object, temperature: float | Tensor, draws: Draws) -> Tensor:
    """Draw relaxed z of shape (batch, latents). Open: register further discrete posteriors.

    Raises
    ------
    InputError
        The latents are not discrete, or the temperature is not in (0, 1].
    """
    raise InputError(
        "estimator",
        given=f"'gumbel' for {type(posterior).__name__}",
        allowed="Poisson or categorical latents",
        remedy="Use --estimator pathwise for continuous latents.",
    )


def _require_positive(temperature: float | Tensor) -> None:
    if not isinstance(temperature, Tensor) and not 0 < temperature <= 1:
        raise InputError("temperature of gumbel", given=temperature, allowed="a number in (0, 1]")


@gumbel.register
def _(posterior: PoissonPosterior, temperature: float | Tensor, draws: Draws) -> Tensor:
    _require_positive(temperature)
    log_rate = posterior.prior_log_rate + posterior.log_residual
    rows, latents = log_rate.shape
    limit = largest_count(float(log_rate.detach().max().exp())) + 1
    k = torch.arange(limit, device=log_rate.device, dtype=log_rate.dtype)[:, None]
    # All latents of one k lie together: the noise of (latent, k) does not depend on U, so not on the rest of the batch.
    noise = draws.uniform(rows, limit * latents, log_rate.device).view(rows, limit, latents)
    gumbels = -torch.log(-torch.log(noise)).to(log_rate.dtype)
    logits = k * log_rate[:, None, :] - torch.lgamma(k + 1)
    return (torch.softmax((logits + gumbels) / temperature, 1) * k).sum(1)


@gumbel.register
def _(posterior: CategoricalPosterior, temperature: float | Tensor, draws: Draws) -> Tensor:
    _require_positive(temperature)
    rows, classes = posterior.log_probability.shape
    noise = draws.uniform(rows, classes, posterior.log_probability.device)
    gumbels = -torch.log(-torch.log(noise)).to(posterior.log_probability.dtype)
    return torch.softmax((posterior.log_probability + gumbels) / temperature, 1)
