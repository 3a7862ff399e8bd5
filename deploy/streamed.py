"""The streaming schedule on compiled kernels: the formulas of `spiking_pvae.deploy.streaming`, integer for integer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold, Layer, Network, Readout
from spiking_pvae.deploy.kernels import neurons, poisson
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.reference import LayerOutput
from spiking_pvae.deploy.spikes import Bits, pack
from spiking_pvae.deploy.streaming import REMEDY, period, spread
from spiking_pvae.deploy.sums import Integers, Sums

Int64 = NDArray[np.int64]
Int32 = NDArray[np.int32]


class Clock(NamedTuple):
    """Where a block of samples is: the step 1 .. steps, and what keys its draws."""

    step: int
    steps: int
    key: tuple[int, int]
    first_sample: int


@dataclass(slots=True, eq=False)
class _State:
    """State of one layer, as in `spiking_pvae.deploy.streaming`; arrays of shape (samples, neurons)."""

    received: Int64
    membrane: Int64
    integrated: Int64
    theta: Int64
    counts: Int32
    spikes: Int32
    active: Int64
    limits: Int64

    @classmethod
    def of(cls, layer: Layer, samples: int) -> _State:
        """Return the state before the first step."""
        shape = samples, layer.neurons
        poisson_shape = shape if isinstance(layer.neuron, ExponentialThreshold) else (0, 0)
        received, membrane = np.zeros((2, *shape), np.int64)
        integrated, theta = np.zeros((2, *poisson_shape), np.int64)
        counts, spikes = np.zeros((2, *shape), np.int32)
        return cls(
            received, membrane, integrated, theta, counts, spikes, np.zeros(samples, np.int64), np.zeros(2, np.int64)
        )


Advance = Callable[[Integers, Int64, _State, Clock], None]
"""Takes one step's sums and bias, moves the state, and writes the spikes."""


def _advance(layer: Layer, inside: int, *, encodes: bool) -> Advance:
    """Return the function that runs one step of a layer; `inside` is the period of counts that are rates."""
    node, exponent = layer.neuron, layer.synapse.exponent
    match node:
        case Readout():

            def advance(sums: Integers, bias: Int64, state: _State, clock: Clock) -> None:
                neurons.stream_readout(sums, exponent, bias, state.received, state.limits)

        case ConstantThreshold(n_max=n_max):
            theta = node.theta

            def advance(sums: Integers, bias: Int64, state: _State, clock: Clock) -> None:
                most = n_max * clock.step // inside if encodes else n_max
                arrays = state.received, state.membrane, state.counts, state.spikes, state.limits
                neurons.stream_constant(sums, exponent, bias, theta, most, MEMBRANE.low, *arrays)

        case ExponentialThreshold(n_max=n_max, fraction=fraction):
            constants = np.stack([node.gain, node.gain_shift, node.rate, node.rate_shift])
            rate = constants, node.table, node.table_low, fraction

            def advance(sums: Integers, bias: Int64, state: _State, clock: Clock) -> None:
                if clock.step == 1:
                    poisson.first_thresholds(fraction, *clock.key, clock.first_sample, state.theta)
                poisson.stream(
                    sums,
                    exponent,
                    bias,
                    *rate,
                    n_max,
                    *clock.key,
                    clock.first_sample,
                    (clock.step, clock.steps, inside),
                    (MEMBRANE.low, MEMBRANE.high),
                    state.received,
                    state.integrated,
                    state.membrane,
                    state.theta,
                    state.counts,
                    state.spikes,
                    state.limits,
                )

        case _:
            assert_never(node)
    return advance


class CompiledStream:
    """A network laid out for the streaming schedule.

    Parameters
    ----------
    network : Network
    sums : sequence of Sums
        The weighted sums of each layer (`spiking_pvae.deploy.sums.compile_sums`).
    """

    def __init__(self, network: Network, sums: Sequence[Sums]) -> None:
        self._layers, self._sums, self._period = network.layers, sums, period(network)
        self._latent = network.layers.index(network.latent)
        self._advance = [
            _advance(layer, self._period, encodes=place < self._latent) for place, layer in enumerate(network.layers)
        ]

    def biases(self, steps: int) -> list[Int64]:
        """Return what each layer's bias delivers in each step: (steps, neurons) a layer."""
        times = [self._period if place <= self._latent else steps for place in range(len(self._layers))]
        return [
            np.zeros((steps, layer.neurons), np.int64)
            if layer.bias is None
            else np.stack([spread(layer.bias.value, step, length) for step in range(1, steps + 1)])
            for layer, length in zip(self._layers, times, strict=True)
        ]

    def run(
        self,
        messages: Integers,
        biases: Sequence[Int64],
        *,
        steps: int,
        key: tuple[int, int],
        first_sample: int,
        rasters: Sequence[Bits | None],
    ) -> tuple[LayerOutput, ...]:
        """Run a block of samples for `steps` steps; raises as `spiking_pvae.deploy.streaming.run_streaming`.

        The spikes of each layer that has a raster are written to it.
        """
        samples = len(messages)
        states = [_State.of(layer, samples) for layer in self._layers]
        incoming = np.empty(messages.shape, np.int32)
        for step in range(1, steps + 1):
            clock = Clock(step, steps, key, first_sample)
            neurons.spread(messages, step, self._period, incoming)
            flow, arrives = incoming, incoming.any(1)
            for layer, sums, advance, bias, state, raster in zip(
                self._layers, self._sums, self._advance, biases, states, rasters, strict=True
            ):
                advance(sums(flow), bias[step - 1], state, clock)
                MEMBRANE.check(state.limits, layer=layer.name, remedy=REMEDY)
                if raster is not None:
                    raster[:, step - 1] = pack(state.spikes)
                fired = np.count_nonzero(state.spikes, axis=1)
                state.active += np.where(arrives, layer.neurons, fired)
                flow, arrives = state.spikes, fired > 0
        return tuple(
            LayerOutput(
                state.counts,
                state.integrated // steps if isinstance(layer.neuron, ExponentialThreshold) else state.received,
                state.active,
            )
            for layer, state in zip(self._layers, states, strict=True)
        )
