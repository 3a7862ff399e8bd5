"""Room for weights, laid out so that a vector never lies across two cache lines: loads from two cost twice as much."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

LINE = 64
"""Bytes of a cache line, and of the widest vector."""


def aligned_bytes(*shape: int) -> NDArray[np.uint8]:
    """Return zero bytes of a shape that begin at a cache line."""
    size = math.prod(shape)
    room = np.zeros(size + LINE, np.uint8)
    return room[-room.ctypes.data % LINE :][:size].reshape(shape)
