"""A constant input, the same messages in every step, through integrate-and-fire layers beside snnTorch.

    python benchmarks/constant_input.py

784 -> 512 -> 256 with random 8-bit weights, messages of 7 bits from a tenth of the inputs, one thread. Candidates in
alternation: ours, which adds up the first layer's sums once, and snnTorch, called in every step as in its tutorials,
whose spikes are compared with ours. Of the first layer alone: its spikes, its sums added up anew in every step, and its
counts in closed form, which say how often a neuron fires and not when: less than a second layer needs. Times are
processor seconds; medians and ratios of several rounds are kept in benchmarks/results/constant_input.json.
"""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import machine
from numpy.typing import NDArray
from peers import snntorch
from spiking_form import SpikingForm, integrate_and_fire, random_form
from timing import medians, ratios, timed

from spiking_pvae.deploy.raster import RasterNetwork
from spiking_pvae.deploy.sums import compile_sums

RESULTS = Path(__file__).parent / "results" / "constant_input.json"
SIZES, THRESHOLDS = (784, 512, 256), (64_000, 320)
LARGEST, LIT = 127, 0.1
"""Largest message, and the share of inputs that are not always 0."""
STEPS = (8, 32, 128)
BATCHES = (1, 256)
ROUNDS = 7


def compare(form: SpikingForm, messages: NDArray[np.int32], steps: int) -> dict[str, Any]:
    """Time one batch and one number of steps."""
    network, first = form.ours(), RasterNetwork(form.layers[:1])
    sums, theta = compile_sums(form.layers[0].synapse), form.thresholds[0]
    peer = snntorch(form.connections, form.thresholds)
    every_step = torch.tensor(messages, dtype=torch.float32).expand(steps, *messages.shape)

    def counts_alone() -> NDArray[np.float64]:
        return np.clip(np.floor(sums(messages) * float(steps) / theta), 0, steps)

    *_, last = network.constant(messages, steps)
    (alone,) = first.constant(messages, steps)
    with torch.inference_mode():
        theirs = peer(every_step).numpy().transpose(1, 0, 2)
        assert (last.spikes() == theirs).all()
        assert (alone.counts == counts_alone()).all()
        times = timed(
            {
                "constant": lambda: network.constant(messages, steps),
                "snnTorch": lambda: peer(every_step),
                "first layer": lambda: first.constant(messages, steps),
                "sums in every step": lambda: [sums(messages) for _ in range(steps)],
                "counts alone": counts_alone,
            },
            ROUNDS,
        )
    of_first = ("first layer", "sums in every step", "counts alone")
    return {
        "samples": len(messages),
        "steps": steps,
        "hidden_density": float(alone.counts.mean()) / steps,
        "output_density": float(last.counts.mean()) / steps,
        "microseconds": medians(times, 1e6),
        "times_constant": ratios({name: times[name] for name in ("constant", "snnTorch")}, "constant"),
        "times_first_layer": ratios({name: times[name] for name in of_first}, "first layer"),
    }


def main() -> None:
    """Measure, print and keep."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    lit = rng.random(SIZES[0]) < LIT
    messages = rng.integers(0, LARGEST + 1, (max(BATCHES), SIZES[0])).astype(np.int32) * lit
    form = random_form(SIZES, THRESHOLDS, np.zeros((1, 1, SIZES[0]), np.uint8))
    # Lasting inhibition stays within 24 bits without an exponent.
    pairs = zip(form.layers, THRESHOLDS, strict=True)
    layers = tuple(integrate_and_fire(layer.synapse.weight, theta, 0, layer.name) for layer, theta in pairs)
    form = replace(form, layers=layers)
    rows = [compare(form, messages[:samples], steps) for samples in BATCHES for steps in STEPS]
    for row in rows:
        print(row["samples"], row["steps"], {name: round(value, 1) for name, value in row["microseconds"].items()})
    about = {**machine(), "snntorch": version("snntorch")}
    RESULTS.write_text(json.dumps({"machine": about, "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
