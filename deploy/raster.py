"""Spike rasters through spiking layers: all layers in every step, firing while they integrate.

In each step, from the first layer to the last,

    v <- v + (W << exponent) x          x: the spikes of this step, 0 or 1
    s = 1 if v >= theta else 0          at most one spike a step
    v <- v - theta s                    soft reset

with v = bias before the first step. A layer sees the spikes that the layer before it emits in the same step. This is
what a rate-coded network of integrate-and-fire neurons computes, without images, latents or payloads.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, Layer
from spiking_pvae.deploy.kernels import bits as bit_kernels
from spiking_pvae.deploy.kernels import dense
from spiking_pvae.deploy.kernels import raster as kernels
from spiking_pvae.deploy.numerics import MEMBRANE, THRESHOLD_SHIFT
from spiking_pvae.deploy.projection import project
from spiking_pvae.errors import InputError, UnsupportedError

Int64 = NDArray[np.int64]
Raster = NDArray[np.uint8] | NDArray[np.bool_]

DENSE_FROM = 0.55
"""Share of inputs that spike in a step from which every weight is multiplied, where there is an instruction for it."""
BLOCK = 4
"""Samples whose sums lie in the cache together when every weight is multiplied."""
REMEDY = "Use smaller weights or fewer steps."


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


def check_layers(layers: Sequence[Layer]) -> None:
    """Refuse layers that rasters can't run through.

    Raises
    ------
    UnsupportedError
        A layer is not dense, or may fire more than once a step.
    """
    for layer in layers:
        if isinstance(layer.synapse, Conv2d):
            raise UnsupportedError(f"Layer '{layer.name}' of type '{type(layer.synapse).__name__}'", nearest="Dense")
        if not isinstance(layer.neuron, ConstantThreshold) or layer.neuron.n_max != 1:
            raise UnsupportedError(
                f"Layer '{layer.name}' of {type(layer.neuron).__name__} neurons",
                nearest="ConstantThreshold neurons with n_max = 1",
            )


def step_by_step(layers: Sequence[Layer], raster: Raster) -> list[tuple[NDArray[np.uint8], Int64]]:
    """Run rasters in numpy, one step after the other: the reference of `RasterNetwork`.

    Parameters
    ----------
    layers : sequence of Layer
    raster : ndarray of uint8 or bool, shape (samples, steps, inputs)

    Returns
    -------
    list of (ndarray of uint8, ndarray of int64)
        For each layer its spikes, shape (samples, steps, neurons), and its last membranes, shape (samples, neurons).
    """
    check_layers(layers)
    samples, steps = raster.shape[:2]
    start = [np.zeros(layer.neurons, np.int64) if layer.bias is None else layer.bias.value for layer in layers]
    membranes = [np.tile(value, (samples, 1)) for value in start]
    fired = [np.zeros((samples, steps, layer.neurons), np.uint8) for layer in layers]
    for step in range(steps):
        spikes = (raster[:, step] != 0).astype(np.int64)
        for layer, membrane, out in zip(layers, membranes, fired, strict=True):
            assert isinstance(layer.neuron, ConstantThreshold)
            value = membrane + project(layer.synapse, spikes)
            MEMBRANE.check(value, layer=layer.name, remedy=REMEDY)
            spikes = (value >= layer.neuron.theta).astype(np.int64)
            membrane[:] = value - spikes * layer.neuron.theta
            out[:, step] = spikes
    return list(zip(fired, membranes, strict=True))


class _Packed:
    """A layer laid out for the kernels."""

    def __init__(self, layer: Layer) -> None:
        assert isinstance(layer.neuron, ConstantThreshold)
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
        padded = np.zeros((2, len(self.rows) * kernels.TILE), np.int32)
        padded[0] = 2**31 - 1
        padded[:, : layer.neurons] = layer.neuron.theta >> self.unit, bias >> self.unit
        self.theta = padded[0].reshape(-1, kernels.TILE)
        self.start = np.zeros((len(self.rows), 2, kernels.TILE), np.int32)
        self.start[:, 0] = padded[1].reshape(-1, kernels.TILE)
        self.bias = int(np.abs(bias).max())
        self.charge = int(np.abs(layer.synapse.weight.astype(np.int64)).sum(1).max()) << self.exponent

    @property
    def safe_steps(self) -> int:
        """Steps that no membrane can need more than 32 bits in."""
        return (2**31 - 1 - self.bias) // max(1, self.charge)

    def run(self, bits: NDArray[np.uint64], spikes: int) -> _Result:
        """Run bits that hold this number of spikes through the layer."""
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
            total = kernels.run_events(
                self.rows, self.exponent, self.unit, self.theta, self.start, bits, out, counts, membrane, limits
            )
        low, high = limits.tolist()
        output = RasterOutput(bits=out, counts=counts, membrane=membrane)
        return _Result(output, total, low << self.unit, high << self.unit)

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
        kernels.run_sums(sums, self.exponent, self.unit, self.theta, self.start, sent, counts, membrane, limits)
        return bit_kernels.pack_bits(sent, out)


class _Result(NamedTuple):
    output: RasterOutput
    spikes: int
    low: int
    high: int


class RasterNetwork:
    """Dense integrate-and-fire layers, laid out once for the compiled kernels.

    Parameters
    ----------
    layers : sequence of Layer
        Dense synapses and constant thresholds that fire at most once a step.
    threads : int
        Threads over the samples; no influence on the result.

    Raises
    ------
    UnsupportedError
        A layer is of another kind.
    """

    def __init__(self, layers: Sequence[Layer], *, threads: int = 1) -> None:
        check_layers(layers)
        self.layers = tuple(layers)
        self._packed = [_Packed(layer) for layer in layers]
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._threads = threads

    def __call__(self, raster: Raster) -> list[RasterOutput]:
        """Run rasters of shape (samples, steps, inputs), any nonzero byte a spike.

        Raises
        ------
        InputError
            The shape is not the network's.
        LimitError
            A membrane leaves its 24 bits.
        """
        inputs = self._packed[0].inputs
        if raster.ndim != 3 or raster.shape[2] != inputs or raster.itemsize != 1 or raster.size == 0:
            raise InputError(
                "raster", given=f"{raster.dtype} of shape {raster.shape}", allowed=f"bytes (samples, steps, {inputs})"
            )
        for packed in self._packed:
            if raster.shape[1] > packed.safe_steps:
                MEMBRANE.check(packed.bias + raster.shape[1] * packed.charge, layer=packed.name, remedy=REMEDY)
        values = np.ascontiguousarray(raster).view(np.uint8)
        if self._pool is None or len(values) == 1:
            outputs = [result.output for result in self._checked(self._run(values))]
        else:
            parts = list(self._pool.map(self._run, np.array_split(values, min(self._threads, len(values)))))
            each = zip(*map(self._checked, parts), strict=True)
            outputs = [_join([result.output for result in results]) for results in each]
        return outputs

    def _checked(self, results: list[_Result]) -> list[_Result]:
        """Refuse membranes of more than 24 bits."""
        for packed, result in zip(self._packed, results, strict=True):
            if result.low < MEMBRANE.low or result.high > MEMBRANE.high:
                MEMBRANE.check(np.array([result.low, result.high]), layer=packed.name, remedy=REMEDY)
        return results

    def _run(self, raster: NDArray[np.uint8]) -> list[_Result]:
        bits = np.empty((*raster.shape[:2], -(-raster.shape[2] // kernels.TILE)), np.uint64)
        spikes = bit_kernels.pack_bits(raster, bits)
        results = [self._packed[0].run(bits, spikes)]
        for packed in self._packed[1:]:
            results.append(packed.run(results[-1].output.bits, results[-1].spikes))
        return results


def _join(outputs: list[RasterOutput]) -> RasterOutput:
    if len(outputs) == 1:
        return outputs[0]
    return RasterOutput(
        bits=np.concatenate([output.bits for output in outputs]),
        counts=np.concatenate([output.counts for output in outputs]),
        membrane=np.concatenate([output.membrane for output in outputs]),
    )
