"""What every latent distribution offers, so that the objective and the metrics need not know which one it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from spiking_pvae.config import ModelConfig
from spiking_pvae.sampling.draws import Draws


@dataclass(frozen=True, slots=True)
class Terms:
    """All that the exact objective of a linear decoder needs of a posterior.

    Parameters
    ----------
    mean : Tensor, shape (batch, latents)
        E z.
    readout_variance : Tensor, shape (batch,)
        Summed variance of the pixels.
    kl : Tensor, shape (batch,)
        Divergence from the prior, summed over the latents, nats.
    """

    mean: Tensor
    readout_variance: Tensor
    kl: Tensor


class Posterior(Protocol):
    """The latents' posterior for a batch of images; every Tensor has shape (batch, latents) unless said otherwise.

    z stands for what the decoder reads: counts, rectified values, values or a one-hot vector.
    """

    @property
    def mean(self) -> Tensor:
        """Return E z."""
        ...

    @property
    def variance(self) -> Tensor:
        """Return Var z."""
        ...

    @property
    def activity(self) -> Tensor:
        """Return E |z|, the metabolic cost of a latent; the rate of a count."""
        ...

    @property
    def zeros(self) -> Tensor:
        """Return P(z = 0)."""
        ...

    def kl(self) -> Tensor:
        """Return the divergence from the prior per latent, nats; at least 0."""
        ...

    def sample(self, draws: Draws) -> Tensor:
        """Draw z exactly, without gradient."""
        ...

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-probability (density) of each z, nats; its gradient is the score."""
        ...

    def readout_variance(self, dictionary: Tensor) -> Tensor:
        """Return the summed variance of the pixels Phi z, trace(Phi Cov(z) Phi^T); shape (batch,).

        Parameters
        ----------
        dictionary : Tensor, shape (pixels, latents)
            Phi.
        """
        ...

    def terms(self, dictionary: Tensor) -> Terms:
        """Return mean, readout variance and summed KL at once, which may be cheaper than one by one."""
        ...


def weighted_variance(variance: Tensor, dictionary: Tensor) -> Tensor:
    """Return sum_i Var(z_i) (Phi^T Phi)_ii, the readout variance of independent latents; shape (batch,)."""
    return variance @ dictionary.square().sum(0)


class Independent:
    """Readout variance of latents that are independent of each other."""

    @property
    def mean(self) -> Tensor:
        """Return E z."""
        raise NotImplementedError(type(self).__name__)

    @property
    def variance(self) -> Tensor:
        """Return Var z."""
        raise NotImplementedError(type(self).__name__)

    def kl(self) -> Tensor:
        """Return the divergence from the prior per latent, nats."""
        raise NotImplementedError(type(self).__name__)

    def readout_variance(self, dictionary: Tensor) -> Tensor:
        """Return trace(Phi Cov(z) Phi^T); shape (batch,)."""
        return weighted_variance(self.variance, dictionary)

    def terms(self, dictionary: Tensor) -> Terms:
        """Return mean, readout variance and summed KL."""
        return Terms(self.mean, self.readout_variance(dictionary), self.kl().sum(1))


class Latents(nn.Module):
    """Prior of the latents, and the way from the encoder's output to the posterior.

    Parameters
    ----------
    config : ModelConfig
    generator : torch.Generator
        Of the prior's initial values, where they are random.

    Attributes
    ----------
    outputs_per_latent : int
        Values that the encoder gives for each latent.
    """

    outputs_per_latent: ClassVar[int] = 1

    def __init__(self, config: ModelConfig, generator: torch.Generator) -> None:
        super().__init__()

    def forward(self, features: Tensor) -> Posterior:
        """Turn the encoder's output of shape (batch, outputs_per_latent * latents) into the posterior."""
        raise NotImplementedError(type(self).__name__)

    def prior(self, rows: int) -> Posterior:
        """Return the prior, as a posterior of `rows` identical samples."""
        raise NotImplementedError(type(self).__name__)


def hold(module: nn.Module, name: str, value: Tensor, *, learned: bool) -> None:
    """Give a module a prior parameter, trained if `learned` and constant otherwise; saved either way."""
    if learned:
        module.register_parameter(name, nn.Parameter(value))
    else:
        module.register_buffer(name, value)


def uniform(latents: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    """Return initial values, uniform in [low, high); shape (latents,)."""
    return low + (high - low) * torch.rand(latents, generator=generator)
