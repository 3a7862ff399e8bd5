"""The negative ELBO: reconstruction error plus beta times the KL.

    objective = mean over the batch of  sum_pixels (x - xhat)^2 + beta sum_i KL_i

without the factors 1/2 and sigma, as in the papers' public code. For a linear decoder xhat = Phi z + b the expectation
over the posterior is exact:

    E |x - Phi z - b|^2 = |x - Phi E z - b|^2 + sum_i Var(z_i) (Phi^T Phi)_ii
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from spiking_pvae.distributions.poisson import PoissonPosterior
from spiking_pvae.model import PoissonVAE


@dataclass(frozen=True, slots=True)
class Elbo:
    """Terms of the negative ELBO, each of shape (batch,).

    Parameters
    ----------
    reconstruction : Tensor
        Expected sum of squared errors over the pixels.
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


def exact_reconstruction(model: PoissonVAE, images: Tensor, posterior: PoissonPosterior) -> Tensor:
    """Return the expected squared error of a linear decoder under the posterior; shape (batch,)."""
    atom_energy = model.dictionary().square().sum(0)  # (Phi^T Phi)_ii, shape (latents,)
    return squared_error(images, model.decode(posterior.mean)) + posterior.variance @ atom_energy


def exact_elbo(model: PoissonVAE, images: Tensor) -> Elbo:
    """Negative ELBO of a batch in closed form, for a linear decoder.

    Parameters
    ----------
    model : PoissonVAE
    images : Tensor, shape (batch, channels, height, width)

    Returns
    -------
    Elbo
    """
    posterior = model.posterior(images)
    return Elbo(exact_reconstruction(model, images, posterior), posterior.kl().sum(1))
