"""Trained networks beside what would run them as spikes: one graded step against T = 32 steps of single spikes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from timing import medians, ratios, timed
from torch import Tensor, nn

from spiking_pvae import data
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.deploy import Network, convert, reference, save_network
from spiking_pvae.deploy.compiled import CompiledNetwork, Firing, compile_neuron
from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, Dense, Layer, Readout
from spiking_pvae.deploy.raster import RasterNetwork
from spiking_pvae.deploy.reference import LayerOutput
from spiking_pvae.deploy.streaming import spread
from spiking_pvae.model import PoissonVAE
from spiking_pvae.training import fit

STEPS = 32
FEW = 32
"""Samples of the reference backend."""
MODELS = {
    "linear": (ModelConfig(latents=512, beta=1.0), 3),
    "conv": (ModelConfig(encoder="conv", channels=8, latents=256, beta=1.0), 1),
}
Integers = NDArray[np.signedinteger[Any]]


def train(name: str) -> Network:
    """Train on natural images, as long as it takes to have latents that fire, and convert."""
    dataset = data.load("natural")
    config, epochs = MODELS[name]
    model = PoissonVAE(config, dataset.shape)
    fit(model, dataset, TrainConfig(epochs=epochs, device="cpu"))
    return convert(model, dataset.calibration())


def _integrator(layer: Layer) -> RasterNetwork:
    """Return the layer's synapses with ON and OFF lines and neurons that never fire: the integration phase."""
    assert isinstance(layer.synapse, Dense)
    weight = np.concatenate([layer.synapse.weight, -layer.synapse.weight], axis=1)
    silent = ConstantThreshold(mantissa=np.full(layer.neurons, 2**17 - 1, np.int32), n_max=1)
    return RasterNetwork([replace(layer, synapse=replace(layer.synapse, weight=weight), neuron=silent)])


def _train(counts: Integers, steps: int) -> NDArray[np.uint8]:
    """Return spike trains on ON and OFF lines, one spike a step from the first on."""
    lines = np.concatenate([np.maximum(counts, 0), np.maximum(-counts, 0)], axis=1)
    return (np.arange(steps)[None, :, None] < lines[:, None, :]).astype(np.uint8)


def stepped(network: Network, messages: Integers, unary: Sequence[LayerOutput]) -> Callable[[], Any]:
    """Return an inference of the unary schedule that adds up every spike in its step.

    Both integration phases run in the event-driven kernel on trains of bytes made beforehand; the latents fire in one
    go, which is less work than T steps of it.
    """
    encoder, decoder = _integrator(replace(network.layers[0], bias=None)), _integrator(network.layers[1])
    incoming, sent = _train(messages, network.input.format.high), _train(unary[0].counts, STEPS)
    assert (decoder(sent)[0].membrane == unary[1].charge).all()
    fire, firing = compile_neuron(network.layers[0]), Firing(STEPS, (0, 0), 0)
    charge, counts, limits = (*np.empty((2, *unary[0].counts.shape), np.int32), np.zeros(2, np.int64))

    def run() -> None:
        fire(encoder(incoming)[0].membrane >> network.layers[0].synapse.exponent, charge, counts, limits, firing)
        decoder(sent)

    run()
    assert (counts == unary[0].counts).all()
    return run


def _connection(layer: Layer) -> nn.Module:
    """Return the layer's synapses as a torch module without bias."""
    synapse = layer.synapse
    weight = torch.tensor(synapse.weight, dtype=torch.float32)
    if isinstance(synapse, Conv2d):
        outputs, inputs = len(weight), synapse.input_shape[0]
        kernel = weight.shape[2], weight.shape[3]
        geometry: dict[str, Any] = {
            "stride": synapse.stride,
            "padding": synapse.padding,
            "dilation": synapse.dilation,
            "groups": synapse.groups,
        }
        convolution = nn.Conv2d(inputs, outputs, kernel, bias=False, **geometry)
        convolution.weight = nn.Parameter(weight, requires_grad=False)
        return nn.Sequential(nn.Unflatten(1, synapse.input_shape), convolution, nn.Flatten())
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.weight = nn.Parameter(weight, requires_grad=False)
    return linear


def peers(network: Network, messages: Integers, unary: Sequence[LayerOutput]) -> dict[str, Callable[[], Any]]:
    """Return the network in a plain torch loop and in snnTorch: T = 32 steps of rate-coded spikes.

    Peers have no Poisson neurons: integrate-and-fire neurons stand in, with thresholds at which about as many spikes
    flow as in ours. Trains are made beforehand.
    """
    import snntorch as snn

    high = network.input.format.high
    raster = torch.tensor(np.stack([spread(messages, step, high) for step in range(1, STEPS + 1)])).float()
    connections = [_connection(layer) for layer in network.layers]
    thresholds, flow = [], raster
    for layer, connection, output in zip(network.layers[:-1], connections, unary, strict=False):
        assert not isinstance(layer.neuron, Readout)
        drive = torch.stack([connection(step) for step in flow])
        theta = float(drive.sum(0).clamp(min=0).sum() / max(1, int(output.counts.sum())))
        thresholds.append(theta)
        flow = _loop(connection, theta, flow)
    neurons = [snn.Leaky(beta=1.0, threshold=theta, reset_mechanism="subtract") for theta in thresholds]

    def torch_loop() -> Tensor:
        membranes = [torch.zeros(())] * len(thresholds)
        total = torch.zeros(())
        for step in raster:
            spikes = step
            for index, theta in enumerate(thresholds):
                value = membranes[index] + connections[index](spikes)
                spikes = (value >= theta).float()
                membranes[index] = value - theta * spikes
            total = total + connections[-1](spikes)
        return total

    def snntorch() -> Tensor:
        membranes = [neuron.reset_mem() for neuron in neurons]
        total = torch.zeros(())
        for step in raster:
            spikes = step
            for index, neuron in enumerate(neurons):
                spikes, membranes[index] = neuron(connections[index](spikes), membranes[index])
            total = total + connections[-1](spikes)
        return total

    return {"torch_loop": torch_loop, "snntorch": snntorch}


def _loop(connection: nn.Module, theta: float, raster: Tensor) -> Tensor:
    """Return the spikes of integrate-and-fire neurons."""
    membrane, out = torch.zeros(()), []
    for step in raster:
        value = membrane + connection(step)
        spikes = (value >= theta).float()
        membrane = value - theta * spikes
        out.append(spikes)
    return torch.stack(out)


def beside(network: Network, samples: int, rounds: int) -> dict[str, Any]:
    """Measure one network at one batch size, in alternation; microseconds an inference and ratios to graded."""
    messages = network.input.encode(data.load("natural").validation.images[:samples]).astype(np.int32)
    run = CompiledNetwork(network, 1)
    options = {"seed": 0, "first_sample": 0}
    unary = run(messages, schedule="unary", steps=STEPS, **options)
    few = messages[:FEW].astype(np.int64)
    runs: dict[str, Callable[[], Any]] = {
        "graded": lambda: run(messages, schedule="graded", steps=1, **options),
        "unary_closed_form": lambda: run(messages, schedule="unary", steps=STEPS, **options),
        "streaming": lambda: run(messages, schedule="streaming", steps=STEPS, **options),
        **peers(network, messages, unary),
    }
    if all(isinstance(layer.synapse, Dense) for layer in network.layers) and len(network.layers) == 2:
        runs["unary_steps"] = stepped(network, messages, unary)
    times = timed(runs, rounds)
    slow = timed(
        {
            "reference_graded": lambda: reference.run(network, few, schedule="graded", steps=1, **options),
            "reference_unary": lambda: reference.run(network, few, schedule="unary", steps=STEPS, **options),
        },
        2,
    )
    return {
        "samples": samples,
        "microseconds_an_inference": medians(times, 1e6 / samples) | medians(slow, 1e6 / len(few)),
        "over_graded": ratios(times, "graded"),
        "reference_unary_over_graded": ratios(slow, "reference_graded")["reference_unary"]["median"],
        "input_spikes_an_inference": float(np.abs(messages).sum()) / samples,
        "spikes_an_inference": [float(output.counts.sum()) / samples for output in unary[:-1]],
    }


def million(network: Network, folder: Path) -> dict[str, Any]:
    """Run a million inferences from the command line; return its answer and the largest memory of its process."""
    save_network(network, folder)
    samples = len(data.load("natural").validation)
    options = ["--data", "natural", "--repeat", str(-(-1_000_000 // samples)), "--json", "--quiet"]
    command = [sys.executable, "-m", "spiking_pvae", "simulate", str(folder), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    answer = json.loads(process.stdout.read())
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    keys = ("samples", "seconds", "inferences_per_second", "spikes_per_inference", "counts_sha256")
    return {
        "command": " ".join(["python", *command[1:4], "NETWORK", *options]),
        "peak_bytes": usage.ru_maxrss * 1024,
        **{key: answer[key] for key in keys},
    }
