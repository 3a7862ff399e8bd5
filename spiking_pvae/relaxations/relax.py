"""The estimator that the settings name, as a draw of z that carries its gradient."""

from __future__ import annotations

from typing import Literal, assert_never

from torch import Tensor

from spiking_pvae.config import Estimator, Indicator
from spiking_pvae.distributions.categorical import CategoricalPosterior
from spiking_pvae.distributions.interface import Posterior
from spiking_pvae.distributions.poisson import PoissonPosterior
from spiking_pvae.errors import InputError
from spiking_pvae.relaxations.gumbel import gumbel
from spiking_pvae.relaxations.straight_through import straight_through
from spiking_pvae.sampling.arrivals import relaxed_counts
from spiking_pvae.sampling.draws import Draws

Relaxation = Literal["eat", "gumbel", "straight-through", "pathwise"]


def usual_relaxation(posterior: Posterior) -> Relaxation:
    """Return the relaxation that suits a posterior best."""
    if isinstance(posterior, PoissonPosterior):
        return "eat"
    return "gumbel" if isinstance(posterior, CategoricalPosterior) else "pathwise"


def relax(
    posterior: Posterior, relaxation: Relaxation, *, indicator: Indicator, temperature: float | Tensor, draws: Draws
) -> Tensor:
    """Draw z with a gradient; shape (batch, latents).

    Parameters
    ----------
    posterior : Posterior
    relaxation : Relaxation
    indicator : Indicator
        Of ``eat``.
    temperature : float or Tensor
        tau of ``eat`` and ``gumbel``, 0 .. 1.
    draws : Draws

    Raises
    ------
    InputError
        The relaxation does not exist for these latents.
    """
    match relaxation:
        case "eat":
            if not isinstance(posterior, PoissonPosterior):
                raise _unfit(relaxation, posterior, "Poisson latents")
            return relaxed_counts(posterior.rate, temperature, indicator, draws)
        case "gumbel":
            return gumbel(posterior, temperature, draws)
        case "straight-through":
            return straight_through(posterior, draws)
        case "pathwise":
            draw = getattr(posterior, "reparameterised", None)
            if draw is None:
                raise _unfit(relaxation, posterior, "continuous latents (grelu, gaussian, laplace)")
            z: Tensor = draw(draws)
            return z
        case _:
            assert_never(relaxation)


def _unfit(estimator: Estimator, posterior: Posterior, allowed: str) -> InputError:
    return InputError(
        "estimator",
        given=f"'{estimator}' for {type(posterior).__name__}",
        allowed=allowed,
        remedy=f"Use --estimator {usual_relaxation(posterior)}.",
    )
