"""The objective of one batch as a module, so that it can be compiled and spread over processes."""

from __future__ import annotations

from torch import Tensor, nn

from spiking_pvae.config import TrainConfig
from spiking_pvae.model import VAE
from spiking_pvae.objective import elbo
from spiking_pvae.sampling.draws import Draws


class TrainStep(nn.Module):
    """Images to the scalar whose gradient trains the model.

    All that changes from step to step is a tensor, so that the step is compiled once.

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

    def forward(self, images: Tensor, beta: Tensor, temperature: Tensor, seed: Tensor, first_sample: Tensor) -> Tensor:
        """Mean over the batch of reconstruction error + beta * KL; a scalar.

        Parameters
        ----------
        images : Tensor, shape (batch, channels, height, width)
        beta : Tensor, shape ()
            Weight of the KL.
        temperature : Tensor, shape ()
            tau of ``eat`` and ``gumbel``.
        seed, first_sample : Tensor of int64, shape ()
            Source of the draws (`Draws`). These three are in main memory: kernels are launched by their values.
        """
        draws = Draws(seed=seed, first_sample=first_sample)
        terms = elbo(self.model, images, self.estimator, draws=draws, temperature=temperature, indicator=self.indicator)
        return terms.objective(beta)
