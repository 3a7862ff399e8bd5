"""The reference backend: numpy, step by step, written to be read."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exponential import arrivals, thresholds
from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold, Layer, Network, Readout
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.philox import uniform_words
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.deploy.spikes import Bits, pack
from spiking_pvae.deploy.streaming import Population, run_streaming

Int64 = NDArray[np.int64]
Integers = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class LayerOutput:
    """What a layer did with a batch.

    Parameters
    ----------
    counts : ndarray of int64 or int32, shape (samples, neurons)
        Emitted counts; zeros for a readout.
    charge : ndarray of int64 or int32, shape (samples, neurons)
        What the neuron integrated: the accumulator, or the rate of a Poisson neuron.
    active : ndarray of int64, shape (samples,), optional
        Neuron updates in which an event arrived or the neuron fired, where counts alone do not tell (streaming).
    raster : ndarray of uint8, shape (samples, steps, ceil(neurons / 8)), optional
        Spikes in every step (`spiking_pvae.deploy.spikes`), where they were asked for.
    """

    counts: Integers
    charge: Integers
    active: Int64 | None = None
    raster: Bits | None = None


def _charge(layer: Layer, accumulator: Int64) -> Int64:
    """Add the bias, check the membrane and turn accumulators into what the neuron integrates."""
    if layer.bias is not None:
        accumulator = accumulator + layer.bias.value
    MEMBRANE.check(accumulator, layer=layer.name, remedy="Convert with fewer weight or input bits.")
    return layer.neuron.charge(accumulator) if isinstance(layer.neuron, ExponentialThreshold) else accumulator


def graded_layer(layer: Layer, messages: Int64, *, seed: int, sample: Int64) -> LayerOutput:
    """One step: integrate graded messages, emit graded counts."""
    charge = _charge(layer, project(layer.synapse, messages))
    match layer.neuron:
        case ConstantThreshold(n_max=n_max):
            counts = np.clip(charge // layer.neuron.theta, 0, n_max)
        case ExponentialThreshold(fraction=fraction, n_max=n_max):
            counts = arrivals(charge, seed=seed, sample=sample, fraction=fraction, n_max=n_max)
        case Readout():
            counts = np.zeros_like(charge)
        case _:
            assert_never(layer.neuron)
    return LayerOutput(counts, charge)


def unary_train(counts: Int64, steps: int) -> Int64:
    """Spike trains of signed counts, one spike a step from the first step on: (steps, samples, neurons)."""
    step = np.arange(steps).reshape(-1, 1, 1)
    return np.sign(counts) * (step < np.abs(counts))


def unary_layer(layer: Layer, train: Int64, *, seed: int, sample: Int64, steps: int) -> tuple[LayerOutput, Int64]:
    """Two phases: integrate a spike train, then fire at most one spike a step for `steps` steps.

    Parameters
    ----------
    layer : Layer
    train : ndarray of int64, shape (incoming steps, samples, inputs)
        Spikes -1, 0 or 1.
    seed : int
        Seed of exponential thresholds.
    sample : ndarray of int64, shape (samples,)
    steps : int
        T.

    Returns
    -------
    output : LayerOutput
    train : ndarray of int64, shape (steps, samples, neurons)
        The layer's own spikes.
    """
    accumulator = np.zeros((train.shape[1], layer.neurons), np.int64)
    for spikes in train:
        accumulator += project(layer.synapse, spikes)
    charge = _charge(layer, accumulator)
    fired = np.zeros((steps, *charge.shape), np.int64)
    if isinstance(layer.neuron, Readout):
        return LayerOutput(fired.sum(0), charge), fired

    neurons = np.arange(layer.neurons)
    counts, membrane = np.zeros_like(charge), charge.copy()
    for step in range(steps):
        if isinstance(layer.neuron, ConstantThreshold):
            theta = layer.neuron.theta
        else:
            # A neuron that fired in every step so far needs the next draw; one that did not keeps failing the same one.
            theta = thresholds(uniform_words(seed, sample[:, None], neurons, step), layer.neuron.fraction)
            theta = np.where(counts == step, theta, np.iinfo(np.int64).max)
        fired[step] = (membrane >= theta) & (counts < layer.neuron.n_max)
        membrane -= np.where(fired[step] == 1, theta, 0)
        counts += fired[step]
    return LayerOutput(counts, charge), fired


class _Watched:
    """The spikes of layers, which are what every step adds to their counts."""

    def __init__(self, places: Sequence[int]) -> None:
        self._packed: dict[int, list[Bits]] = {place: [] for place in places}
        self._counts: dict[int, Int64] = {}

    def step(self, populations: Sequence[Population]) -> None:
        """Keep what one step added."""
        for place, packed in self._packed.items():
            counts = populations[place].counts
            packed.append(pack(counts - self._counts.get(place, np.zeros_like(counts))))
            self._counts[place] = counts.copy()

    def raster(self, place: int) -> Bits | None:
        """Return the raster of a layer, or None where it was not watched."""
        return np.stack(self._packed[place], axis=1) if place in self._packed else None


def run(
    network: Network,
    messages: Int64,
    *,
    seed: int,
    first_sample: int,
    schedule: Schedule,
    steps: int,
    rasters: Container[str] = (),
) -> tuple[LayerOutput, ...]:
    """Run a batch through the network.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
        Encoded images.
    seed : int
        Seed of the thresholds.
    first_sample : int
        Index of the first row, which keys its draws.
    schedule : {"graded", "unary", "streaming"}
    steps : int
        T of the unary and streaming schedules.
    rasters : container of str
        Layers whose spikes in every step are wanted; the graded schedule has none.

    Returns
    -------
    tuple of LayerOutput
        One for each layer.

    Raises
    ------
    LimitError
        A sum leaves the 24-bit membrane.
    """
    sample = first_sample + np.arange(len(messages), dtype=np.int64)
    outputs: list[LayerOutput] = []
    match schedule:
        case "graded":
            for layer in network.layers:
                output = graded_layer(layer, messages, seed=seed, sample=sample)
                outputs.append(output)
                messages = output.counts.astype(np.int64, copy=False)
        case "unary":
            # The input phase lasts until the largest message has been sent.
            train = unary_train(messages, network.input.format.high)
            for layer in network.layers:
                output, train = unary_layer(layer, train, seed=seed, sample=sample, steps=steps)
                wanted = layer.name in rasters
                outputs.append(replace(output, raster=pack(train.swapaxes(0, 1))) if wanted else output)
        case "streaming":
            watched = _Watched([place for place, layer in enumerate(network.layers) if layer.name in rasters])
            layers = run_streaming(network, messages, seed=seed, sample=sample, steps=steps, watch=watched.step)
            outputs = [
                LayerOutput(layer.counts, layer.charge, layer.active, watched.raster(place))
                for place, layer in enumerate(layers)
            ]
        case _:
            assert_never(schedule)
    return tuple(outputs)
