"""One categorical latent: z is a one-hot vector of K classes with probabilities p.

    KL = sum_i p_i log(p_i / pi_i) = sum_i [p_i log(p_i / pi_i) - p_i + pi_i]

The second form gives every class a share of at least 0. The prior pi is uniform unless learned.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from spiking_pvae.config import ModelConfig
from spiking_pvae.distributions.interface import Latents, Terms, hold
from spiking_pvae.distributions.poisson import divergence
from spiking_pvae.sampling.draws import Draws


@dataclass(frozen=True, slots=True)
class CategoricalPosterior:
    """Class probabilities of a batch.

    Parameters
    ----------
    log_probability : Tensor, shape (batch, latents)
        log p.
    prior_log_probability : Tensor, shape (latents,)
        log pi.
    """

    log_probability: Tensor
    prior_log_probability: Tensor

    @property
    def mean(self) -> Tensor:
        """E z = p."""
        return torch.exp(self.log_probability)

    @property
    def variance(self) -> Tensor:
        """Var z_i = p_i (1 - p_i)."""
        return self.mean * -torch.expm1(self.log_probability)

    @property
    def activity(self) -> Tensor:
        """E |z| = p."""
        return self.mean

    @property
    def zeros(self) -> Tensor:
        """P(z_i = 0) = 1 - p_i."""
        return -torch.expm1(self.log_probability)

    def kl(self) -> Tensor:
        """Share of each class in the divergence from the prior, nats."""
        return torch.exp(self.prior_log_probability) * divergence(self.log_probability - self.prior_log_probability)

    def sample(self, draws: Draws) -> Tensor:
        """Draw one-hot vectors, without gradient (Gumbel maximum)."""
        rows, classes = self.log_probability.shape
        uniform = draws.uniform(rows, classes, self.log_probability.device)
        winner = (self.log_probability.detach() - torch.log(-torch.log(uniform))).argmax(1)
        return one_hot(winner, classes).to(self.log_probability.dtype)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p of the chosen class, 0 elsewhere."""
        return z * self.log_probability

    def readout_variance(self, dictionary: Tensor) -> Tensor:
        """Return trace(Phi Cov(z) Phi^T) = sum_i p_i |phi_i|^2 - |Phi p|^2; shape (batch,)."""
        p = self.mean
        return p @ dictionary.square().sum(0) - (p @ dictionary.T).square().sum(1)

    def terms(self, dictionary: Tensor) -> Terms:
        """Return mean, readout variance and summed KL."""
        return Terms(self.mean, self.readout_variance(dictionary), self.kl().sum(1))


class CategoricalLatents(Latents):
    """One latent of K classes; the encoder gives logits relative to the prior's.

    Parameters
    ----------
    config : ModelConfig
    generator : torch.Generator
        Unused: the prior starts uniform.
    """

    prior_logits: Tensor

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        hold(self, "prior_logits", torch.zeros(config.latents), learned=config.prior == "learned")

    def forward(self, features: Tensor) -> CategoricalPosterior:
        """Turn logits of shape (batch, latents) into the posterior."""
        return CategoricalPosterior(
            torch.log_softmax(self.prior_logits + features, 1), torch.log_softmax(self.prior_logits, 0)
        )

    def prior(self, rows: int) -> CategoricalPosterior:
        """Return the prior for `rows` samples."""
        log_pi = torch.log_softmax(self.prior_logits, 0)
        return CategoricalPosterior(log_pi.expand(rows, -1), log_pi)
