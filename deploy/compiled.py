"""The compiled backend: the reference's formulas as numba kernels, with threads over the samples.

The streaming schedule, which has no closed form, runs step by step (`spiking_pvae.deploy.streamed`).

The unary schedule runs in closed form. A layer integrates all it receives before it fires, so that its charge is the
graded one, and T firing steps turn a charge into the graded count clipped at T (`spiking_pvae.deploy.reference` steps
through both and shows it).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold, Layer, Network, Readout
from spiking_pvae.deploy.kernels import neurons, poisson
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.philox import split_seed
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.deploy.reference import LayerOutput
from spiking_pvae.deploy.spikes import Bits, silent_raster, unary_raster
from spiking_pvae.deploy.streamed import CompiledStream
from spiking_pvae.deploy.sums import Integers, Sums, compile_sums

Int32 = NDArray[np.int32]

MOST = 2**31 - 1
"""More than a count can be."""
BLOCK = 256
"""Samples that go through all layers before the next ones, so that what lies between two kernels stays in the cache."""
STREAMED = 64
"""Samples that stream together: their state takes five numbers a neuron."""
OUTPUT = ("counts", "charge", "active")
REMEDY = "Convert with fewer weight or input bits."


def usable_threads() -> int:
    """Return the processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Firing(NamedTuple):
    """Largest count, and what keys the draws of a block: the halves of the seed and the index of the first sample."""

    most: int
    key: tuple[int, int]
    first_sample: int


Fire = Callable[[Integers, Int32, Int32, NDArray[np.int64], Firing], None]
"""Turns sums into charges and counts, which it writes, and widens the limits of the accumulators."""


def compile_neuron(layer: Layer) -> Fire:
    """Return the function that turns a layer's sums into charges and counts."""
    exponent, node = layer.synapse.exponent, layer.neuron
    bias = np.zeros(layer.neurons, np.int64) if layer.bias is None else layer.bias.value

    match node:
        case ConstantThreshold(n_max=n_max):
            theta = node.theta.astype(np.float64)

            def fire(sums: Integers, charge: Int32, counts: Int32, limits: NDArray[np.int64], firing: Firing) -> None:
                neurons.constant(sums, exponent, bias, theta, min(n_max, firing.most), charge, counts, limits)

        case ExponentialThreshold(n_max=n_max):
            constants = np.stack([node.gain, node.gain_shift, node.rate, node.rate_shift])
            rate = constants, node.table, node.table_low, node.fraction

            def fire(sums: Integers, charge: Int32, counts: Int32, limits: NDArray[np.int64], firing: Firing) -> None:
                most = min(n_max, firing.most)
                first = firing.first_sample
                poisson.exponential(sums, exponent, bias, *rate, most, *firing.key, first, charge, counts, limits)

        case Readout():

            def fire(sums: Integers, charge: Int32, counts: Int32, limits: NDArray[np.int64], firing: Firing) -> None:
                neurons.readout(sums, exponent, bias, charge, limits)

        case _:
            assert_never(node)
    return fire


class CompiledLayer(NamedTuple):
    """A layer laid out for the kernels."""

    name: str
    neurons: int
    emits: bool
    sums: Sums
    fire: Fire

    def room(self, samples: int) -> LayerOutput:
        """Return arrays for what the layer does; counts of a readout are one 0 seen many times."""
        shape = samples, self.neurons
        counts = np.empty(shape, np.int32) if self.emits else np.ndarray(shape, np.int32, _ZERO, strides=(0, 0))
        return LayerOutput(counts, np.empty(shape, np.int32))


_ZERO = bytes(4)


class CompiledNetwork:
    """A network laid out for the kernels; callable as `spiking_pvae.deploy.reference.run` without its network.

    Parameters
    ----------
    network : Network
    threads : int, optional
        Threads over the samples of a batch; the processors of this process if not given.
    """

    def __init__(self, network: Network, threads: int | None = None) -> None:
        self.network = network
        self._layers = [
            CompiledLayer(
                layer.name,
                layer.neurons,
                not isinstance(layer.neuron, Readout),
                compile_sums(layer.synapse),
                compile_neuron(layer),
            )
            for layer in network.layers
        ]
        self._stream = CompiledStream(network, [layer.sums for layer in self._layers])
        self._threads = threads or usable_threads()
        self._pool = ThreadPoolExecutor(self._threads) if self._threads > 1 else None

    def __call__(
        self,
        messages: Integers,
        *,
        seed: int,
        first_sample: int,
        schedule: Schedule,
        steps: int,
        rasters: Container[str] = (),
    ) -> tuple[LayerOutput, ...]:
        """Run a batch."""
        if schedule == "streaming":
            return self._stream_all(messages, steps, split_seed(seed), first_sample, rasters)
        outputs = tuple([layer.room(len(messages)) for layer in self._layers])
        firing = Firing(steps if schedule == "unary" else MOST, split_seed(seed), first_sample)

        def part(piece: tuple[int, int]) -> list[list[int]]:
            return self._part(messages, outputs, piece, firing)

        if self._pool is None or len(messages) == 1:
            seen = [part((0, len(messages)))]
        else:
            seen = list(self._pool.map(part, _shares(len(messages), -(-len(messages) // self._threads))))
        for layer, limits in zip(self._layers, zip(*seen, strict=True), strict=True):
            low, high = min(limit[0] for limit in limits), max(limit[1] for limit in limits)
            if low < MEMBRANE.low or high > MEMBRANE.high:
                MEMBRANE.check(np.array([low, high]), layer=layer.name, remedy=REMEDY)
        if schedule == "graded":
            return outputs
        return tuple(
            replace(output, raster=unary_raster(output.counts, steps)) if layer.name in rasters else output
            for layer, output in zip(self._layers, outputs, strict=True)
        )

    def _part(
        self, messages: Integers, outputs: Sequence[LayerOutput], piece: tuple[int, int], firing: Firing
    ) -> list[list[int]]:
        """Run consecutive samples, block after block; return the smallest and largest accumulator of each layer."""
        start, stop = piece
        limits = np.zeros((len(outputs), 2), np.int64)
        rooms = [np.empty((min(BLOCK, stop - start), layer.neurons), np.int32) for layer in self._layers]
        for first in range(start, stop, BLOCK):
            block = slice(first, min(first + BLOCK, stop))
            of_block = firing._replace(first_sample=firing.first_sample + first)
            flow = messages[block]
            for layer, output, seen, room in zip(self._layers, outputs, limits, rooms, strict=True):
                counts = output.counts[block]
                layer.fire(layer.sums(flow, room[: len(flow)]), output.charge[block], counts, seen, of_block)
                flow = counts
        found: list[list[int]] = limits.tolist()
        return found

    def _stream_all(
        self, messages: Integers, steps: int, key: tuple[int, int], first_sample: int, rasters: Container[str]
    ) -> tuple[LayerOutput, ...]:
        """Run a batch in the streaming schedule."""
        biases = self._stream.biases(steps)
        spikes: list[Bits | None] = [
            silent_raster(len(messages), steps, layer.neurons) if layer.name in rasters else None
            for layer in self._layers
        ]

        def part(piece: tuple[int, int]) -> tuple[LayerOutput, ...]:
            start, stop = piece
            return self._stream.run(
                messages[start:stop],
                biases,
                steps=steps,
                key=key,
                first_sample=first_sample + start,
                rasters=[None if raster is None else raster[start:stop] for raster in spikes],
            )

        pieces = _shares(len(messages), min(STREAMED, -(-len(messages) // self._threads)))
        parts = list(map(part, pieces) if self._pool is None else self._pool.map(part, pieces))
        return tuple(
            replace(
                LayerOutput(*(np.concatenate([getattr(one, name) for one in of_layer]) for name in OUTPUT)),
                raster=raster,
            )
            for raster, of_layer in zip(spikes, zip(*parts, strict=True), strict=True)
        )


def _shares(samples: int, share: int) -> list[tuple[int, int]]:
    """Split samples into pieces of `share`, the last one perhaps smaller."""
    return [(start, min(start + share, samples)) for start in range(0, samples, share)]
