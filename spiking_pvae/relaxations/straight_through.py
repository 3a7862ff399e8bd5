"""Straight-through draws: exact values forward, the gradient of the mean backward.

    z = E z + [sample - E z],   the bracket without gradient

Source: Y. Bengio, N. Leonard, A. Courville, "Estimating or propagating gradients through stochastic neurons", arXiv
1308.3432. The gradient is biased for a nonlinear decoder: it ignores how the spread changes with the rate.
"""

from __future__ import annotations

from torch import Tensor

from spiking_pvae.distributions.interface import Posterior
from spiking_pvae.sampling.draws import Draws


def straight_through(posterior: Posterior, draws: Draws) -> Tensor:
    """Draw z with the gradient of its mean; shape (batch, latents)."""
    mean = posterior.mean
    return mean + (posterior.sample(draws) - mean).detach()
