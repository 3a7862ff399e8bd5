"""The streaming schedule: all layers at once, firing while they integrate, as a rate-coded chip does.

T steps present one image. Before the latents a count n is a rate: n spikes in a period of X steps, X the largest count
of the input and of the encoder's hidden layers (`period`). With x_j the graded message of input j, step t = 1 .. T
delivers

    d_j(t) = sgn(x_j) (floor(|x_j| t / X) - floor(|x_j| (t - 1) / X))      at most one spike; x_j in every period

and the encoder's biases are spread in the same way. Behind the latents, whose counts come once, biases are spread over
all T steps. Every layer works on what the one before sent in the same step (on a chip one step later: layer l runs l
steps behind, and an inference takes T + layers - 1 steps). With A(t) the sum of all that a neuron received by step t:

    hidden     v <- max(v + A(t) - A(t - 1), lowest membrane);  it fires at most once a step, if v >= theta and
               n < floor(n_max t / X) (encoder) or n < n_max (decoder):  v <- v - theta,  n <- n + 1
    latent     Ahat(t) = clip(floor(A(t) X / t))                its graded accumulator as estimated so far
               Q(t) = floor(sum_{s <= t} charge(Ahat(s)) / T)   rate integrated so far
               v <- v + (Q(t) - Q(t - 1));  it fires at most once a step, if v >= theta, which is then drawn anew
    readout    A(T)

Spikes can't be taken back when inhibition arrives later, early estimates are coarse, and no neuron fires more than once
a step: these are the transient errors against the graded counts (`spiking_pvae.deploy.transient`). They fall as T
grows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exponential import thresholds
from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold, Layer, Network, Readout
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.philox import uniform_words
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.ranges import ranges

Int64 = NDArray[np.int64]
REMEDY = "Use fewer steps, or convert with fewer weight or input bits."


@dataclass(slots=True, eq=False)
class Population:
    """State of one layer while it runs; arrays of shape (samples, neurons).

    Parameters
    ----------
    layer : Layer
    period : int
        Steps over which the bias is spread: X up to the latents, T behind them.
    encodes : bool
        Whether the latents lie ahead, so that counts are rates.
    received : ndarray of int64
        A(t).
    membrane : ndarray of int64
        v.
    counts : ndarray of int64
        Spikes so far.
    theta : ndarray of int64
        Present thresholds.
    integrated : ndarray of int64
        Sum of a latent's charges, T Q(t).
    active : ndarray of int64, shape (samples,)
        Neuron updates in which an event arrived or the neuron fired.
    """

    layer: Layer
    period: int
    encodes: bool
    received: Int64
    membrane: Int64
    counts: Int64
    theta: Int64
    integrated: Int64
    active: Int64


def spread(total: Int64, step: int, period: int) -> Int64:
    """Return the part of an amount a period that step 1, 2, ... delivers.

    sgn(x) (floor(|x| t / X) - floor(|x| (t - 1) / X)): the magnitude is spread, so that inhibition is as late as
    excitation.
    """
    sign: Int64 = np.sign(total)
    size: Int64 = np.abs(total)
    return sign * (size * step // period - size * (step - 1) // period)


def period(network: Network) -> int:
    """Return X, the largest count that the input or a hidden layer of the encoder can send."""
    encoder = network.layers[: network.layers.index(network.latent)]
    hidden = [int(bound.counts.high.max()) for bound in ranges(network)[: len(encoder)]]
    return max(1, network.input.format.high, *hidden)


def delivered(network: Network, messages: Int64, steps: int) -> Int64:
    """Return the signed spikes that each input line sends in T steps, sgn(x) floor(|x| T / X)."""
    sign: Int64 = np.sign(messages)
    size: Int64 = np.abs(messages)
    return sign * (size * steps // period(network))


def _draw(population: Population, which: NDArray[np.bool_], *, seed: int, sample: Int64) -> None:
    """Give the neurons that fired their next exponential threshold."""
    neuron = population.layer.neuron
    assert isinstance(neuron, ExponentialThreshold)
    row, column = np.nonzero(which)
    index = population.counts[row, column]
    for draw in np.unique(index):
        here = index == draw
        words = uniform_words(seed, sample[row[here]], column[here], int(draw))
        population.theta[row[here], column[here]] = thresholds(words, neuron.fraction)


def _start(layer: Layer, period_: int, *, encodes: bool, seed: int, sample: Int64) -> Population:
    shape = (len(sample), layer.neurons)
    received, membrane, counts, theta, integrated = np.zeros((5, *shape), np.int64)
    active = np.zeros(len(sample), np.int64)
    population = Population(layer, period_, encodes, received, membrane, counts, theta, integrated, active)
    if isinstance(layer.neuron, ConstantThreshold):
        population.theta += layer.neuron.theta
    elif isinstance(layer.neuron, ExponentialThreshold):
        _draw(population, np.ones(shape, bool), seed=seed, sample=sample)
    return population


def _advance(population: Population, messages: Int64, step: int, steps: int, *, seed: int, sample: Int64) -> Int64:
    """Run one step of one layer; returns its spikes, 0 or 1."""
    layer = population.layer
    arriving = project(layer.synapse, messages)
    if layer.bias is not None:
        arriving = arriving + spread(layer.bias.value, step, population.period)
    population.received += arriving
    neuron = layer.neuron
    most = neuron.n_max if not isinstance(neuron, Readout) else 0
    match neuron:
        case Readout():
            MEMBRANE.check(population.received, layer=layer.name, remedy=REMEDY)
            population.active += layer.neurons * messages.any(1)
            return np.zeros_like(population.counts)
        case ConstantThreshold():
            # Lasting inhibition ends at the lowest membrane.
            population.membrane = np.maximum(population.membrane + arriving, MEMBRANE.low)
            if population.encodes:
                most = most * step // population.period
        case ExponentialThreshold():
            MEMBRANE.check(population.received, layer=layer.name, remedy=REMEDY)
            estimate = np.clip(population.received * population.period // step, MEMBRANE.low, MEMBRANE.high)
            before = population.integrated // steps
            population.integrated += neuron.charge(estimate)
            population.membrane += population.integrated // steps - before
        case _:
            assert_never(neuron)
    MEMBRANE.check(population.membrane, layer=layer.name, remedy=REMEDY)
    fires = (population.membrane >= population.theta) & (population.counts < most)
    population.membrane -= np.where(fires, population.theta, 0)
    population.counts += fires
    if isinstance(neuron, ExponentialThreshold):
        _draw(population, fires, seed=seed, sample=sample)
    population.active += np.where(messages.any(1), layer.neurons, np.count_nonzero(fires, axis=1))
    return fires.astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class StreamedLayer:
    """What a layer did in T steps.

    Parameters
    ----------
    counts : ndarray of int64, shape (samples, neurons)
        Emitted spikes.
    charge : ndarray of int64, shape (samples, neurons)
        A(T), or Q(T) of a latent.
    active : ndarray of int64, shape (samples,)
        Neuron updates in which an event arrived or the neuron fired.
    """

    counts: Int64
    charge: Int64
    active: Int64


def run_streaming(
    network: Network,
    messages: Int64,
    *,
    seed: int,
    sample: Int64,
    steps: int,
    watch: Callable[[Sequence[Population]], None] | None = None,
) -> tuple[StreamedLayer, ...]:
    """Run a batch through the network for `steps` steps.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
        Encoded images.
    seed : int
        Seed of the exponential thresholds; their draws are those of the other schedules.
    sample : ndarray of int64, shape (samples,)
        Index of each row, which keys its draws.
    steps : int
        T.
    watch : callable, optional
        Called after every step with the state of each layer.

    Raises
    ------
    LimitError
        A sum leaves the 24-bit membrane, as a latent's may after many periods.
    """
    latent = network.layers.index(network.latent)
    inside = period(network)
    populations = [
        _start(layer, inside if place <= latent else steps, encodes=place < latent, seed=seed, sample=sample)
        for place, layer in enumerate(network.layers)
    ]
    for step in range(1, steps + 1):
        flow = spread(messages, step, inside)
        for population in populations:
            flow = _advance(population, flow, step, steps, seed=seed, sample=sample)
        if watch is not None:
            watch(populations)
    return tuple(
        StreamedLayer(
            population.counts,
            population.integrated // steps
            if isinstance(population.layer.neuron, ExponentialThreshold)
            else population.received,
            population.active,
        )
        for population in populations
    )
