"""How far the integer network is from the float one, on held-out images, and why.

Both are judged by the same exact expectation over the Poisson counts, so that no sampling noise enters the difference.
The gap is split by making one change at a time to the float network; what the changes do together beyond their sum is
the interaction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.calibrate import Grid
from spiking_pvae.deploy.floatnet import FloatLayer, FloatNetwork, PoissonRate, decode, flatten, rates
from spiking_pvae.deploy.ir import ExponentialThreshold, Layer, Network
from spiking_pvae.deploy.numerics import weight_format
from spiking_pvae.deploy.quantize import LOG_FRACTION, input_grid
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.types import FloatArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Averages over samples: expected squared error, KL in nats, their sum, mean rate and probability of silence."""

    mse: float
    kl: float
    nelbo: float
    metabolic_cost: float
    proportion_zeros: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """Float against integer.

    Parameters
    ----------
    samples : int
    float_figures, integer_figures : Figures
    nelbo_change_percent : float
        100 (integer - float) / float.
    rate_correlation : float
        Pearson correlation of all rates.
    worst_latent_correlation : float
        Least correlation of one latent's rates, over latents that vary.
    gap : dict of str to float
        Change of the -ELBO by cause; sums to the whole.
    """

    samples: int
    float_figures: Figures
    integer_figures: Figures
    nelbo_change_percent: float
    rate_correlation: float
    worst_latent_correlation: float
    gap: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return the numbers under the names of the command line."""
        pairs = {
            f"{name}_{kind}": getattr(figures, name)
            for kind, figures in (("float", self.float_figures), ("integer", self.integer_figures))
            for name in ("nelbo", "mse", "kl", "metabolic_cost", "proportion_zeros")
        }
        return {
            "samples": self.samples,
            **pairs,
            "nelbo_change_percent": self.nelbo_change_percent,
            "rate_correlation": self.rate_correlation,
            "worst_latent_correlation": self.worst_latent_correlation,
            "gap": self.gap,
        }


def figures(network: FloatNetwork, images: FloatArray, rate: Float64, prior_rate: Float64) -> Figures:
    """Judge rates by the exact expectation over Poisson counts, for a linear decoder.

    Parameters
    ----------
    network : FloatNetwork
        Its decoder is used.
    images : ndarray of float32, shape (samples, channels, height, width)
    rate : ndarray of float64, shape (samples, latents)
    prior_rate : ndarray of float64, shape (latents,)
    """
    dictionary = network.layers[-1].weight
    error = np.square(flatten(images) - decode(network, rate)).sum(1) + rate @ np.square(dictionary).sum(0)
    ratio = np.where(rate > 0, rate, prior_rate) / prior_rate
    divergence = (rate * np.log(ratio) - rate + prior_rate).sum(1)
    mse, kl = float(error.mean()), float(divergence.mean())
    return Figures(
        mse=mse,
        kl=kl,
        nelbo=mse + kl,
        metabolic_cost=float(rate.mean()),
        proportion_zeros=float(np.exp(-rate).mean()),
    )


def weight_grid(layer: Layer, neuron_input_scale: float) -> Grid:
    """Recover the grid of a layer's weights, with a scale of shape (outputs, 1)."""
    if isinstance(layer.neuron, ExponentialThreshold):
        unit = np.ldexp(layer.neuron.gain.astype(np.float64), -layer.neuron.gain_shift - LOG_FRACTION)
    else:
        unit = layer.scale
    return Grid(scale=unit[:, None] / neuron_input_scale, format=weight_format(layer.synapse.bits))


def with_weights(network: FloatNetwork, change: Callable[[FloatLayer, int], Float64]) -> FloatNetwork:
    """Return the float network with every weight matrix replaced."""
    layers = tuple(replace(layer, weight=change(layer, index)) for index, layer in enumerate(network.layers))
    return replace(network, layers=layers)


def integer_rate(neuron: ExponentialThreshold, unit: Float64) -> Callable[[Float64], Float64]:
    """Return the neuron's fixed-point rate as a function of real accumulators (log-residuals)."""

    def rate(log_residual: Float64) -> Float64:
        charge = neuron.charge(np.rint(log_residual / unit).astype(np.int64))
        return np.ldexp(charge.astype(np.float64), -neuron.fraction)

    return rate


def fidelity(source: FloatNetwork, network: Network, images: FloatArray) -> Fidelity:
    """Compare a float network with the integer network made of it.

    Parameters
    ----------
    source : FloatNetwork
    network : Network
    images : ndarray of float32, shape (samples, channels, height, width)
        Held-out images.

    Returns
    -------
    Fidelity
    """
    activation = source.latent.activation
    neuron = network.latent.neuron
    assert isinstance(activation, PoissonRate)
    assert isinstance(neuron, ExponentialThreshold)
    prior = neuron.prior_rate
    x = flatten(images)
    port = input_grid(network.input)
    grids = [
        weight_grid(layer, network.input.scale if index == 0 else 1.0) for index, layer in enumerate(network.layers)
    ]
    rounded = with_weights(source, lambda layer, index: grids[index].rounded(layer.weight))
    clipped = with_weights(source, lambda layer, index: grids[index].clipped(layer.weight))
    quantised = with_weights(source, lambda layer, index: grids[index].quantise(layer.weight))
    unit = grids[source.latent_index].scale[:, 0] * network.input.scale

    record = simulate(network, images, keep=(network.latent.name,))
    integer_rates = np.ldexp(record.traces[network.latent.name].charge.astype(np.float64), -neuron.fraction)
    float_rates = rates(source, x)
    exact = figures(source, images, float_rates, prior)
    integer = figures(quantised, images, integer_rates, prior)

    causes = {
        "input_quantisation": figures(source, images, rates(source, port.rounded(x)), prior),
        "weight_rounding": figures(rounded, images, rates(rounded, x), prior),
        "threshold_rounding": figures(source, images, rates(source, x, integer_rate(neuron, unit)), prior),
        "clipping": figures(clipped, images, rates(clipped, port.clipped(x)), prior),
    }
    gap = {cause: changed.nelbo - exact.nelbo for cause, changed in causes.items()}
    total = integer.nelbo - exact.nelbo
    gap |= {"finite_t": 0.0, "overflow": 0.0, "interaction": total - sum(gap.values()), "total": total}
    varies = (float_rates.std(0) > 0) & (integer_rates.std(0) > 0)
    by_latent = [float(np.corrcoef(float_rates[:, i], integer_rates[:, i])[0, 1]) for i in np.flatnonzero(varies)]
    return Fidelity(
        samples=len(images),
        float_figures=exact,
        integer_figures=integer,
        nelbo_change_percent=100 * total / exact.nelbo,
        rate_correlation=float(np.corrcoef(float_rates.ravel(), integer_rates.ravel())[0, 1]),
        worst_latent_correlation=min(by_latent, default=float("nan")),
        gap=gap,
    )
