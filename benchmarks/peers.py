"""The simulators beside which ours is measured: dense layers of integrate-and-fire neurons in each of them.

Each builder takes float weights (outputs, inputs) and thresholds and returns a function from a raster, a float tensor
(steps, samples, inputs), to the spikes of the last layer, (steps, samples, outputs). Where a simulator can, its neurons
fire at v >= theta and subtract theta; `EXACT` names those whose spikes must then equal ours.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from unittest.mock import MagicMock

import torch
from torch import Tensor, nn

Simulate = Callable[[Tensor], Tensor]
Weights = Sequence[Tensor]
Thresholds = Sequence[float]

EXACT = ("torch loop", "snnTorch", "SpikingJelly", "sinabs")


def linear(weight: Tensor) -> nn.Linear:
    """Return a layer without bias that has this weight."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    return layer


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


def torch_loop(weights: Weights, thresholds: Thresholds) -> Simulate:
    """Build the network from tensor operations alone."""

    def simulate(raster: Tensor) -> Tensor:
        membranes = [torch.zeros(raster.shape[1], len(weight)) for weight in weights]
        out = []
        for step in raster:
            spikes = step
            for index, (weight, threshold) in enumerate(zip(weights, thresholds, strict=True)):
                value = membranes[index] + spikes @ weight.T
                spikes = (value >= threshold).float()
                membranes[index] = value - threshold * spikes
            out.append(spikes)
        return torch.stack(out)

    return simulate


def snntorch(weights: Weights, thresholds: Thresholds) -> Simulate:
    """Build it from Leaky neurons with beta 1; a first membrane of 1/2 turns their > into >= on integers."""
    import snntorch as snn

    layers = [linear(weight) for weight in weights]
    neurons = [snn.Leaky(beta=1.0, threshold=theta, reset_mechanism="subtract") for theta in thresholds]

    def simulate(raster: Tensor) -> Tensor:
        membranes = [torch.full((raster.shape[1], len(weight)), 0.5) for weight in weights]
        out = []
        for step in raster:
            spikes = step
            for index, (layer, neuron) in enumerate(zip(layers, neurons, strict=True)):
                spikes, membranes[index] = neuron(layer(spikes), membranes[index])
            out.append(spikes)
        return torch.stack(out)

    return simulate


def spikingjelly(weights: Weights, thresholds: Thresholds) -> Simulate:
    """Build it from IFNode in its multi-step mode, the faster one."""
    from spikingjelly.activation_based import functional, neuron

    parts: list[nn.Module] = []
    for weight, theta in zip(weights, thresholds, strict=True):
        parts += [linear(weight), neuron.IFNode(v_threshold=theta, v_reset=None, step_mode="m")]
    network = nn.Sequential(*parts)

    def simulate(raster: Tensor) -> Tensor:
        functional.reset_net(network)
        spikes: Tensor = network(raster)
        return spikes

    return simulate


def sinabs(weights: Weights, thresholds: Thresholds) -> Simulate:
    """Build it from IAF layers limited to one spike a step."""
    from sinabs.activation import SingleSpike
    from sinabs.layers import IAF

    layers = [linear(weight) for weight in weights]

    def simulate(raster: Tensor) -> Tensor:
        values = raster.transpose(0, 1)
        for layer, theta in zip(layers, thresholds, strict=True):
            values = IAF(spike_threshold=torch.tensor(theta), spike_fn=SingleSpike)(layer(values))
        return values.transpose(0, 1)

    return simulate


def norse(weights: Weights, thresholds: Thresholds) -> Simulate:
    """Build it from IAF steps, which reset to 0: timed, not compared."""
    from norse.torch.functional.iaf import IAFFeedForwardState, IAFParameters, iaf_feed_forward_step

    parameters = [IAFParameters(v_th=torch.tensor(theta)) for theta in thresholds]

    def simulate(raster: Tensor) -> Tensor:
        states = [IAFFeedForwardState(v=torch.zeros(raster.shape[1], len(weight))) for weight in weights]
        out = []
        for step in raster:
            spikes = step
            for index, (weight, p) in enumerate(zip(weights, parameters, strict=True)):
                spikes, states[index] = iaf_feed_forward_step(spikes @ weight.T, states[index], p)
            out.append(spikes)
        return torch.stack(out)

    return simulate


def bindsnet(weights: Weights, thresholds: Thresholds) -> Simulate:
    """Build it from IFNodes, which reset to 0 and see spikes a step late: timed, not compared."""
    import_with_stand_ins("bindsnet.network")
    from bindsnet.network import Network
    from bindsnet.network.monitors import Monitor
    from bindsnet.network.nodes import IFNodes, Input
    from bindsnet.network.topology import Connection

    network = Network(learning=False)
    source, name = Input(n=weights[0].shape[1]), "input"
    network.add_layer(source, name=name)
    for index, (weight, theta) in enumerate(zip(weights, thresholds, strict=True)):
        layer = IFNodes(n=len(weight), thresh=theta, reset=0.0, rest=0.0, refrac=0)
        network.add_layer(layer, name=f"layer{index}")
        synapses = Connection(source=source, target=layer, w=weight.T.contiguous())
        network.add_connection(synapses, source=name, target=f"layer{index}")
        source, name = layer, f"layer{index}"
    monitor = Monitor(source, ["s"])
    network.add_monitor(monitor, name="spikes")

    def simulate(raster: Tensor) -> Tensor:
        network.reset_state_variables()
        network.run(inputs={"input": raster}, time=len(raster))
        spikes: Tensor = monitor.get("s")
        return spikes

    return simulate


BUILDERS: dict[str, Callable[[Weights, Thresholds], Simulate]] = {
    "torch loop": torch_loop,
    "snnTorch": snntorch,
    "SpikingJelly": spikingjelly,
    "sinabs": sinabs,
    "norse": norse,
    "BindsNET": bindsnet,
}
