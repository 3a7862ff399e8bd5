"""Calibration data on its way through the layers: what each receives, in real numbers and in integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exponential import arrivals
from spiking_pvae.deploy.floatnet import FloatLayer, accumulate, activate, flatten
from spiking_pvae.deploy.ir import ExponentialThreshold, InputPort, Layer
from spiking_pvae.deploy.ranges import Interval, input_range, layer_range
from spiking_pvae.deploy.reference import graded_layer
from spiking_pvae.types import FloatArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

CALIBRATION_SEED = 0
"""Seed of the latents' counts on which a decoder is calibrated."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal:
    """What arrives at a layer: in real numbers from the float network, in integers from the layers made so far.

    Parameters
    ----------
    real : ndarray of float64, shape (samples, neurons)
        Output of the float network's layers before.
    messages : ndarray of int64, shape (samples, neurons)
        Counts of the integer layers before.
    expected : ndarray of float64, shape (samples, neurons)
        Their expectation: the rates where the layer before is the Poisson layer.
    variance : ndarray of float64, shape (neurons,), optional
        Mean variance around it, for Poisson counts.
    scale : ndarray of float64, shape (neurons,)
        Real value of one count.
    bounds : Interval
        Range of the counts.
    decoding : bool
        Whether the latents lie behind.
    """

    real: Float64
    messages: Int64
    expected: Float64
    variance: Float64 | None
    scale: Float64
    bounds: Interval
    decoding: bool = False


def first_signal(port: InputPort, images: FloatArray) -> Signal:
    """Return what the first layer receives from calibration images."""
    messages = port.encode(images)
    return Signal(
        real=flatten(images),
        messages=messages,
        expected=messages.astype(np.float64),
        variance=None,
        scale=np.full(port.neurons, port.scale),
        bounds=input_range(port),
    )


def next_signal(layer: FloatLayer, made: Layer, signal: Signal) -> Signal:
    """Send the calibration data through a layer and the integer layer made of it."""
    sample = np.arange(len(signal.real), dtype=np.int64)
    real = activate(layer, accumulate(layer, signal.real))
    output = graded_layer(made, signal.messages, seed=CALIBRATION_SEED, sample=sample)
    expected, variance = output.counts.astype(np.float64), None
    if isinstance(made.neuron, ExponentialThreshold):
        # The same draws for both, so that what differs is the rates.
        fraction = made.neuron.fraction
        charge = np.rint(np.ldexp(real, fraction)).astype(np.int64)
        counts = arrivals(charge, seed=CALIBRATION_SEED, sample=sample, fraction=fraction, n_max=made.neuron.n_max)
        real = counts.astype(np.float64)
        expected = np.ldexp(output.charge.astype(np.float64), -fraction)
        variance = expected.mean(0)
    return Signal(
        real=real,
        messages=output.counts,
        expected=expected,
        variance=variance,
        scale=made.scale,
        bounds=layer_range(made, signal.bounds).counts,
        decoding=signal.decoding or variance is not None,
    )
