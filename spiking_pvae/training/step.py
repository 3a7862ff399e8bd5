"""The objective of one batch as a module, so that it can be compiled and spread over processes."""

from __future__ import annotations

from torch import Tensor, nn

from spiking_pvae.model import PoissonVAE
from spiking_pvae.objective import exact_elbo


class TrainStep(nn.Module):
    """Images to the scalar whose gradient trains the model.

    Parameters
    ----------
    model : PoissonVAE
        Trained in place.
    """

    def __init__(self, model: PoissonVAE) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, beta: Tensor) -> Tensor:
        """Mean over the batch of reconstruction error + beta * KL; a scalar."""
        return exact_elbo(self.model, images).objective(beta)
