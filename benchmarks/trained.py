"""A trained network, graded against unary: one step an inference against steps of single spikes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae import data
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.deploy import Network, convert, load_network, reference, simulate
from spiking_pvae.deploy.compiled import CompiledNetwork
from spiking_pvae.deploy.ir import ConstantThreshold, Dense, Layer
from spiking_pvae.deploy.raster import RasterNetwork
from spiking_pvae.model import PoissonVAE
from spiking_pvae.training import fit

STEPS = 32
SAMPLES = 512
FEW = 64
"""Samples of the reference backend."""


def _trained() -> Network:
    dataset = data.load("natural")
    model = PoissonVAE(ModelConfig(latents=512, beta=1.0), dataset.shape)
    fit(model, dataset, TrainConfig(epochs=3, device="cpu"))
    return convert(model, dataset.calibration())


def _integrator(layer: Layer) -> RasterNetwork:
    """Return the layer's synapses with ON and OFF lines and neurons that never fire: the integration phase."""
    assert isinstance(layer.synapse, Dense)
    weight = np.concatenate([layer.synapse.weight, -layer.synapse.weight], axis=1)
    silent = ConstantThreshold(mantissa=np.full(layer.neurons, 2**17 - 1, np.int32), n_max=1)
    return RasterNetwork([replace(layer, synapse=replace(layer.synapse, weight=weight), bias=None, neuron=silent)])


def _train(counts: NDArray[np.signedinteger[Any]], steps: int) -> NDArray[np.uint8]:
    """Return spike trains on ON and OFF lines, one spike a step from the first on."""
    lines = np.concatenate([np.maximum(counts, 0), np.maximum(-counts, 0)], axis=1)
    return (np.arange(steps)[None, :, None] < lines[:, None, :]).astype(np.uint8)


def trained_network(folder: Path | None, rounds: int) -> dict[str, Any]:
    """Measure a linear | linear network: graded, unary in closed form, and unary step by step.

    The steps are those of the event-driven kernel on spike trains made beforehand, without the neurons' own time: the
    least that any execution spike by spike must do.
    """
    network = _trained() if folder is None else load_network(folder)
    images = data.load("natural").validation.images[:SAMPLES]
    messages = network.input.encode(images).astype(np.int32)
    run = CompiledNetwork(network, 1)
    graded = run(messages, seed=0, first_sample=0, schedule="graded", steps=1)
    unary = run(messages, seed=0, first_sample=0, schedule="unary", steps=STEPS)
    encoder, decoder = map(_integrator, network.layers)
    incoming, latent = _train(messages, network.input.format.high), _train(unary[0].counts, STEPS)
    assert (decoder(latent)[0].membrane == unary[1].charge).all()
    simulate(network, images[:8], threads=1)
    options = {"seed": 0, "first_sample": 0, "steps": STEPS}
    schedules: dict[str, Callable[[], Any]] = {
        "graded": lambda: run(messages, schedule="graded", **options),
        "unary_closed_form": lambda: run(messages, schedule="unary", **options),
        "unary_steps": lambda: (encoder(incoming), decoder(latent)),
        "graded_reference": lambda: reference.run(network, few, schedule="graded", **options),
        "unary_reference": lambda: reference.run(network, few, schedule="unary", **options),
    }
    few = messages[:FEW].astype(np.int64)
    times: dict[str, list[float]] = {name: [] for name in schedules}
    for _ in range(rounds):
        for name, values in times.items():
            started = time.process_time()
            schedules[name]()
            values.append((time.process_time() - started) * (SAMPLES / FEW if "reference" in name else 1.0))
    microseconds = {name: 1e6 * float(np.median(values)) / SAMPLES for name, values in times.items()}
    started = time.process_time()
    record = simulate(network, images, threads=1)
    return {
        "microseconds_an_inference": microseconds,
        "unary_steps_over_graded": microseconds["unary_steps"] / microseconds["graded"],
        "unary_over_graded_reference": microseconds["unary_reference"] / microseconds["graded_reference"],
        "spikes_an_inference": float(graded[0].counts.sum()) / SAMPLES,
        "input_spikes_an_inference": float(np.abs(messages).sum()) / SAMPLES,
        "with_accounting_microseconds": 1e6 * (time.process_time() - started) / record.samples,
    }
