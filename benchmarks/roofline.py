"""What one core of this machine can do: bytes read from each level of memory, products of bytes and of floats."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from spiking_pvae.deploy.kernels import dense

SIZES = {"L1": 24 << 10, "L2": 512 << 10, "L3": 8 << 20, "DRAM": 256 << 20}
"""Bytes of a buffer that lies in each level on current server processors."""


def _total(values: NDArray[np.int64], rounds: int) -> int:
    total = 0
    for _ in range(rounds):
        part = 0
        for n in range(values.size):
            part ^= values[n]
        total += part
    return total


def seconds(run: Callable[[], Any], rounds: int = 7) -> float:
    """Return the least time of several rounds: a limit is what the machine can do undisturbed."""
    run()
    times = []
    for _ in range(rounds):
        started = time.process_time()
        run()
        times.append(time.process_time() - started)
    return min(times)


def roofline() -> dict[str, float]:
    """Measure the limits, in 10^9 a second."""
    total = njit(nogil=True)(_total)
    limits = {}
    for level, size in SIZES.items():
        values = np.ones(size // 8, np.int64)
        rounds = max(1, (64 << 20) // size)
        limits[f"bytes_read_{level}"] = size * rounds / seconds(lambda v=values, r=rounds: total(v, r)) / 1e9
    rng = np.random.default_rng(0)
    if dense.has_dot_product():
        packed = dense.pack_groups(rng.integers(-127, 128, (256, 64)).astype(np.int8))
        messages = rng.integers(0, 256, (512, 64)).astype(np.uint8)
        sums, nothing = np.empty((512, 256), np.int32), np.zeros(256, np.int32)
        run = lambda: dense.dense_sums(packed, 0, nothing, messages, sums)  # noqa: E731
        limits["byte_products"] = 512 * 64 * 256 / seconds(run) / 1e9
    left, right = torch.ones(768, 768), torch.ones(768, 768)
    limits["float_products"] = 768**3 / seconds(lambda: left @ right) / 1e9
    return limits
