"""Poisson neurons behind accumulators of another unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spiking_pvae.deploy.exporters.traces import Int64, Traces
from spiking_pvae.deploy.ir import ExponentialThreshold, Network
from spiking_pvae.deploy.numerics import mantissa_exponent

GAIN_BITS = 15


def scaled_latents(network: Network, scale: float) -> ExponentialThreshold:
    """Return the latents for accumulators that are `scale` times the network's."""
    neuron = network.latent.neuron
    assert isinstance(neuron, ExponentialThreshold)
    if scale == 1.0:
        return neuron
    gain, shift = mantissa_exponent(np.ldexp(neuron.gain.astype(np.float64), -neuron.gain_shift) / scale, GAIN_BITS)
    return replace(neuron, gain=gain, gain_shift=shift)


def rate_difference(network: Network, neuron: ExponentialThreshold, sums: Int64, wanted: Traces) -> dict[str, float]:
    """Measure how far a form's latents are from the network's.

    Parameters
    ----------
    network : Network
    neuron : ExponentialThreshold
        Latents of the form.
    sums : ndarray of int64, shape (samples, latents)
        Their accumulators.
    wanted : Traces
        Of the network itself.

    Returns
    -------
    dict of str to float
        Mean absolute difference of the latents' rates, relative to their mean; and the largest, in spikes.
    """
    rate, true = (
        np.ldexp(q.astype(np.float64), -neuron.fraction)
        for q in (neuron.charge(sums), wanted[network.latent.name]["rate"])
    )
    return {
        "latent_rate_relative": float(np.abs(rate - true).mean() / max(true.mean(), 1e-30)),
        "latent_rate_largest": float(np.abs(rate - true).max()),
    }
