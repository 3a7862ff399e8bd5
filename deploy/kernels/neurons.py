"""Deterministic neurons in one pass over their sums: charge, membrane limits, counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.compiling import compiled


@compiled
def _charges(sums: Any, exponent: int, bias: NDArray[np.int64], charge: NDArray[np.int32]) -> tuple[np.int64, np.int64]:
    """Write (sums << exponent) + bias; return the smallest and the largest before they are cut to 32 bits."""
    low, high = np.int64(2**62), np.int64(-(2**62))
    for n in range(charge.size):
        value = (np.int64(sums[n]) << exponent) + bias[n]
        low, high = min(low, value), max(high, value)
        charge[n] = value
    return low, high


@compiled
def readout(
    sums: Any, exponent: int, bias: NDArray[np.int64], charge: NDArray[np.int32], limits: NDArray[np.int64]
) -> None:
    """Accumulators alone; widens `limits` (smallest, largest) to what was seen."""
    for s in range(len(sums)):
        low, high = _charges(sums[s], exponent, bias, charge[s])
        limits[0], limits[1] = min(limits[0], low), max(limits[1], high)


@compiled
def constant(
    sums: Any,
    exponent: int,
    bias: NDArray[np.int64],
    theta: NDArray[np.float64],
    n_max: int,
    charge: NDArray[np.int32],
    counts: NDArray[np.int32],
    limits: NDArray[np.int64],
) -> None:
    """Emit clip(floor(a / theta), 0, n_max).

    Both numbers have at most 24 bits, so that the quotient in double precision never rounds up to an integer.
    """
    most = np.float64(n_max)
    for s in range(len(sums)):
        low, high = _charges(sums[s], exponent, bias, charge[s])
        limits[0], limits[1] = min(limits[0], low), max(limits[1], high)
        for n in range(charge.shape[1]):
            quotient = np.floor(np.float64(charge[s, n]) / theta[n])
            counts[s, n] = np.int32(min(max(quotient, 0.0), most))


@compiled
def stream_readout(
    sums: Any, exponent: int, bias: NDArray[np.int64], received: NDArray[np.int64], limits: NDArray[np.int64]
) -> None:
    """Add one step's sums and bias; widens `limits`."""
    low, high = np.int64(0), np.int64(0)
    for s in range(len(sums)):
        for n in range(received.shape[1]):
            value = received[s, n] + (np.int64(sums[s, n]) << exponent) + bias[n]
            received[s, n] = value
            low, high = min(low, value), max(high, value)
    limits[0], limits[1] = min(limits[0], low), max(limits[1], high)


@compiled
def stream_constant(
    sums: Any,
    exponent: int,
    bias: NDArray[np.int64],
    theta: NDArray[np.int64],
    most: int,
    lowest: int,
    received: NDArray[np.int64],
    membrane: NDArray[np.int64],
    counts: NDArray[np.int32],
    spikes: NDArray[np.int32],
    limits: NDArray[np.int64],
) -> None:
    """Run one step of the streaming schedule (`spiking_pvae.deploy.streaming`): at most one spike a neuron."""
    high = np.int64(0)
    for s in range(len(sums)):
        for n in range(received.shape[1]):
            arriving = (np.int64(sums[s, n]) << exponent) + bias[n]
            received[s, n] += arriving
            membrane[s, n] = max(membrane[s, n] + arriving, np.int64(lowest))
        for n in range(received.shape[1]):
            value = membrane[s, n]
            high = max(high, value)
            fires = (value >= theta[n]) & (counts[s, n] < most)
            membrane[s, n] = value - theta[n] * fires
            counts[s, n] += fires
            spikes[s, n] = fires
    limits[1] = max(limits[1], high)


@compiled
def spread(totals: Any, step: int, period: int, spikes: NDArray[np.int32]) -> None:
    """Write the signed spikes that each input sends in a step: `spiking_pvae.deploy.streaming.spread`."""
    for s in range(len(totals)):
        for n in range(totals.shape[1]):
            total = np.int64(totals[s, n])
            size = np.float64(abs(total))
            sent = np.floor(size * step / period) - np.floor(size * (step - 1) / period)
            spikes[s, n] = sent if total > 0 else -sent
