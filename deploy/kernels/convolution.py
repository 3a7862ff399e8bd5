"""Weighted sums of integer messages over convolutional synapses, without writing the unfolded input.

Sums are kept channel-last while they grow, so that the targets of one tap lie side by side.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.compiling import compiled


def pack_taps(weight: NDArray[np.int8], groups: int) -> NDArray[np.int8]:
    """Lay kernels (outputs, inputs / groups, rows, columns) out as (inputs, rows, columns, outputs / groups)."""
    outputs, inputs, rows, columns = weight.shape
    grouped = weight.reshape(groups, outputs // groups, inputs, rows, columns).transpose(0, 2, 3, 4, 1)
    return np.ascontiguousarray(grouped.reshape(groups * inputs, rows, columns, outputs // groups))


@compiled
def event_sums(
    taps: NDArray[np.int8],
    geometry: tuple[int, ...],
    messages: Any,
    grown: Any,
    sums: Any,
) -> None:
    """Add the kernels of nonzero messages; equals `spiking_pvae.deploy.projection.project` without its exponent.

    Parameters
    ----------
    taps : ndarray of int8, shape (input channels, rows, columns, output channels / groups)
        `pack_taps` of the kernels.
    geometry : tuple of 12 int
        Input height and width; output channels, height and width; stride, padding and dilation, vertical and
        horizontal; groups.
    messages : ndarray of int, shape (samples, inputs)
    grown : ndarray of int32 or int64, shape (output height * output width, output channels)
        Room for one sample's sums.
    sums : ndarray like `grown`, shape (samples, outputs)
        Written; exact while |sum| fits its type.
    """
    in_height, in_width, channels, height, width, down, right, top, left, dy, dx, groups = geometry
    input_channels, rows, columns, size = taps.shape
    for s in range(len(messages)):
        grown[:] = 0
        for c in range(input_channels):
            first = c // (input_channels // groups) * size
            for y in range(in_height):
                for x in range(in_width):
                    message = messages[s, (c * in_height + y) * in_width + x]
                    if message == 0:
                        continue
                    for i in range(rows):
                        below = y + top - i * dy
                        if below < 0 or below % down or below // down >= height:
                            continue
                        for j in range(columns):
                            beside = x + left - j * dx
                            if beside < 0 or beside % right or beside // right >= width:
                                continue
                            target = grown[below // down * width + beside // right, first : first + size]
                            tap = taps[c, i, j]
                            for o in range(size):
                                target[o] += tap[o] * message
        for o in range(channels):
            for place in range(height * width):
                sums[s, o * height * width + place] = grown[place, o]
