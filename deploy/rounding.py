"""Rounding of weights by what it does to a layer's output, not to the weights.

With e the rounding errors of one output channel's weights and H = E[x x^T] the second moments of the messages that
they multiply, the layer's mean squared output error is e^T H e. Each weight may be rounded down or up; starting from
the nearest integers, cyclic coordinate descent takes the better of the two for one weight at a time until nothing
improves. The choice is AdaRound's [1]_; its relaxation by gradient descent is not needed, since the objective is
quadratic and every single step has a closed form.

References
----------
.. [1] M. Nagel et al., "Up or down? Adaptive rounding for post-training quantization", ICML 2020.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Conv2d, Dense
from spiking_pvae.deploy.numerics import IntegerFormat
from spiking_pvae.deploy.projection import patches
from spiking_pvae.deploy.synapses import DAMPING, TINY

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

SWEEPS = 20
MOST_UNFOLDED = 2**25


def second_moments(synapse: Dense | Conv2d, messages: Float64, variance: Float64 | None = None) -> Float64:
    """Return E[x x^T] of the messages that the weights of one channel multiply.

    Parameters
    ----------
    synapse : Dense or Conv2d
        Only its geometry is used.
    messages : ndarray of float64, shape (samples, inputs)
        Calibration data.
    variance : ndarray of float64, shape (inputs,), optional
        Variance of each message beyond that of `messages` (the Poisson latents', where rates stand for counts).

    Returns
    -------
    ndarray of float64, shape (groups, taps, taps)
        One matrix for all channels of a group; 1 group for dense synapses.
    """
    if isinstance(synapse, Dense):
        dense: Float64 = messages.T @ messages / len(messages)
        return (dense if variance is None else dense + np.diag(variance))[None]
    taps = synapse.weight[0].size
    places = int(np.prod(synapse.output_shape[1:]))
    samples = max(1, min(len(messages), MOST_UNFOLDED // (taps * synapse.groups * places)))
    maps = messages[:samples].reshape(samples, *synapse.input_shape)
    columns = patches(synapse, maps).transpose(0, 2, 1, 3).reshape(synapse.groups, taps, samples * places)
    moments: Float64 = columns @ columns.transpose(0, 2, 1) / samples
    if variance is None:
        return moments
    spread = patches(synapse, variance.reshape(1, *synapse.input_shape)).sum((1, 3))
    total: Float64 = moments + np.stack([np.diag(row) for row in spread])
    return total


def round_to_output(values: Float64, moments: Float64, format_: IntegerFormat) -> Int64:
    """Round weights down or up so that the output error e^T H e is small.

    Parameters
    ----------
    values : ndarray of float64, shape (channels, taps)
        Weights in units of their grid.
    moments : ndarray of float64, shape (taps, taps)
        H.
    format_ : IntegerFormat
        Range of the integers; a weight outside is clipped and stays there.

    Returns
    -------
    ndarray of int64, shape (channels, taps)
        Never worse than the nearest integers under the damped H.
    """
    h = moments + np.eye(len(moments)) * (DAMPING * np.trace(moments) / len(moments) + TINY)
    low = np.clip(np.floor(values), format_.low, format_.high)
    high = np.clip(np.ceil(values), format_.low, format_.high)
    chosen = np.clip(np.rint(values), format_.low, format_.high)
    error = chosen - values
    for _ in range(SWEEPS):
        changed = False
        for tap in range(values.shape[1]):
            others = error @ h[:, tap] - error[:, tap] * h[tap, tap]
            # Cost of an error d at this tap: h d^2 + 2 d others.
            down, up = low[:, tap] - values[:, tap], high[:, tap] - values[:, tap]
            cost_down = down * (h[tap, tap] * down + 2 * others)
            cost_up = up * (h[tap, tap] * up + 2 * others)
            present = error[:, tap]
            cost = present * (h[tap, tap] * present + 2 * others)
            best = np.where(cost_up < cost_down, high[:, tap], low[:, tap])
            # A gain beyond rounding noise, so that the sweeps end.
            better = np.minimum(cost_down, cost_up) < cost - 1e-9 * np.abs(cost)
            if better.any():
                changed = True
                chosen[:, tap] = np.where(better, best, chosen[:, tap])
                error[:, tap] = chosen[:, tap] - values[:, tap]
        if not changed:
            break
    return chosen.astype(np.int64)
