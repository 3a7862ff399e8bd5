"""Trained networks beside what would run them as spikes: one graded step against T = 32 steps of single spikes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from measuring import PLAIN
from numpy.typing import NDArray
from peers import BUILDERS, EXACT, added_up
from spiking_form import NEVER, Integers, SpikingForm, on_off, trained_form, with_both_signs
from timing import Elsewhere, medians, ratios, timed

from spiking_pvae import data
from spiking_pvae.config import TrainConfig
from spiking_pvae.deploy import Network, convert, reference, save_network
from spiking_pvae.deploy.compiled import CompiledNetwork, Firing, compile_neuron
from spiking_pvae.deploy.ir import ConstantThreshold, Dense, Layer
from spiking_pvae.deploy.raster import RasterNetwork
from spiking_pvae.deploy.reference import LayerOutput
from spiking_pvae.model import PoissonVAE
from spiking_pvae.training import fit

STEPS = 32
FEW = 32
"""Samples of the reference backend."""
MODELS = {
    "linear": (replace(PLAIN, latents=512), 3),
    "conv": (replace(PLAIN, encoder="conv", channels=8, latents=256), 1),
}


def train(name: str) -> Network:
    """Train on natural images, as long as it takes to have latents that fire, and convert."""
    dataset = data.load("natural")
    config, epochs = MODELS[name]
    model = PoissonVAE(config, dataset.shape)
    fit(model, dataset, TrainConfig(epochs=epochs, device="cpu"))
    return convert(model, dataset.calibration())


def _integrator(layer: Layer) -> RasterNetwork:
    """Return the layer's synapses with ON and OFF lines and neurons that never fire: the integration phase."""
    silent = ConstantThreshold(mantissa=np.full(layer.neurons, NEVER, np.int32), n_max=1)
    return RasterNetwork([replace(with_both_signs(layer), neuron=silent)])


def _train(counts: Integers, steps: int) -> NDArray[np.uint8]:
    """Return spike trains on ON and OFF lines, one spike a step from the first on."""
    return (np.arange(steps)[None, :, None] < on_off(counts)[:, None, :]).astype(np.uint8)


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


def peers(form: SpikingForm) -> tuple[dict[str, Callable[[], Any]], dict[str, int]]:
    """Return the spiking form in every simulator, ours too, and how many sums differ in those that must agree."""
    assert form.readout is not None
    ours, answer = form.ours(), form.answer()
    runs: dict[str, Callable[[], Any]] = {"ours, same neurons": lambda: ours(form.raster)}
    different = {}
    for name, build in BUILDERS.items():
        simulate = added_up(build(form.connections[:-1], form.thresholds), form.readout)
        if name in EXACT:
            different[name] = int((simulate(form.signed) != answer).sum())
        runs[name] = lambda simulate=simulate: simulate(form.signed)
    return runs, different


def beside(
    network: Network, samples: int, rounds: int, start: Callable[[SpikingForm], Mapping[str, Elsewhere]]
) -> dict[str, Any]:
    """Measure one network at one batch size, in alternation; microseconds an inference and ratios to graded.

    `start` starts the simulators that have an interpreter of their own; they run a single sample.
    """
    messages = network.input.encode(data.load("natural").validation.images[:samples]).astype(np.int32)
    run = CompiledNetwork(network, 1)
    options = {"seed": 0, "first_sample": 0}
    unary = run(messages, schedule="unary", steps=STEPS, **options)
    few = messages[:FEW].astype(np.int64)
    runs: dict[str, Callable[[], Any]] = {
        "graded": lambda: run(messages, schedule="graded", steps=1, **options),
        "unary_closed_form": lambda: run(messages, schedule="unary", steps=STEPS, **options),
        "streaming": lambda: run(messages, schedule="streaming", steps=STEPS, **options),
    }
    form = trained_form(network, messages, unary, STEPS)
    others, different = peers(form)
    runs |= others
    if all(isinstance(layer.synapse, Dense) for layer in network.layers) and len(network.layers) == 2:
        runs["unary_steps"] = stepped(network, messages, unary)
    elsewhere = start(form) if samples == 1 else {}
    times = timed(runs, rounds, elsewhere)
    for other in elsewhere.values():
        other.close()
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
        "different_sums": different,
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
