"""The simulators beside which ours is measured: layers of integrate-and-fire neurons in each of them.

Each builder takes connections, modules from (samples, inputs) to (samples, outputs) without bias, and a threshold for
each. It returns a function from a raster, a float tensor (steps, samples, inputs), to the spikes of the last layer,
(steps, samples, outputs). Where a simulator can, its neurons fire at v >= theta and subtract theta; `EXACT` names those
whose spikes must then equal ours.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from functools import cache
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn

Simulate = Callable[[Tensor], Tensor]
Connections = Sequence[nn.Module]
Thresholds = Sequence[float]

EXACT = ("torch loop", "snnTorch", "SpikingJelly", "sinabs")


def linear(weight: Tensor) -> nn.Linear:
    """Return a layer without bias that has this weight."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return layer


def matrix(connection: nn.Module, inputs: int) -> Tensor:
    """Return the weights of a connection, (inputs, outputs): what it answers to each input alone."""
    answers: Tensor = connection(torch.eye(inputs))
    return answers.contiguous()


def in_every_step(connection: nn.Module, values: Tensor) -> Tensor:
    """Send values with two leading axes, steps and samples in any order, through a connection in one call."""
    sums: Tensor = connection(values.flatten(0, 1))
    return sums.unflatten(0, values.shape[:2])


def added_up(simulate: Simulate, readout: nn.Module) -> Simulate:
    """Return what reaches a readout over all steps, (samples, outputs)."""

    def total(raster: Tensor) -> Tensor:
        return in_every_step(readout, simulate(raster).float()).sum(0)

    return total


def import_with_stand_ins(name: str) -> None:
    """Import a package, with stand-ins for modules it imports and simulation does not use (images, games)."""
    for _ in range(100):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as missing:
            if missing.name is None or missing.name.startswith(name.split(".", maxsplit=1)[0]):
                raise
            sys.modules[missing.name] = MagicMock()
            for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] == name.split(".", maxsplit=1)[0]]:
                del sys.modules[loaded]
        else:
            return


def torch_loop(connections: Connections, thresholds: Thresholds) -> Simulate:
    """Build the network from tensor operations alone."""

    def simulate(raster: Tensor) -> Tensor:
        membranes = [torch.zeros(())] * len(thresholds)
        out = []
        for step in raster:
            spikes = step
            for index, (connection, threshold) in enumerate(zip(connections, thresholds, strict=True)):
                value = membranes[index] + connection(spikes)
                spikes = (value >= threshold).float()
                membranes[index] = value - threshold * spikes
            out.append(spikes)
        return torch.stack(out)

    return simulate


def snntorch(connections: Connections, thresholds: Thresholds) -> Simulate:
    """Build it from Leaky neurons with beta 1; a first membrane of 1/2 turns their > into >= on integers."""
    import snntorch as snn

    neurons = [snn.Leaky(beta=1.0, threshold=theta, reset_mechanism="subtract") for theta in thresholds]
    start = torch.tensor(0.5)

    def simulate(raster: Tensor) -> Tensor:
        membranes: list[Tensor | None] = [None] * len(neurons)
        out = []
        for step in raster:
            spikes = step
            for index, (connection, neuron) in enumerate(zip(connections, neurons, strict=True)):
                current, membrane = connection(spikes), membranes[index]
                spikes, membranes[index] = neuron(current, start.expand_as(current) if membrane is None else membrane)
            out.append(spikes)
        return torch.stack(out)

    return simulate


def spikingjelly(connections: Connections, thresholds: Thresholds) -> Simulate:
    """Build it from IFNode in its multi-step mode, the faster one."""
    from spikingjelly.activation_based import functional, layer, neuron

    parts: list[nn.Module] = []
    for connection, theta in zip(connections, thresholds, strict=True):
        every_step = connection if isinstance(connection, nn.Linear) else layer.SeqToANNContainer(connection)
        parts += [every_step, neuron.IFNode(v_threshold=theta, v_reset=None, step_mode="m")]
    network = nn.Sequential(*parts)

    def simulate(raster: Tensor) -> Tensor:
        functional.reset_net(network)
        spikes: Tensor = network(raster)
        return spikes

    return simulate


def sinabs(connections: Connections, thresholds: Thresholds) -> Simulate:
    """Build it from IAF layers limited to one spike a step."""
    from sinabs.activation import SingleSpike
    from sinabs.layers import IAF

    neurons = [IAF(spike_threshold=torch.tensor(theta), spike_fn=SingleSpike) for theta in thresholds]

    def simulate(raster: Tensor) -> Tensor:
        values = raster.transpose(0, 1)
        for connection, neuron in zip(connections, neurons, strict=True):
            neuron.reset_states()
            values = neuron(in_every_step(connection, values))
        return values.transpose(0, 1)

    return simulate


def norse(connections: Connections, thresholds: Thresholds) -> Simulate:
    """Build it from IAF steps, which reset to 0: timed, not compared."""
    from norse.torch.functional.iaf import IAFFeedForwardState, IAFParameters, iaf_feed_forward_step

    parameters = [IAFParameters(v_th=torch.tensor(theta)) for theta in thresholds]

    def simulate(raster: Tensor) -> Tensor:
        states = [IAFFeedForwardState(v=torch.zeros(()))] * len(parameters)
        out = []
        for step in raster:
            spikes = step
            for index, (connection, p) in enumerate(zip(connections, parameters, strict=True)):
                spikes, states[index] = iaf_feed_forward_step(connection(spikes), states[index], p)
            out.append(spikes)
        return torch.stack(out)

    return simulate


def bindsnet(connections: Connections, thresholds: Thresholds) -> Simulate:
    """Build it from IFNodes, which reset to 0 and see spikes a step late: timed, not compared."""
    import_with_stand_ins("bindsnet.network")
    from bindsnet.network import Network
    from bindsnet.network.monitors import Monitor
    from bindsnet.network.nodes import IFNodes, Input
    from bindsnet.network.topology import Connection

    def build(inputs: int) -> tuple[Network, Monitor]:
        network = Network(learning=False)
        source, name = Input(n=inputs), "input"
        network.add_layer(source, name=name)
        for index, (connection, theta) in enumerate(zip(connections, thresholds, strict=True)):
            weight = matrix(connection, source.n)
            layer = IFNodes(n=weight.shape[1], thresh=theta, reset=0.0, rest=0.0, refrac=0)
            network.add_layer(layer, name=f"layer{index}")
            network.add_connection(Connection(source, layer, w=weight), source=name, target=f"layer{index}")
            source, name = layer, f"layer{index}"
        monitor = Monitor(source, ["s"])
        network.add_monitor(monitor, name="spikes")
        return network, monitor

    built = cache(build)

    def simulate(raster: Tensor) -> Tensor:
        network, monitor = built(raster.shape[2])
        network.reset_state_variables()
        network.run(inputs={"input": raster}, time=len(raster))
        spikes: Tensor = monitor.get("s")
        return spikes

    return simulate


BUILDERS: dict[str, Callable[[Connections, Thresholds], Simulate]] = {
    "torch loop": torch_loop,
    "snnTorch": snntorch,
    "SpikingJelly": spikingjelly,
    "sinabs": sinabs,
    "norse": norse,
    "BindsNET": bindsnet,
}
