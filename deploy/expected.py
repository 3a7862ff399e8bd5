"""What the reference simulator computes, in the form in which the readers of exports are compared with it."""

from __future__ import annotations

import numpy as np

from spiking_pvae.deploy import reference
from spiking_pvae.deploy.exporters.traces import Int64, Quantity, Traces, spike_trains
from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold, Network
from spiking_pvae.deploy.projection import project
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.deploy.reference import LayerOutput


def as_traces(network: Network, outputs: tuple[LayerOutput, ...], schedule: Schedule, steps: int) -> Traces:
    """Name what a simulator backend returned."""
    traces: dict[str, dict[Quantity, Int64]] = {}
    for layer, output in zip(network.layers, outputs, strict=True):
        poisson = isinstance(layer.neuron, ExponentialThreshold)
        traces[layer.name] = {"rate" if poisson else "accumulator": output.charge}
        if poisson or isinstance(layer.neuron, ConstantThreshold):
            if schedule == "unary":
                # A neuron that fires at all does so from the first step of its phase on.
                traces[layer.name]["spike"] = spike_trains(output.counts, steps)
            traces[layer.name]["count"] = output.counts
    return traces


def expected(
    network: Network, messages: Int64, *, seed: int, first_sample: int, schedule: Schedule, steps: int
) -> Traces:
    """Run the reference simulator and add the latents' accumulators, which it turns into rates at once.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
    seed : int
    first_sample : int
        Index of the first row.
    schedule : {"graded", "unary"}
    steps : int
        Steps of a firing phase.
    """
    outputs = reference.run(network, messages, seed=seed, first_sample=first_sample, schedule=schedule, steps=steps)
    traces = dict(as_traces(network, outputs, schedule, steps))
    place = network.layers.index(network.latent)
    incoming = outputs[place - 1].counts if place else messages
    bias = 0 if network.latent.bias is None else network.latent.bias.value
    accumulator = project(network.latent.synapse, incoming) + np.asarray(bias, np.int64)
    traces[network.latent.name] = {"accumulator": accumulator, **traces[network.latent.name]}
    return traces
