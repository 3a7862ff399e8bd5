"""Synapses on their way to integers: real weights by output channel, their grids and their roundings."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.calibrate import Calibration, fit_grid
from spiking_pvae.deploy.ir import Bias, Conv2d, Dense
from spiking_pvae.deploy.maps import ConvMap, DenseMap
from spiking_pvae.deploy.numerics import BIAS_MANTISSA, IntegerFormat, weight_format

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
DAMPING = 0.01
"""Share of the mean square of the messages added to each one's: rarely seen messages keep some importance."""
TINY = 1e-12
Round = Callable[[Float64, IntegerFormat], Int64]
"""Turns weights in units of their grid, shape (channels, taps), into integers of a format."""


def nearest(values: Float64, format_: IntegerFormat) -> Int64:
    """Round to the nearest integers of the format."""
    return np.clip(np.rint(values), format_.low, format_.high).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealSynapse:
    """Weights that multiply integer messages, still real: the scales of the messages are in them.

    Parameters
    ----------
    linear : DenseMap or ConvMap
    bits : int
        Width of the integers they shall become.
    """

    linear: DenseMap | ConvMap
    bits: int

    @property
    def rows(self) -> Float64:
        """Weights by output channel, shape (channels, taps)."""
        return self.linear.weight.reshape(len(self.linear.weight), -1)

    @property
    def format(self) -> IntegerFormat:
        """Range of the integers."""
        return weight_format(self.bits)

    def fit(self, method: Calibration, moments: Float64, *, by_channel: bool) -> Float64:
        """Choose the real value of a weight mantissa of 1 for each channel.

        Parameters
        ----------
        method : {"max", "percentile", "mse"}
        moments : ndarray of float64, shape (groups, taps, taps)
            E[x x^T] of the messages (`spiking_pvae.deploy.rounding.second_moments`). An error e of one weight adds
            e^2 E[x^2] to the output's: that, not e^2, is what the MSE-optimal scale makes small.
        by_channel : bool
            Whether every channel gets a scale of its own.

        Returns
        -------
        ndarray of float64, shape (channels,)
        """
        importance = np.diagonal(moments, axis1=1, axis2=2)
        importance = importance + DAMPING * importance.mean() + TINY
        importance = importance.repeat(len(self.rows) // len(importance), 0)
        rows = self.rows if by_channel else self.rows.reshape(1, -1)
        scale = fit_grid(rows, self.format, method, importance.reshape(rows.shape)).scale[:, 0]
        return np.broadcast_to(scale, (len(self.rows),)).copy()

    def spread(self, by_channel: Float64) -> Float64:
        """Repeat one value a channel over the neurons of the channel."""
        return by_channel.repeat(self.linear.outputs // len(by_channel))

    def integer(self, scale: Float64, exponent: int, round_: Round = nearest) -> Dense | Conv2d:
        """Round to the grid of a scale; shape (channels,)."""
        weight = round_(self.rows / scale[:, None], self.format).astype(np.int8).reshape(self.linear.weight.shape)
        if isinstance(self.linear, DenseMap):
            return Dense(weight=weight, exponent=exponent, bits=self.bits)
        return Conv2d(
            weight=weight,
            exponent=exponent,
            bits=self.bits,
            input_shape=self.linear.input_shape,
            stride=self.linear.stride,
            padding=self.linear.padding,
            dilation=self.linear.dilation,
            groups=self.linear.groups,
        )


def write_bias(charge: Float64 | None) -> Bias | None:
    """Write charges in accumulator units, shape (neurons,), as 13-bit mantissas with one exponent."""
    if charge is None:
        return None
    largest = float(np.abs(charge).max())
    exponent = max(0, math.ceil(math.log2(max(largest, 1.0) / BIAS_MANTISSA.high)))
    return Bias(mantissa=np.rint(charge / 2.0**exponent).astype(np.int16), exponent=exponent)
