"""The hard-reset form of a network's deterministic half, and a model of exactly that form.

lava-dl's CUBA layers are pure integrators here (no decay) that spike at most once a step and then start again from 0:

    u <- 64 W s                                 s: spikes of the layer before, a step ago; |u| < 2^23, else it wraps
    v <- clip(v + u + 64 b, 1 - 2^23, 2^23 - 1)
    spike where v > 64 theta,  and there v <- 0

An image takes T steps: its messages and its biases are spread evenly over them, at the end of which a neuron with
charge a would have fired floor(a / theta) times if its resets were soft. A hard reset loses what was above the
threshold, there is no largest count but T, inhibition that comes late takes no spike back, biases of a step are
integers, and a layer has one threshold: where the network has one a neuron, weights are scaled and rounded again. So
the form is exact where no layer fires and an approximation otherwise, whose difference is measured. Membranes start
every image at 0 (`reset_interval` of lava-dl's network); the last layer only sums (a sigma neuron), and what it had
before an image is subtracted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exporters.lava_export import unrolled
from spiking_pvae.deploy.exporters.sdnn import delayed, require_weights
from spiking_pvae.deploy.exporters.segments import Segment
from spiking_pvae.deploy.ir import ConstantThreshold, Layer
from spiking_pvae.deploy.numerics import BIAS_MANTISSA, MEMBRANE, THRESHOLD_MANTISSA, THRESHOLD_SHIFT, weight_format
from spiking_pvae.deploy.streaming import spread

Int64 = NDArray[np.int64]
REMEDY = "Convert with fewer weight or input bits, or take more steps."
RESET_OFFSET = 1
"""lava-dl counts steps from 1 and layers one step apart; a source's first message arrives in step 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CubaLayer:
    """One layer that fires.

    Parameters
    ----------
    name : str
    weight : ndarray of int64, shape (outputs, inputs)
        Within -127 .. 127.
    bias : ndarray of int64, shape (outputs,)
        Of every step, in units of a weight.
    threshold : int
        The largest membrane, in units of a weight, that does not fire.
    """

    name: str
    weight: Int64
    bias: Int64
    threshold: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubaHalf:
    """A chain of layers that fire, and one that sums.

    Parameters
    ----------
    layers : tuple of CubaLayer
    name : str
        Of the layer that sums.
    weight : ndarray of int64, shape (outputs, inputs)
        Of the layer that sums.
    offset : ndarray of int64, shape (outputs,)
        Its bias, which the reader adds.
    scale : float
        Its units for one accumulator unit of the network.
    steps : int
        T.
    """

    layers: tuple[CubaLayer, ...]
    name: str
    weight: Int64
    offset: Int64
    scale: float
    steps: int


def _firing(layer: Layer, steps: int) -> CubaLayer:
    """Give a layer one threshold, the largest at which its scaled weights still have 8 bits."""
    assert isinstance(layer.neuron, ConstantThreshold)
    weight = layer.synapse.weight.astype(np.int64)
    theta = np.ldexp(layer.neuron.theta.astype(np.float64), -layer.synapse.exponent)
    shared = int(theta[0])
    if (theta != shared).any():
        largest = np.maximum(np.abs(weight).max(1), 1)
        shared = max(int((weight_format(8).high * theta / largest).min()), 1)
    scale = shared / theta
    bias = np.zeros(layer.neurons) if layer.bias is None else np.ldexp(layer.bias.value, -layer.synapse.exponent)
    made = CubaLayer(
        name=layer.name,
        weight=np.rint(weight * scale[:, None]).astype(np.int64),
        bias=np.rint(bias * scale / steps).astype(np.int64),
        threshold=shared - 1,
    )
    weight_format(8).check(made.weight, layer=layer.name, remedy="Convert with fewer weight bits.")
    BIAS_MANTISSA.check(made.bias, layer=layer.name, remedy="Take more steps.")
    THRESHOLD_MANTISSA.check(max(made.threshold, 1), layer=layer.name, remedy=REMEDY)
    require_weights(made.weight, layer.name)
    return made


def cuba(segment: Segment, steps: int) -> CubaHalf:
    """Turn one half of a network into its hard-reset form.

    Raises
    ------
    LimitError
        A bias or threshold exceeds its format, or a layer has no weight but zeros.
    """
    *firing, last = map(unrolled, segment.layers)
    weight, scale = last.synapse.weight.astype(np.int64), 2.0**-last.synapse.exponent
    require_weights(weight, last.name)
    offset = np.zeros(last.neurons) if last.bias is None else last.bias.value * scale
    return CubaHalf(
        layers=tuple(_firing(layer, steps) for layer in firing),
        name=last.name,
        weight=weight,
        offset=np.rint(offset).astype(np.int64),
        scale=scale,
        steps=steps,
    )


def frames(messages: Int64, steps: int) -> Int64:
    """Spread messages of shape (samples, inputs) evenly over T steps each: (samples T, inputs)."""
    spread_out = np.stack([spread(messages, step, steps) for step in range(1, steps + 1)], 1)
    return spread_out.reshape(-1, messages.shape[1])


def sums_of(rows: Int64, samples: int, layers: int, steps: int) -> Int64:
    """Read the sum of every image off the running sums of the last layer, one row a step."""
    ends = layers - 1 + steps * np.arange(samples + 1)
    return np.diff(rows[ends], axis=0)


def _fire(layer: CubaLayer, place: int, arriving: Int64, steps: int) -> Int64:
    """Return a layer's spikes; both of shape (steps, neurons)."""
    unit = 1 << THRESHOLD_SHIFT
    charge = unit * (arriving @ layer.weight.T)
    MEMBRANE.check(charge, layer=layer.name, remedy=REMEDY)
    spikes = np.zeros_like(charge)
    membrane = np.zeros(charge.shape[1], np.int64)
    for step, row in enumerate(charge, 1):
        if (step - RESET_OFFSET - 1 - place) % steps == 0:
            membrane[:] = 0
        membrane = np.clip(membrane + row + unit * layer.bias, -MEMBRANE.high, MEMBRANE.high)
        spikes[step - 1] = membrane > unit * layer.threshold
        membrane[spikes[step - 1] == 1] = 0
    return spikes


def run_cuba(half: CubaHalf, messages: Int64) -> Int64:
    """Run images one after the other.

    Parameters
    ----------
    half : CubaHalf
    messages : ndarray of int64, shape (samples, inputs)

    Returns
    -------
    ndarray of int64, shape (samples, outputs)
        What the last layer added up for each, with its bias.

    Raises
    ------
    LimitError
        A current or a sum leaves 24 bits.
    """
    layers = len(half.layers) + 1
    sent = frames(messages, half.steps)
    sent = np.concatenate([sent, np.zeros((layers, sent.shape[1]), np.int64)])
    for place, layer in enumerate(half.layers):
        sent = _fire(layer, place, delayed(sent)[:-1], half.steps)
    sums = np.cumsum(delayed(sent)[:-1] @ half.weight.T, 0)
    MEMBRANE.check(sums, layer=half.name, remedy="Present fewer images at once.")
    return sums_of(sums, len(messages), layers, half.steps) + half.offset
