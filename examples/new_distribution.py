"""
A new distribution in one file
==============================

Latents are a prior and a posterior behind one small interface. Here each latent is a coin: it fires once or not at all,
with probability sigmoid(u0 + du).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

import spiking_pvae as sp
from spiking_pvae.distributions.interface import Independent, Latents, hold
from spiking_pvae.sampling.draws import Draws


@dataclass(frozen=True, slots=True)
class CoinPosterior(Independent):
    """Bernoulli spikes with log-odds ``logit`` against the prior's ``prior_logit``."""

    logit: Tensor
    prior_logit: Tensor

    @property
    def mean(self) -> Tensor:
        return torch.sigmoid(self.logit)

    @property
    def variance(self) -> Tensor:
        return self.mean * (1 - self.mean)

    @property
    def activity(self) -> Tensor:
        return self.mean

    @property
    def zeros(self) -> Tensor:
        return 1 - self.mean

    def kl(self) -> Tensor:
        """P log(p / p0) + (1 - p) log((1 - p) / (1 - p0)), nats."""
        fires = self.mean * (logsigmoid(self.logit) - logsigmoid(self.prior_logit))
        return fires + (1 - self.mean) * (logsigmoid(-self.logit) - logsigmoid(-self.prior_logit))

    def sample(self, draws: Draws) -> Tensor:
        uniform = draws.uniform(*self.logit.shape, self.logit.device)
        return (uniform < self.mean).to(self.logit.dtype)

    def log_prob(self, z: Tensor) -> Tensor:
        return torch.where(z > 0, logsigmoid(self.logit), logsigmoid(-self.logit))


class CoinLatents(Latents):
    """Learned log-odds u0 of each latent; the encoder gives du."""

    def __init__(self, config: sp.ModelConfig, generator: torch.Generator) -> None:
        super().__init__(config, generator)
        hold(self, "prior_logit", torch.full((config.latents,), -3.0), learned=True)

    def forward(self, features: Tensor) -> CoinPosterior:
        return CoinPosterior(self.prior_logit + features, self.prior_logit)

    def prior(self, rows: int) -> CoinPosterior:
        return CoinPosterior(self.prior_logit.expand(rows, -1), self.prior_logit)


class CoinVAE(sp.VAE):
    """Any encoder and decoder around these latents."""

    def __init__(self, config: sp.ModelConfig, shape: tuple[int, int, int]) -> None:
        super().__init__(config, shape)
        self.latents = CoinLatents(config, torch.Generator().manual_seed(0))


data = sp.data.load("digits")
for beta in (0.1, 1.0, 4.0):
    model = CoinVAE(sp.ModelConfig(latents=32, beta=beta), data.shape)
    sp.fit(model, data, sp.TrainConfig(epochs=6, batch_size=100))
    found = sp.evaluate(model, data.validation)
    print(
        f"beta {beta:3}: squared error {found.mse:5.2f}, KL {found.kl:5.2f} nats, "
        f"{found.spikes_per_inference:5.2f} spikes, {found.proportion_zeros:.0%} silent"
    )
