"""Judging rates and counts: squared error, KL and activity of every image, averaged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.accounting import rates_and_divergence
from spiking_pvae.deploy.emulate import Variant
from spiking_pvae.deploy.exponential import arrivals
from spiking_pvae.deploy.ir import ExponentialThreshold, Network
from spiking_pvae.deploy.maps import unrolled
from spiking_pvae.deploy.reference import LayerOutput

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

SEED = 0
"""Seed of the thresholds that the float and the integer network share."""
FIGURES = ("nelbo", "mse", "kl", "metabolic_cost", "proportion_zeros")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Averages over samples: expected squared error, KL in nats, their sum, mean rate and probability of silence."""

    mse: float
    kl: float
    nelbo: float
    metabolic_cost: float
    proportion_zeros: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Judged:
    """What a network does with each image; arrays of shape (samples,).

    Parameters
    ----------
    error : ndarray of float64
        Squared error summed over the pixels: its expectation over the counts, or that of one draw.
    divergence : ndarray of float64
        KL of the rates from the prior, nats.
    activity, zeros : ndarray of float64
        Mean rate and mean probability of silence over the latents.
    """

    error: Float64
    divergence: Float64
    activity: Float64
    zeros: Float64

    @property
    def nelbo(self) -> Float64:
        """Error and KL of each image."""
        return self.error + self.divergence

    @property
    def figures(self) -> Figures:
        """Averages over the samples."""
        mse, kl = float(self.error.mean()), float(self.divergence.mean())
        return Figures(
            mse=mse,
            kl=kl,
            nelbo=mse + kl,
            metabolic_cost=float(self.activity.mean()),
            proportion_zeros=float(self.zeros.mean()),
        )


def join(parts: list[Judged]) -> Judged:
    """Put chunks of images together."""
    return Judged(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("error", "divergence", "activity", "zeros")
        }
    )


def draw(rate: Float64, neuron: ExponentialThreshold, sample: Int64) -> Float64:
    """Turn rates into counts by the integer network's own thresholds; (samples, latents) to the same shape."""
    charge = np.rint(np.ldexp(rate, neuron.fraction)).astype(np.int64)
    counts = arrivals(charge, seed=SEED, sample=sample, fraction=neuron.fraction, n_max=neuron.n_max)
    return counts.astype(np.float64)


def atoms(variant: Variant) -> Float64 | None:
    """Return |Phi_i|^2 of each latent where the decoder is one linear layer, else None."""
    if variant.latent_index + 2 != len(variant.layers):
        return None
    energy: Float64 = np.square(unrolled(variant.layers[-1].linear).weight).sum(0)
    return energy


def _error(x: Float64, reconstruction: Float64) -> Float64:
    error: Float64 = np.square(x - reconstruction).sum(1)
    return error


def judge_rates(
    variant: Variant, x: Float64, rate: Float64, neuron: ExponentialThreshold, *, sample: Int64, energy: Float64 | None
) -> Judged:
    """Judge the rates of a float network or of a variant of it.

    Parameters
    ----------
    variant : Variant
        Its decoder is used.
    x : ndarray of float64, shape (samples, pixels)
    rate : ndarray of float64, shape (samples, latents)
    neuron : ExponentialThreshold
        The integer network's, for its prior rates and thresholds.
    sample : ndarray of int64, shape (samples,)
        Index of each image, which keys its draws.
    energy : ndarray of float64, shape (latents,), optional
        `atoms` of the variant; with it the error is the exact expectation.
    """
    if energy is not None:
        error = _error(x, variant.decode(rate)) + rate @ energy
    else:
        error = _error(x, variant.decode(draw(rate, neuron, sample)))
    prior = neuron.prior_rate
    ratio = np.where(rate > 0, rate, prior) / prior
    divergence = (rate * np.log(ratio) - rate + prior).sum(1)
    return Judged(error=error, divergence=divergence, activity=rate.mean(1), zeros=np.exp(-rate).mean(1))


def judge_counts(network: Network, x: Float64, outputs: tuple[LayerOutput, ...], latent: int) -> Judged:
    """Judge an integer network by its own reconstruction of one draw of the counts.

    Parameters
    ----------
    network : Network
    x : ndarray of float64, shape (samples, pixels)
    outputs : tuple of LayerOutput
        What its layers did.
    latent : int
        Position of the Poisson layer.
    """
    neuron = network.latent.neuron
    assert isinstance(neuron, ExponentialThreshold)
    reconstruction = outputs[-1].charge * network.readout.scale
    rate, divergence = rates_and_divergence(neuron, outputs[latent].charge)
    return Judged(
        error=_error(x, reconstruction),
        divergence=divergence.sum(1),
        activity=rate.mean(1),
        zeros=np.exp(-rate).mean(1),
    )
