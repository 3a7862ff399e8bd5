"""Poisson neurons in fixed point: from a float rate function to integer gains, a table and shifts.

The accumulator of a Poisson layer counts units of real log-residual; its integer gain turns them into log-residuals
with 8 fractional bits, a table into exp(softclamp), a second gain into rates.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.floatnet import PoissonRate
from spiking_pvae.deploy.ir import ExponentialThreshold
from spiking_pvae.deploy.numerics import LARGEST_SHIFT, MEMBRANE, mantissa_exponent
from spiking_pvae.errors import LimitError

Float64 = NDArray[np.float64]

LOG_FRACTION = 8
"""Fractional bits of the log-residual: a step of 1/256 changes a rate by at most 0.4%."""
GAIN_BITS = 15
RATE_BITS = 16
RATE_FRACTION = 16
"""Most fractional bits of a rate; fewer where large rates need the room in the membrane."""
LEAST_RATE_FRACTION = 8
TABLE_MARGIN = 7.0
"""The table ends this far above the clamp, where exp(softclamp) is within 0.1% of its limit."""
LATENT_N_MAX = 2**15 - 1
"""Largest count of a latent, whatever its rate."""


def rate_table(clamp: float) -> tuple[NDArray[np.int32], int, int]:
    """Tabulate exp(c - softplus(c - u)) for u in steps of 2^-LOG_FRACTION.

    Returns
    -------
    table : ndarray of int32
        In fixed point, every entry below 2^23.
    low : int
        Log-residual of the first entry, in steps; below it the value rounds to 0.
    fraction : int
        Fractional bits of the entries.
    """
    fraction = 22 - math.floor(clamp / math.log(2))
    low = math.floor(-(fraction + 1) * math.log(2) * 2**LOG_FRACTION)
    high = math.ceil((clamp + TABLE_MARGIN) * 2**LOG_FRACTION)
    u = np.arange(low, high + 1) / 2**LOG_FRACTION
    values = np.rint(np.exp(clamp - np.logaddexp(0.0, clamp - u)) * 2.0**fraction)
    return values.astype(np.int32), low, fraction


def poisson_neuron(name: str, activation: PoissonRate, unit: Float64) -> ExponentialThreshold:
    """Build the Poisson neurons of accumulators whose unit is `unit` nats of log-residual, shape (neurons,)."""
    table, low, table_fraction = rate_table(activation.clamp)
    prior_rate = np.exp(activation.prior_log_rate)
    largest = float(prior_rate.max()) * math.exp(activation.clamp)
    fraction = min(RATE_FRACTION, 22 - math.floor(math.log2(max(largest, 2.0**-40))))
    if fraction < LEAST_RATE_FRACTION:
        raise LimitError(
            name,
            limit=f"{MEMBRANE} with {LEAST_RATE_FRACTION} fractional bits",
            value=f"a rate of up to {largest:.3g} spikes an inference",
            remedy="Train with a lower clamp.",
        )
    gain, gain_shift = mantissa_exponent(unit * 2**LOG_FRACTION, GAIN_BITS)
    rate, rate_exponent = mantissa_exponent(prior_rate, RATE_BITS)
    shift = rate_exponent + table_fraction - fraction
    # Beyond this shift every rate rounds to 0.
    rate, shift = np.where(shift > LARGEST_SHIFT, 0, rate), np.minimum(shift, LARGEST_SHIFT)
    return ExponentialThreshold(
        gain=gain,
        gain_shift=gain_shift,
        table=table,
        table_low=low,
        rate=rate,
        rate_shift=shift,
        fraction=fraction,
        n_max=largest_count(largest),
        prior_rate=prior_rate,
    )


def largest_count(rate: float) -> int:
    """Return a count that Poisson(rate) exceeds with a probability below 1e-12 (Bernstein's inequality)."""
    return min(LATENT_N_MAX, math.ceil(rate + 8 * math.sqrt(rate) + 20))
