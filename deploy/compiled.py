"""The compiled backend: the reference's formulas as numba kernels, with threads over the samples.

The streaming schedule has no closed form and is left to the reference.

The unary schedule runs in closed form. A layer integrates all it receives before it fires, so that its charge is the
graded one, and T firing steps turn a charge into the graded count clipped at T (`spiking_pvae.deploy.reference` steps
through both and shows it).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import singledispatch
from itertools import pairwise
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy import reference
from spiking_pvae.deploy.ir import (
    ConstantThreshold,
    Conv2d,
    Dense,
    ExponentialThreshold,
    Layer,
    Network,
    Readout,
    Sparse,
)
from spiking_pvae.deploy.kernels import convolution, dense, neurons, sparse, tally
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.philox import split_seed
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.deploy.reference import LayerOutput
from spiking_pvae.deploy.sparsity import matrix
from spiking_pvae.errors import UnsupportedError

Integers = NDArray[np.signedinteger[Any]]
Sums = Callable[[Integers], Integers]
"""Messages (samples, inputs) to weighted sums (samples, outputs), before the exponent."""

LARGEST_WEIGHT = 127
INT32_SUM = 2**31 - 1
DENSE_FROM = {True: 0.04, False: 2.0}
"""Share of nonzero messages from which every weight is multiplied, with and without a dot-product instruction."""


GATHERED_FROM = 0.4
"""Synapses of nonzero messages from which every synapse is taken, for each step of its kernel."""
FOLLOWED_UP_TO = 0.04
"""Share of listed synapses up to which following lists is faster than adding rows of a matrix."""


def usable_threads() -> int:
    """Return the processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sum_type(messages: Integers) -> type[np.int32] | type[np.int64]:
    """Return the type that holds every sum: |a| <= 127 * sum |x|."""
    largest = int(tally.each_sample(messages)[2].max(initial=0))
    return np.int32 if largest * LARGEST_WEIGHT <= INT32_SUM else np.int64


@singledispatch
def compile_sums(synapse: object) -> Sums:
    """Return the function that adds up weighted messages.

    Raises
    ------
    UnsupportedError
        No kernel is known for this type of synapse.
    """
    raise UnsupportedError(
        f"The projection of synapses of type '{type(synapse).__name__}'", nearest="Dense, Sparse, Conv2d"
    )


@compile_sums.register
def _(synapse: Dense) -> Sums:
    rows = np.ascontiguousarray(synapse.weight.T)
    packed = dense.pack_groups(synapse.weight)
    weight_sum = synapse.weight.sum(1, dtype=np.int32)
    dense_from = DENSE_FROM[dense.has_dot_product()]

    def sums(messages: Integers) -> Integers:
        low, high = int(messages.min()), int(messages.max())
        offset = 0 if low >= 0 else 128
        result = np.empty((len(messages), synapse.outputs), sum_type(messages))
        fits = low >= -offset and high <= 255 - offset and result.dtype == np.int32
        if fits and np.count_nonzero(messages) > dense_from * messages.size:
            dense.dense_sums(packed, offset, offset * weight_sum, messages, result)
        else:
            dense.event_sums(rows, messages, result)
        return result

    return sums


@compile_sums.register
def _(synapse: Sparse) -> Sums:
    weight = synapse.weight
    if not sparse.has_gather() and len(synapse.values) > FOLLOWED_UP_TO * weight.size:
        return compile_sums(matrix(synapse))
    first, offsets, packed = sparse.pack_steps(weight)
    weight_sum = weight.sum(1, dtype=np.int32)
    a_message = max(1.0, len(synapse.values) / max(1, synapse.inputs))

    def sums(messages: Integers) -> Integers:
        low, high = int(messages.min()), int(messages.max())
        offset = 0 if low >= 0 else 128
        result = np.empty((len(messages), synapse.outputs), sum_type(messages))
        fits = sparse.has_gather() and low >= -offset and high <= 255 - offset and result.dtype == np.int32
        gathered = -(-len(messages) // sparse.ROWS) * sparse.ROWS * len(offsets)
        if fits and np.count_nonzero(messages) * a_message > GATHERED_FROM * gathered:
            sparse.gather_sums(first, offsets, packed, offset, offset * weight_sum, messages, result)
        else:
            sparse.event_sums(synapse.starts, synapse.targets, synapse.values, messages, result)
        return result

    return sums


@compile_sums.register
def _(synapse: Conv2d) -> Sums:
    taps = convolution.pack_taps(synapse.weight, synapse.groups)
    channels, height, width = synapse.output_shape
    geometry = (
        *synapse.input_shape[1:],
        *synapse.output_shape,
        *synapse.stride,
        *synapse.padding,
        *synapse.dilation,
        synapse.groups,
    )

    def sums(messages: Integers) -> Integers:
        result = np.empty((len(messages), synapse.outputs), sum_type(messages))
        convolution.event_sums(taps, geometry, messages, np.empty((height * width, channels), result.dtype), result)
        return result

    return sums


@dataclass(frozen=True, slots=True, eq=False)
class CompiledLayer:
    """A layer with its weights laid out for the kernels and its constants in the kernels' types."""

    layer: Layer
    sums: Sums
    bias: NDArray[np.int64]
    theta: NDArray[np.float64]

    @classmethod
    def of(cls, layer: Layer) -> CompiledLayer:
        """Prepare a layer."""
        bias = np.zeros(layer.neurons, np.int64) if layer.bias is None else layer.bias.value
        theta = layer.neuron.theta if isinstance(layer.neuron, ConstantThreshold) else np.ones(layer.neurons)
        return cls(layer, compile_sums(layer.synapse), bias, theta.astype(np.float64))

    def run(self, messages: Integers, *, seed: int, first_sample: int, most: int) -> tuple[LayerOutput, Integers]:
        """Run one batch; return the output and the smallest and largest accumulator."""
        sums = self.sums(messages)
        counts = np.zeros(sums.shape, np.int32)
        charge = np.empty(sums.shape, np.int32)
        limits = np.zeros(2, np.int64)
        low, high = split_seed(seed)
        key = np.uint64(low), np.uint64(high)
        exponent = self.layer.synapse.exponent
        match self.layer.neuron:
            case ConstantThreshold(n_max=n_max):
                neurons.constant(sums, exponent, self.bias, self.theta, min(n_max, most), charge, counts, limits)
            case ExponentialThreshold() as poisson:
                neurons.exponential(
                    sums,
                    exponent,
                    self.bias,
                    np.stack([poisson.gain, poisson.gain_shift, poisson.rate, poisson.rate_shift]),
                    poisson.table,
                    poisson.table_low,
                    poisson.fraction,
                    min(poisson.n_max, most),
                    key,
                    first_sample,
                    charge,
                    counts,
                    limits,
                )
            case Readout():
                neurons.readout(sums, exponent, self.bias, charge, limits)
            case _:
                assert_never(self.layer.neuron)
        return LayerOutput(counts, charge), limits


def compile_network(network: Network, threads: int | None = None) -> Callable[..., tuple[LayerOutput, ...]]:
    """Lay a network out for the kernels.

    Parameters
    ----------
    network : Network
    threads : int, optional
        Threads over the samples of a batch; the processors of this process if not given.

    Returns
    -------
    callable
        ``run(messages, seed=, first_sample=, schedule=, steps=)``, as `spiking_pvae.deploy.reference.run`.
    """
    layers = [CompiledLayer.of(layer) for layer in network.layers]
    workers = threads or usable_threads()
    pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def part(messages: Integers, seed: int, first_sample: int, most: int) -> list[tuple[LayerOutput, Integers]]:
        results = []
        for layer in layers:
            output, limits = layer.run(messages, seed=seed, first_sample=first_sample, most=most)
            results.append((output, limits))
            messages = output.counts
        return results

    def run(
        messages: Integers, *, seed: int, first_sample: int, schedule: Schedule, steps: int
    ) -> tuple[LayerOutput, ...]:
        if schedule == "streaming":
            return reference.run(
                network, messages, seed=seed, first_sample=first_sample, schedule=schedule, steps=steps
            )
        most = steps if schedule == "unary" else 2**31 - 1
        edges = np.linspace(0, len(messages), min(workers, len(messages)) + 1).astype(int)
        pieces = list(pairwise(edges))
        if pool is None or len(pieces) == 1:
            parts = [part(messages, seed, first_sample, most)]
        else:
            parts = list(pool.map(lambda p: part(messages[p[0] : p[1]], seed, first_sample + int(p[0]), most), pieces))
        outputs = []
        for index, layer in enumerate(network.layers):
            limits = np.stack([piece[index][1] for piece in parts])
            MEMBRANE.check(limits, layer=layer.name, remedy="Convert with fewer weight or input bits.")
            results = [piece[index][0] for piece in parts]
            outputs.append(
                results[0]
                if len(results) == 1
                else LayerOutput(
                    np.concatenate([output.counts for output in results]),
                    np.concatenate([output.charge for output in results]),
                )
            )
        return tuple(outputs)

    return run
