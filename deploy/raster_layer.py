"""A layer of integrate-and-fire neurons, laid out for the raster kernels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ConstantThreshold, Layer
from spiking_pvae.deploy.kernels import bits as bit_kernels
from spiking_pvae.deploy.kernels import dense
from spiking_pvae.deploy.kernels import raster as kernels
from spiking_pvae.deploy.kernels.currents import constant_charges
from spiking_pvae.deploy.numerics import MEMBRANE, THRESHOLD_SHIFT
from spiking_pvae.deploy.sums import Integers, Sums, compile_sums

DENSE_FROM = 0.55
"""Share of inputs that spike in a step from which every weight is multiplied, where there is an instruction for it."""
BLOCK = 4
"""Samples whose sums lie in the cache together when every weight is multiplied."""
REMEDY = "Use smaller weights or fewer steps."
INT32 = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RasterOutput:
    """What one layer did with a batch of rasters.

    Parameters
    ----------
    bits : ndarray of uint64, shape (samples, steps, ceil(neurons / 64))
        Spikes; neuron n is bit n % 64 of word n // 64.
    counts : ndarray of int32, shape (samples, neurons)
        Spikes over all steps.
    membrane : ndarray of int32, shape (samples, neurons)
        Membranes after the last step.
    """

    bits: NDArray[np.uint64]
    counts: NDArray[np.int32]
    membrane: NDArray[np.int32]

    def spikes(self) -> NDArray[np.uint8]:
        """Return the raster, 0 or 1, shape (samples, steps, neurons)."""
        raster = np.empty((*self.bits.shape[:2], self.counts.shape[1]), np.uint8)
        bit_kernels.unpack_bits(self.bits, raster)
        return raster


class PackedLayer:
    """A layer laid out for the kernels.

    Parameters
    ----------
    layer : Layer
    bias_every_step : bool
        Whether the bias arrives in every step, or is the first membrane.
    """

    def __init__(self, layer: Layer, *, bias_every_step: bool) -> None:
        assert isinstance(layer.neuron, ConstantThreshold)
        self._layer = layer
        self.name, self.neurons, self.inputs = layer.name, layer.neurons, layer.synapse.inputs
        self.exponent = layer.synapse.exponent
        # Weights, thresholds and bias have factors of two in common.
        self.unit = min(self.exponent, THRESHOLD_SHIFT)
        self.rows = kernels.pack_rows(layer.synapse.weight)
        self.groups = dense.pack_groups(layer.synapse.weight)
        self.no_correction = np.zeros(layer.neurons, np.int32)
        self.dense_from = DENSE_FROM * self.inputs if dense.has_dot_product() else float("inf")
        bias = np.zeros(layer.neurons, np.int64)
        if layer.bias is not None:
            bias, self.unit = layer.bias.value, min(self.unit, layer.bias.exponent)
        nothing = np.zeros_like(bias)
        self.first, self.current = (nothing, bias) if bias_every_step else (bias, nothing)
        self.thresholds = layer.neuron.theta
        self.theta = self._tiles(self.thresholds, INT32)
        self.start = np.stack([self._tiles(self.first), self._tiles(nothing)], axis=1)
        self.no_charge = self._tiles(self.current)[None]
        self.largest_first = int(np.abs(self.first).max())
        charge = np.abs(layer.synapse.weight.astype(np.int64)).sum(1) << self.exponent
        self.largest_charge = int((charge + np.abs(self.current)).max())

    def _tiles(self, values: NDArray[np.int64], fill: int = 0) -> NDArray[np.int32]:
        """Lay values (..., neurons) out in units as (..., tiles, TILE)."""
        padded = np.full((*values.shape[:-1], len(self.rows) * kernels.TILE), fill, np.int32)
        padded[..., : self.neurons] = values >> self.unit
        return padded.reshape(*values.shape[:-1], -1, kernels.TILE)

    @cached_property
    def sums(self) -> Sums:
        """Weighted sums of graded messages."""
        return compile_sums(self._layer.synapse)

    @property
    def safe_steps(self) -> int:
        """Steps that no membrane can need more than 32 bits in."""
        return (INT32 - self.largest_first) // max(1, self.largest_charge)

    def run(self, bits: NDArray[np.uint64], spikes: int) -> LayerResult:
        """Run bits that hold this number of spikes through the layer."""
        return self._run(bits, spikes, self.no_charge)

    def run_constant(self, messages: Integers, steps: int) -> LayerResult:
        """Run messages that arrive in every step through the layer: their sums are the same in each.

        Raises
        ------
        LimitError
            The charge of a step leaves 24 bits, or 32 bits might not hold a membrane.
        """
        charges, limits = np.zeros((len(messages), self.theta.size), np.int32), np.zeros(4, np.int64)
        parameters = self.exponent, self.unit, self.current, self.thresholds, self.first, steps, -MEMBRANE.low
        constant_charges(self.sums(messages), *parameters, charges, limits)
        MEMBRANE.check(limits[:2], layer=self.name, remedy=REMEDY)
        if max(-limits[2], limits[3]) > INT32:
            MEMBRANE.check(limits[2:], layer=self.name, remedy=REMEDY)
        current = charges.reshape(-1, *self.theta.shape)
        return self._run(np.empty((len(messages), steps, 0), np.uint64), 0, current)

    def _run(self, bits: NDArray[np.uint64], spikes: int, current: NDArray[np.int32]) -> LayerResult:
        """Run bits through the layer, beside what arrives in every step: the same for all samples, or one row each."""
        samples, steps, _ = bits.shape
        out = np.empty((samples, steps, len(self.rows)), np.uint64)
        counts = np.empty((samples, self.neurons), np.int32)
        membrane = np.empty((samples, self.neurons), np.int32)
        limits = np.zeros(2, np.int64)
        if spikes > self.dense_from * samples * steps:
            total = sum(
                self._multiply(bits[part], out[part], counts[part], membrane[part], limits)
                for part in (slice(first, first + BLOCK) for first in range(0, samples, BLOCK))
            )
        else:
            parameters = self.rows, self.exponent, self.unit, self.theta, current, self.start
            total = kernels.run_events(*parameters, bits, out, counts, membrane, limits)
        low, high = limits.tolist()
        output = RasterOutput(bits=out, counts=counts, membrane=membrane)
        return LayerResult(output, total, low << self.unit, high << self.unit)

    def _multiply(
        self,
        bits: NDArray[np.uint64],
        out: NDArray[np.uint64],
        counts: NDArray[np.int32],
        membrane: NDArray[np.int32],
        limits: NDArray[np.int64],
    ) -> int:
        """Run a few samples by multiplying every weight; return the spikes."""
        samples, steps, _ = bits.shape
        received = np.empty((samples, steps, self.inputs), np.uint8)
        bit_kernels.unpack_bits(bits, received)
        sums = np.empty((samples, steps, self.neurons), np.int32)
        flat = received.reshape(-1, self.inputs), sums.reshape(-1, self.neurons)
        dense.dense_sums(self.groups, 0, self.no_correction, *flat)
        sent = np.empty(sums.shape, np.uint8)
        parameters = self.exponent, self.unit, self.theta, self.no_charge, self.start
        kernels.run_sums(sums, *parameters, sent, counts, membrane, limits)
        return bit_kernels.pack_bits(sent, out)


class LayerResult(NamedTuple):
    """What a layer did, its spikes in all, and its smallest and largest membrane."""

    output: RasterOutput
    spikes: int
    low: int
    high: int
