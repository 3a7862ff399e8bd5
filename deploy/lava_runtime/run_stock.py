"""Run half of a network on Lava's stock processes: ``python run_stock.py EXPORT_FOLDER JOB_FOLDER``.

The job folder holds ``job.npz`` with `first` and `end` (the layers to run) and `messages` (samples x inputs); this
program writes ``result.npz`` there, with the counts of layers that fire and the sums of the last one. `Dense` and
`GradedReluVec` compute; the source and the sinks are this package's. Needs the interpreter that has Lava.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from shared import SMALL_CHANNELS, layers_of, shared
from shim import prepare_lava

MOST_SHIFT = 7
"""Dense has a weight exponent of 4 bits, -8 .. 7, one of which undoes the factor 2 of signed weights."""
BASE = 128


def digits(values: np.ndarray) -> np.ndarray:
    """Write integers in base 128 with digits of -64 .. 63: (neurons,) to (neurons, digits), the smallest first."""
    found = []
    while not found or values.any():
        found.append((values + BASE // 2) % BASE - BASE // 2)
        values = (values - found[-1]) // BASE
    return np.stack(found, 1)


def stages(layer: dict, arrays: dict) -> tuple[int, np.ndarray | None, list[int]]:
    """Return the left shift of the first sum, the bias added to it, and the division behind each stage.

    Accumulators are (W << exponent) x + b, divided by 2^power: the first sum counts units of 2^min(exponent, power).
    """
    exponent, bias = int(layer["exponent"]), arrays["bias"]
    if layer["neuron"] != "constant":
        return exponent, None, [0]
    power = int(arrays["theta"][0]).bit_length() - 1
    unit = min(exponent, power)
    left = power - unit
    lines = digits(bias >> unit) if bias.any() else None
    shifts = [0 if lines is not None else min(left, MOST_SHIFT)]
    left -= shifts[0]
    while left:
        shifts.append(min(left, MOST_SHIFT))
        left -= shifts[-1]
    return exponent - unit, lines, shifts


def main(folder: Path, where: Path) -> None:
    """Build the chain, run it and write what came out."""
    if os.getpgrp() != os.getpid():
        os.setpgrp()
    prepare_lava()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.graded.process import GradedReluVec
    from lava.utils.weightutils import SignMode
    from processes.streams import Sink, Source

    def dense(weight: np.ndarray, exponent: int) -> Dense:
        # In the mixed sign mode the last bit of a weight is the sign's, so that weights are twice as large.
        return Dense(
            weights=2 * weight.astype(np.int64),
            weight_exp=exponent - 1,
            num_message_bits=24,
            num_weight_bits=8,
            sign_mode=SignMode.MIXED,
        )

    with np.load(where / "job.npz", allow_pickle=False) as archive:
        first, end, messages = int(archive["first"]), int(archive["end"]), archive["messages"]
    layers = layers_of(folder)[first:end]
    plans = [stages(*layer) for layer in layers]
    samples, steps = len(messages), len(messages) + sum(len(shifts) for _, _, shifts in plans)
    source = Source(frames=messages.astype(np.int32))
    before, delay, rows = source.s_out, 0, []
    for (layer, values), (exponent, lines, shifts) in zip(layers, plans, strict=True):
        for place, shift in enumerate(shifts):
            weight = values["weight"] if place == 0 else np.eye(layer["neurons"])
            synapses = dense(weight, exponent - shift if place == 0 else -shift)
            before.connect(synapses.s_in)
            before, delay = synapses.a_out, delay + 1
            if layer["neuron"] != "constant":
                continue
            neurons = GradedReluVec(shape=(layer["neurons"],), vth=0)
            before.connect(neurons.a_in)
            before = neurons.s_out
            if place == 0 and lines is not None:
                constants = BASE ** np.arange(lines.shape[1])
                always = Source(frames=np.tile(constants.astype(np.int32), (steps, 1)))
                biases = dense(lines, 0)
                always.s_out.connect(biases.s_in)
                biases.a_out.connect(neurons.a_in)
        sink = Sink(rows=shared((steps, layer["neurons"])))
        before.connect(sink.a_in)
        rows.append((delay, sink.proc_params["rows"]))
    try:
        source.run(RunSteps(num_steps=steps), Loihi2SimCfg(select_tag="fixed_pt"), compile_config=SMALL_CHANNELS)
    finally:
        source.stop()
    result = {}
    for (layer, values), (delay, sent) in zip(layers, rows, strict=True):
        arrived = sent[delay : delay + samples]
        if layer["neuron"] == "constant":
            result[f"{layer['name']}/count"] = arrived
        else:
            # A layer that sums has no neurons here: its bias is the reader's to add.
            result[f"{layer['name']}/accumulator"] = arrived + values["bias"]
    np.savez(where / "result.npz", **result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
