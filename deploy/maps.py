"""Linear maps in floating point: what a layer does to the population before it, and how two maps become one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.connections import convolved_shape
from spiking_pvae.deploy.projection import correlate
from spiking_pvae.errors import UnsupportedError
from spiking_pvae.types import ImageShape

Float64 = NDArray[np.float64]

MOST_WEIGHTS = 2**25
"""A map is written out as a matrix only up to this size."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DenseMap:
    """y = W x, with `weight` of shape (outputs, inputs)."""

    weight: Float64

    @property
    def inputs(self) -> int:
        """Neurons of the population before."""
        return int(self.weight.shape[1])

    @property
    def outputs(self) -> int:
        """Neurons of the population it leads to."""
        return int(self.weight.shape[0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConvMap:
    """Cross-correlation of zero-padded maps; members as in `spiking_pvae.deploy.ir.Conv2d`."""

    weight: Float64
    input_shape: ImageShape
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def inputs(self) -> int:
        """Neurons of the population before."""
        return math.prod(self.input_shape)

    @property
    def output_shape(self) -> ImageShape:
        """Channels, height and width of the population it leads to."""
        return convolved_shape(
            self.input_shape, self.weight.shape, stride=self.stride, padding=self.padding, dilation=self.dilation
        )

    @property
    def outputs(self) -> int:
        """Neurons of the population it leads to."""
        return math.prod(self.output_shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScaleMap:
    """y_i = gain_i x_i, with `gain` of shape (neurons,)."""

    gain: Float64

    @property
    def inputs(self) -> int:
        """Neurons of the population before."""
        return len(self.gain)

    @property
    def outputs(self) -> int:
        """Neurons of the population it leads to."""
        return len(self.gain)


LinearMap = DenseMap | ConvMap | ScaleMap


def apply(linear: LinearMap, x: Float64) -> Float64:
    """Apply a map to a batch; (samples, inputs) to (samples, outputs)."""
    match linear:
        case DenseMap():
            return x @ linear.weight.T
        case ConvMap():
            return correlate(linear, x)
        case ScaleMap():
            return x * linear.gain
        case _:
            assert_never(linear)


def unrolled(linear: LinearMap) -> DenseMap:
    """Write a map out as a matrix.

    Raises
    ------
    UnsupportedError
        The matrix would hold more than `MOST_WEIGHTS` weights.
    """
    if isinstance(linear, DenseMap):
        return linear
    if linear.inputs * linear.outputs > MOST_WEIGHTS:
        raise UnsupportedError(
            f"A linear map of {linear.inputs} to {linear.outputs} neurons without a nonlinearity after it",
            nearest="an nn.ReLU after every convolution or average pooling",
        )
    return DenseMap(weight=np.ascontiguousarray(apply(linear, np.eye(linear.inputs)).T))


def scale_outputs(linear: DenseMap | ConvMap, gain: Float64) -> DenseMap | ConvMap:
    """Multiply each output neuron by its gain; `gain` of shape (outputs,)."""
    if isinstance(linear, ConvMap):
        by_channel = _by_channel(gain, linear.output_shape)
        if by_channel is not None:
            return replace(linear, weight=linear.weight * by_channel[:, None, None, None])
    return DenseMap(weight=unrolled(linear).weight * gain[:, None])


def scale_inputs(linear: DenseMap | ConvMap, gain: Float64) -> DenseMap | ConvMap:
    """Multiply each input neuron by its gain before the map; `gain` of shape (inputs,)."""
    if isinstance(linear, ConvMap):
        by_channel = _by_channel(gain, linear.input_shape)
        if by_channel is not None:
            outputs, inputs = linear.weight.shape[:2]
            of_group = by_channel.reshape(linear.groups, inputs).repeat(outputs // linear.groups, 0)
            return replace(linear, weight=linear.weight * of_group[:, :, None, None])
    return DenseMap(weight=unrolled(linear).weight * gain)


def _by_channel(values: Float64, shape: ImageShape) -> Float64 | None:
    """Return one value a channel where all places of a channel agree, else None."""
    rows = values.reshape(shape[0], -1)
    return rows[:, 0] if (rows == rows[:, :1]).all() else None


def compose(second: LinearMap, first: LinearMap) -> DenseMap | ConvMap | ScaleMap:
    """Return the one map that does what `first` and then `second` do.

    A scaling keeps the form of its neighbour; a depthwise convolution (average pooling) followed by a convolution is
    again a convolution where padding allows; everything else becomes a matrix.
    """
    if isinstance(first, ScaleMap) and isinstance(second, ScaleMap):
        return ScaleMap(gain=first.gain * second.gain)
    if isinstance(second, ScaleMap):
        assert not isinstance(first, ScaleMap)
        return scale_outputs(first, second.gain)
    if isinstance(first, ScaleMap):
        return scale_inputs(second, first.gain)
    if isinstance(first, ConvMap) and isinstance(second, ConvMap) and _joins(first, second):
        return _joined(first, second)
    if isinstance(second, ConvMap):
        # Row by row, so that the convolution is never written out.
        rows = apply(second, np.ascontiguousarray(unrolled(first).weight.T))
        return DenseMap(weight=np.ascontiguousarray(rows.T))
    return DenseMap(weight=second.weight @ unrolled(first).weight)


def _joins(first: ConvMap, second: ConvMap) -> bool:
    """Tell whether a depthwise convolution and the next one are exactly one convolution.

    Where the second one pads, the places beyond the first one's output must be zero as well, as they are for pooling
    whose windows tile its input.
    """
    channels, *sides = first.input_shape
    depthwise = first.groups == channels == first.weight.shape[0]
    tiles = (
        first.padding == (0, 0)
        and first.dilation == (1, 1)
        and first.stride == first.weight.shape[2:]
        and all(side % step == 0 for side, step in zip(sides, first.stride, strict=True))
    )
    return depthwise and (second.padding == (0, 0) or tiles)


def _joined(first: ConvMap, second: ConvMap) -> ConvMap:
    """Combine kernels: a tap at i of the second and at j of the first lies at i d2 s1 + j d1."""
    outputs, inputs, rows, columns = second.weight.shape
    steps = [d * s for d, s in zip(second.dilation, first.stride, strict=True)]
    sizes = [
        (taps - 1) * step + (own - 1) * gap + 1
        for taps, step, own, gap in zip((rows, columns), steps, first.weight.shape[2:], first.dilation, strict=True)
    ]
    # Kernel of the input channel that each output's tap reads: (outputs, inputs, height, width).
    pooled = first.weight[:, 0].reshape(second.groups, inputs, *first.weight.shape[2:])
    pooled = pooled.repeat(outputs // second.groups, 0)
    weight = np.zeros((outputs, inputs, *sizes))
    dy, dx = first.dilation
    height, width = ((own - 1) * gap + 1 for own, gap in zip(first.weight.shape[2:], first.dilation, strict=True))
    for i in range(rows):
        for j in range(columns):
            y, x = i * steps[0], j * steps[1]
            weight[:, :, y : y + height : dy, x : x + width : dx] += second.weight[:, :, i, j, None, None] * pooled
    return ConvMap(
        weight=weight,
        input_shape=first.input_shape,
        stride=(first.stride[0] * second.stride[0], first.stride[1] * second.stride[1]),
        padding=(
            first.padding[0] + second.padding[0] * first.stride[0],
            first.padding[1] + second.padding[1] * first.stride[1],
        ),
        groups=second.groups,
    )
