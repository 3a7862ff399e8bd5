"""Poisson neurons behind accumulators of another unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

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
