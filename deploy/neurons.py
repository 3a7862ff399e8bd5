"""Neurons of the integer network: frozen nodes, each with its equation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.numerics import LARGEST_SHIFT, THRESHOLD_SHIFT, round_shift
from spiking_pvae.errors import InputError

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConstantThreshold:
    """Soft-reset integrate-and-fire: n = clip(floor(a / theta), 0, n_max), theta = mantissa << 6.

    Parameters
    ----------
    mantissa : ndarray of int32, shape (neurons,)
        Threshold mantissas.
    n_max : int
        Largest count a step in the graded schedule.
    """

    mantissa: NDArray[np.int32]
    n_max: int

    @property
    def theta(self) -> Int64:
        """Thresholds, int64 of shape (neurons,)."""
        return np.left_shift(self.mantissa.astype(np.int64), THRESHOLD_SHIFT)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExponentialThreshold:
    """Poisson neuron: the accumulator sets a rate, exponential thresholds turn the rate into a count.

    With a the accumulator, in integers:

        u = (a * gain + 2^(gain_shift - 1)) >> gain_shift               log-residual, 8 fractional bits
        e = table[clip(u, table_low, table_low + len(table) - 1) - table_low]    exp(softclamp(u))
        q = (e * rate + 2^(rate_shift - 1)) >> rate_shift               rate, `fraction` fractional bits

    and n = number of arrivals of a unit-rate process in [0, q] (`spiking_pvae.deploy.exponential`).

    Parameters
    ----------
    gain, gain_shift : ndarray of int64, shape (neurons,)
        Log-residual per accumulator unit, as mantissa and right shift.
    table : ndarray of int32, shape (entries,)
        exp of the soft-clamped log-residual in fixed point.
    table_low : int
        Log-residual (8 fractional bits) of the first entry.
    rate, rate_shift : ndarray of int64, shape (neurons,)
        Prior rate r0 as mantissa and right shift (the table's fractional bits and `fraction` folded in).
    fraction : int
        Fractional bits of the rate and of the thresholds.
    n_max : int
        Largest count an inference.
    prior_rate : ndarray of float64, shape (neurons,)
        r0 = exp(u0) of the model: the reference of the KL. Not used by the computation.
    """

    gain: Int64
    gain_shift: Int64
    table: NDArray[np.int32]
    table_low: int
    rate: Int64
    rate_shift: Int64
    fraction: int
    n_max: int
    prior_rate: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, shifts in (("gain_shift", self.gain_shift), ("rate_shift", self.rate_shift)):
            if shifts.min() < 1 or shifts.max() > LARGEST_SHIFT:
                given, allowed = f"{shifts.min()} .. {shifts.max()}", f"1 .. {LARGEST_SHIFT}"
                raise InputError(f"{name} of Poisson neurons", given=given, allowed=allowed)

    def charge(self, accumulator: Int64) -> Int64:
        """Return the rate q of each accumulator; shape (..., neurons) to the same shape."""
        u = round_shift(accumulator * self.gain, self.gain_shift)
        index = np.clip(u - self.table_low, 0, len(self.table) - 1)
        return round_shift(self.table[index].astype(np.int64) * self.rate, self.rate_shift)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readout:
    """Accumulators read by the host; they never fire."""


Neuron = ConstantThreshold | ExponentialThreshold | Readout
