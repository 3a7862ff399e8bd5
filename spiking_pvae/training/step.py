"""The objective of one batch as a module, so that it can be compiled and spread over processes."""

from __future__ import annotations

from torch import Tensor, nn

from spiking_pvae.config import TrainConfig
from spiking_pvae.model import VAE
from spiking_pvae.objective import elbo
from spiking_pvae.sampling.draws import Draws


class TrainStep(nn.Module):
    """Images to the scalar whose gradient trains the model.

    Parameters
    ----------
    model : VAE
        Trained in place.
    config : TrainConfig
        Names the estimator.
    """

    def __init__(self, model: VAE, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.estimator = config.estimator
        self.indicator = config.indicator

    def forward(self, images: Tensor, beta: Tensor, temperature: float, seed: int, first_sample: int) -> Tensor:
        """Mean over the batch of reconstruction error + beta * KL; a scalar.

        Parameters
        ----------
        images : Tensor, shape (batch, channels, height, width)
        beta : Tensor, shape ()
            Weight of the KL.
        temperature : float
            tau of ``eat`` and ``gumbel``.
        seed, first_sample : int
            Source of the draws (`Draws`).
        """
        draws = Draws(seed=seed, first_sample=first_sample)
        terms = elbo(self.model, images, self.estimator, draws=draws, temperature=temperature, indicator=self.indicator)
        return terms.objective(beta)
