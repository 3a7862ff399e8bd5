"""Probes: membrane, spikes and counts of chosen neurons, step by step.

In the unary schedule a layer first integrates what arrives, one spike a step on each line, then fires at most one spike
a step:

    integrating    a(t) = sum of the weighted spikes up to step t (the bias joins at the end)
    firing         v(t) = charge - theta_1 - ... - theta_k      k: spikes up to step t

For Poisson neurons the charge is the rate in fixed point and every threshold a draw; for others it is the accumulator.
The graded schedule does the same in one step each: all arrives, then all spikes leave. In the streaming one a layer
integrates while it fires: a(t) is all that it received by step t, bias included, v(t) what is left after the spikes of
step t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exponential import thresholds
from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold, Layer, Network
from spiking_pvae.deploy.philox import uniform_words
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.deploy.reference import LayerOutput, run, unary_train
from spiking_pvae.deploy.streaming import Population, run_streaming
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbeTrace:
    """What chosen neurons of one layer did.

    Parameters
    ----------
    layer : str
    schedule : {"graded", "unary", "streaming"}
    neurons : ndarray of int64, shape (probed,)
        Which neurons.
    integrating : ndarray of int64, shape (incoming steps, samples, probed)
        Accumulators after each incoming step.
    membrane : ndarray of int64, shape (steps + 1, samples, probed)
        Membranes before the first step in which the layer may fire, and after each one.
    spikes : ndarray of int64, shape (steps, samples, probed)
        Spikes in each of these steps: at most one, but for the graded schedule's one step.
    counts : ndarray of int64, shape (samples, probed)
        Spikes of the whole inference.
    first_step : int
        Number of the first step kept in `membrane` and `spikes`, from 1 on.
    """

    layer: str
    schedule: Schedule
    neurons: Int64
    integrating: Int64
    membrane: Int64
    spikes: Int64
    counts: Int64
    first_step: int = 1


def probe(
    network: Network,
    images: FloatArray,
    name: str,
    neurons: Sequence[int] | None = None,
    *,
    schedule: Schedule = "unary",
    steps: int = 32,
    kept: tuple[int, int] | None = None,
    seed: int = 0,
) -> ProbeTrace:
    """Watch neurons of one layer through an inference.

    Parameters
    ----------
    network : Network
    images : ndarray of float32, shape (samples, channels, height, width)
        Few: every step of every sample is kept.
    name : str
        Layer.
    neurons : sequence of int, optional
        All of the layer if not given.
    schedule : {"graded", "unary", "streaming"}
    steps : int
        Steps T of a firing phase (unary) or of the presentation (streaming).
    kept : (int, int), optional
        First and last step of which membranes and spikes are kept, from 1 on; all if not given.
    seed : int
        Seed of the exponential thresholds.

    Raises
    ------
    InputError
        There is no such layer, neuron or step.
    """
    names = [layer.name for layer in network.layers]
    if name not in names:
        raise InputError("layer to probe", given=repr(name), allowed=", ".join(names))
    place = names.index(name)
    layer = network.layers[place]
    chosen = np.arange(layer.neurons) if neurons is None else np.asarray(neurons, np.int64)
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= layer.neurons:
        raise InputError("neurons to probe", given=list(chosen), allowed=f"0 .. {layer.neurons - 1}, at least one")
    steps = 1 if schedule == "graded" else steps
    first, last = kept or (1, steps)
    if not 1 <= first <= last <= steps:
        raise InputError("steps to probe", given=f"{first} .. {last}", allowed=f"within 1 .. {steps}")
    messages = network.input.encode(images)
    if schedule == "streaming":
        integrating, membrane, spikes = _streamed(network, messages, place, chosen, seed=seed, steps=steps)
    else:
        integrating, membrane, spikes = _phased(network, messages, place, chosen, schedule, seed=seed, steps=steps)
    return ProbeTrace(
        layer=name,
        schedule=schedule,
        neurons=chosen,
        integrating=integrating,
        membrane=membrane[first - 1 : last + 1],
        spikes=spikes[first - 1 : last],
        counts=spikes.sum(0),
        first_step=first,
    )


def _phased(
    network: Network, messages: Int64, place: int, chosen: Int64, schedule: Schedule, *, seed: int, steps: int
) -> tuple[Int64, Int64, Int64]:
    """Return accumulators while a layer integrates, and membranes and spikes while it fires."""
    layer = network.layers[place]
    outputs = run(network, messages, seed=seed, first_sample=0, schedule=schedule, steps=steps)
    source = messages if place == 0 else outputs[place - 1].counts.astype(np.int64)
    incoming = network.input.format.high if place == 0 else steps
    train = source[None] if schedule == "graded" else unary_train(source, incoming)
    integrating = np.cumsum([project(layer.synapse, sent)[:, chosen] for sent in train], axis=0)
    counts = outputs[place].counts[:, chosen].astype(np.int64)
    if schedule == "graded":
        most = int(counts.max(initial=0))
        return integrating, _membrane(layer, outputs[place], chosen, seed=seed, steps=most)[[0, -1]], counts[None]
    spikes = (np.arange(steps).reshape(-1, 1, 1) < counts).astype(np.int64)
    return integrating, _membrane(layer, outputs[place], chosen, seed=seed, steps=steps), spikes


def _streamed(
    network: Network, messages: Int64, place: int, chosen: Int64, *, seed: int, steps: int
) -> tuple[Int64, Int64, Int64]:
    """Return what the neurons received, their membranes and their spikes in every streaming step."""
    seen: list[tuple[Int64, Int64, Int64]] = []

    def watch(populations: Sequence[Population]) -> None:
        state = populations[place]
        seen.append((state.received[:, chosen], state.membrane[:, chosen], state.counts[:, chosen]))

    run_streaming(network, messages, seed=seed, sample=np.arange(len(messages)), steps=steps, watch=watch)
    received, membrane, counts = (np.stack(values) for values in zip(*seen, strict=True))
    start = np.zeros_like(counts[:1])
    return received, np.concatenate([start, membrane]), np.diff(counts, axis=0, prepend=start)


def _membrane(layer: Layer, output: LayerOutput, chosen: Int64, *, seed: int, steps: int) -> Int64:
    """Take one threshold off in each step in which a neuron fires."""
    counts, membrane = output.counts[:, chosen], output.charge[:, chosen].astype(np.int64)
    sample = np.arange(len(counts))[:, None]
    values = [membrane]
    for step in range(steps):
        match layer.neuron:
            case ConstantThreshold():
                theta = np.broadcast_to(layer.neuron.theta[chosen], counts.shape)
            case ExponentialThreshold(fraction=fraction):
                theta = thresholds(uniform_words(seed, sample, chosen, step), fraction)
            case _:
                theta = np.zeros(counts.shape, np.int64)
        membrane = membrane - np.where(step < counts, theta, 0)
        values.append(membrane)
    return np.stack(values)
