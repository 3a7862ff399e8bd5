"""What the programs have in common: shared memory and small channels."""

from __future__ import annotations

import multiprocessing

import numpy as np

SMALL_CHANNELS = {"pypy_channel_size": 4}
"""Messages a channel holds: the default of 64 fills /dev/shm."""


def shared(shape: tuple[int, ...]) -> np.ndarray:
    """Return int64 zeros that forked processes write and this one reads."""
    buffer = multiprocessing.RawArray("q", int(np.prod(shape)))
    return np.frombuffer(buffer, np.int64).reshape(shape)
