"""Spike rasters through spiking layers: all layers in every step, firing while they integrate.

In each step, from the first layer to the last,

    v <- v + (W << exponent) x          x: the spikes of this step, 0 or 1
    s = 1 if v >= theta else 0          at most one spike a step
    v <- v - theta s                    soft reset

with v = bias before the first step, or v = 0 and the bias added in every step, where it is a current (`bias_mant` of
Lava's neurons, the bias of a torch `Linear` in front of snnTorch's). The first layer may receive messages that are the
same in every step instead of spikes: a constant input, also called direct coding. A layer sees the spikes that the
layer before it emits in the same step. This is what a rate-coded network of integrate-and-fire neurons computes,
without images, latents or payloads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, Layer
from spiking_pvae.deploy.kernels import bits as bit_kernels
from spiking_pvae.deploy.kernels import raster as kernels
from spiking_pvae.deploy.numerics import MEMBRANE, PAYLOAD
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.raster_layer import REMEDY, LayerResult, PackedLayer, RasterOutput
from spiking_pvae.deploy.sums import Integers
from spiking_pvae.errors import InputError, UnsupportedError

Int64 = NDArray[np.int64]
__all__ = ["RasterNetwork", "RasterOutput", "constant_step_by_step", "step_by_step"]

Raster = NDArray[np.uint8] | NDArray[np.bool_]


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


def step_by_step(
    layers: Sequence[Layer], raster: Raster, *, bias_every_step: bool = False
) -> list[tuple[NDArray[np.uint8], Int64]]:
    """Run rasters in numpy, one step after the other: the reference of `RasterNetwork`.

    Parameters
    ----------
    layers : sequence of Layer
    raster : ndarray of uint8 or bool, shape (samples, steps, inputs)
    bias_every_step : bool

    Returns
    -------
    list of (ndarray of uint8, ndarray of int64)
        For each layer its spikes, shape (samples, steps, neurons), and its last membranes, shape (samples, neurons).
    """
    return _step(layers, [(spikes != 0).astype(np.int64) for spikes in raster.swapaxes(0, 1)], bias_every_step)


def constant_step_by_step(
    layers: Sequence[Layer], messages: Integers, steps: int, *, bias_every_step: bool = False
) -> list[tuple[NDArray[np.uint8], Int64]]:
    """Run messages (samples, inputs) that arrive in every step; see `step_by_step`."""
    first, values = layers[0], messages.astype(np.int64)
    current = first.bias.value if bias_every_step and first.bias is not None else 0
    MEMBRANE.check(project(first.synapse, values) + current, layer=first.name, remedy=REMEDY)
    return _step(layers, [values] * steps, bias_every_step)


def _step(
    layers: Sequence[Layer], flow: Sequence[Int64], bias_every_step: bool
) -> list[tuple[NDArray[np.uint8], Int64]]:
    check_layers(layers)
    samples, steps = len(flow[0]), len(flow)
    bias = [np.zeros(layer.neurons, np.int64) if layer.bias is None else layer.bias.value for layer in layers]
    membranes = [np.tile(value * (not bias_every_step), (samples, 1)) for value in bias]
    fired = [np.zeros((samples, steps, layer.neurons), np.uint8) for layer in layers]
    for step, arriving in enumerate(flow):
        spikes = arriving
        for layer, current, membrane, out in zip(layers, bias, membranes, fired, strict=True):
            assert isinstance(layer.neuron, ConstantThreshold)
            value = membrane + project(layer.synapse, spikes) + current * bias_every_step
            MEMBRANE.check(value, layer=layer.name, remedy=REMEDY)
            spikes = (value >= layer.neuron.theta).astype(np.int64)
            membrane[:] = value - spikes * layer.neuron.theta
            out[:, step] = spikes
    return list(zip(fired, membranes, strict=True))


class RasterNetwork:
    """Dense integrate-and-fire layers, laid out once for the compiled kernels.

    Parameters
    ----------
    layers : sequence of Layer
        Dense synapses and constant thresholds that fire at most once a step.
    bias_every_step : bool
        Whether biases arrive in every step, or are the first membranes.
    threads : int
        Threads over the samples; no influence on the result.

    Raises
    ------
    UnsupportedError
        A layer is of another kind.
    """

    def __init__(self, layers: Sequence[Layer], *, bias_every_step: bool = False, threads: int = 1) -> None:
        check_layers(layers)
        self.layers = tuple(layers)
        self._packed = [PackedLayer(layer, bias_every_step=bias_every_step) for layer in layers]
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
        self._check_steps(self._packed, raster.shape[1])

        def first(values: NDArray[np.uint8]) -> LayerResult:
            bits = np.empty((*values.shape[:2], -(-inputs // kernels.TILE)), np.uint64)
            return self._packed[0].run(bits, bit_kernels.pack_bits(values, bits))

        return self._run(first, np.ascontiguousarray(raster).view(np.uint8))

    def constant(self, messages: Integers, steps: int) -> list[RasterOutput]:
        """Run messages of shape (samples, inputs) that the first layer receives anew in every step.

        Their weighted sums are added up once: the first layer then costs little more than its neurons.

        Raises
        ------
        InputError
            The shape is not the network's, the messages are no integers, or there is no step.
        LimitError
            A message, the charge of a step or a membrane leaves its 24 bits.
        """
        inputs = self._packed[0].inputs
        if messages.ndim != 2 or messages.shape[1] != inputs or messages.dtype.kind not in "iu" or messages.size == 0:
            raise InputError(
                "messages",
                given=f"{messages.dtype} of shape {messages.shape}",
                allowed=f"integers (samples, {inputs})",
            )
        if steps < 1:
            raise InputError("steps", given=steps, allowed="at least 1")
        PAYLOAD.check(messages, layer="input", remedy="Scale the input down.")
        self._check_steps(self._packed[1:], steps)
        return self._run(lambda part: self._packed[0].run_constant(part, steps), messages.astype(np.int32))

    def _check_steps(self, layers: Sequence[PackedLayer], steps: int) -> None:
        """Refuse more steps than 32 bits might hold the membranes of."""
        for packed in layers:
            if steps > packed.safe_steps:
                bound = packed.largest_first + steps * packed.largest_charge
                MEMBRANE.check(bound, layer=packed.name, remedy=REMEDY)

    def _run(self, first: Callable[[NDArray[Any]], LayerResult], values: NDArray[Any]) -> list[RasterOutput]:
        """Run samples through all layers, of which only the first one takes something else than bits."""

        def chain(part: NDArray[Any]) -> list[LayerResult]:
            results = [first(part)]
            for packed in self._packed[1:]:
                results.append(packed.run(results[-1].output.bits, results[-1].spikes))
            return results

        if self._pool is None or len(values) == 1:
            return [result.output for result in self._checked(chain(values))]
        parts = list(self._pool.map(chain, np.array_split(values, min(self._threads, len(values)))))
        each = zip(*map(self._checked, parts), strict=True)
        return [_join([result.output for result in results]) for results in each]

    def _checked(self, results: list[LayerResult]) -> list[LayerResult]:
        """Refuse membranes of more than 24 bits."""
        for packed, result in zip(self._packed, results, strict=True):
            if result.low < MEMBRANE.low or result.high > MEMBRANE.high:
                MEMBRANE.check(np.array([result.low, result.high]), layer=packed.name, remedy=REMEDY)
        return results


def _join(outputs: list[RasterOutput]) -> RasterOutput:
    if len(outputs) == 1:
        return outputs[0]
    return RasterOutput(
        bits=np.concatenate([output.bits for output in outputs]),
        counts=np.concatenate([output.counts for output in outputs]),
        membrane=np.concatenate([output.membrane for output in outputs]),
    )
