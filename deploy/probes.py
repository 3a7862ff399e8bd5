"""Probes: membrane, spikes and counts of chosen neurons in every step of the unary schedule.

A layer first integrates what arrives, one spike a step on each line, then fires at most one spike a step:

    integrating    a(t) = sum of the weighted spikes up to step t (the bias joins at the end)
    firing         v(t) = charge - theta_1 - ... - theta_k      k: spikes up to step t

For Poisson neurons the charge is the rate in fixed point and every threshold a draw; for others it is the accumulator.
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
from spiking_pvae.deploy.reference import LayerOutput, run, unary_train
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProbeTrace:
    """What chosen neurons of one layer did.

    Parameters
    ----------
    layer : str
    neurons : ndarray of int64, shape (probed,)
        Which neurons.
    integrating : ndarray of int64, shape (incoming steps, samples, probed)
        Accumulators after each incoming step.
    membrane : ndarray of int64, shape (steps + 1, samples, probed)
        Membranes when firing begins and after each firing step.
    spikes : ndarray of bool, shape (steps, samples, probed)
        Spikes in each firing step.
    counts : ndarray of int64, shape (samples, probed)
    """

    layer: str
    neurons: Int64
    integrating: Int64
    membrane: Int64
    spikes: NDArray[np.bool_]
    counts: Int64


def probe(
    network: Network,
    images: FloatArray,
    name: str,
    neurons: Sequence[int] | None = None,
    *,
    steps: int = 32,
    seed: int = 0,
) -> ProbeTrace:
    """Watch neurons of one layer through an inference in the unary schedule.

    Parameters
    ----------
    network : Network
    images : ndarray of float32, shape (samples, channels, height, width)
        Few: every step of every sample is kept.
    name : str
        Layer.
    neurons : sequence of int, optional
        All of the layer if not given.
    steps : int
        Steps T of a firing phase.
    seed : int
        Seed of the exponential thresholds.

    Raises
    ------
    InputError
        There is no such layer or neuron.
    """
    names = [layer.name for layer in network.layers]
    if name not in names:
        raise InputError("layer to probe", given=repr(name), allowed=", ".join(names))
    place = names.index(name)
    layer = network.layers[place]
    chosen = np.arange(layer.neurons) if neurons is None else np.asarray(neurons, np.int64)
    if chosen.size == 0 or chosen.min() < 0 or chosen.max() >= layer.neurons:
        raise InputError("neurons to probe", given=list(chosen), allowed=f"0 .. {layer.neurons - 1}, at least one")
    messages = network.input.encode(images)
    outputs = run(network, messages, seed=seed, first_sample=0, schedule="unary", steps=steps)
    source = messages if place == 0 else outputs[place - 1].counts.astype(np.int64)
    train = unary_train(source, network.input.format.high if place == 0 else steps)
    arriving = np.stack([project(layer.synapse, spikes)[:, chosen] for spikes in train])
    counts = outputs[place].counts[:, chosen].astype(np.int64)
    return ProbeTrace(
        layer=name,
        neurons=chosen,
        integrating=np.cumsum(arriving, axis=0),
        membrane=_membrane(layer, outputs[place], chosen, seed=seed, steps=steps),
        spikes=np.arange(steps).reshape(-1, 1, 1) < counts,
        counts=counts,
    )


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
