"""Run a spike-count network on Lava's CPU simulator: ``python run_counts.py EXPORT_FOLDER JOB_FOLDER``.

The job folder holds ``job.npz`` with `messages` (samples x inputs), `seed`, `first_sample`, `unary` and `steps`; this
program writes ``result.npz`` there, with an array ``LAYER/QUANTITY`` for everything the processes noted. Needs the
interpreter that has Lava, and nothing else.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from shared import SMALL_CHANNELS, layers_of, shared
from shim import prepare_lava


def frames_of(messages: np.ndarray, period: int, incoming: int, *, unary: bool) -> np.ndarray:
    """Return what the source sends in every step: one image a step, or spikes over `incoming` of `period` steps."""
    if not unary:
        return messages.astype(np.int32)
    step = np.arange(period).reshape(1, -1, 1)
    trains = np.sign(messages)[:, None] * (step < np.minimum(np.abs(messages), incoming)[:, None])
    return trains.reshape(-1, messages.shape[1]).astype(np.int32)


def plans(layers: list, job: dict, incoming: int) -> list[dict]:
    """Return the timetable of each population. A Dense process delays what it sends by one step."""
    unary, steps, samples = bool(job["unary"]), int(job["steps"]), len(job["messages"])
    period = max(incoming + steps, 2 * steps) if unary else 1
    common = {"samples": samples, "seed": int(job["seed"]), "first_sample": int(job["first_sample"]), "period": period}
    result, start = [], 1
    for layer, _ in layers:
        arriving = incoming if unary else 1
        scalars = {name: layer[name] for name in ("table_low", "fraction") if name in layer}
        firing = steps if unary and layer["neuron"] != "readout" else 0
        plan = {"start": start, "incoming": arriving, "firing": firing, "n_max": layer.get("n_max", 0)}
        result.append({**common, **scalars, **plan})
        start += arriving + 1 if unary else 1
        incoming = steps
    return result


def trace_of(layer: dict, plan: dict) -> dict[str, np.ndarray]:
    """Return the shared memory of a population."""
    shape = (plan["samples"], layer["neurons"])
    trace = {"accumulator": shared(shape)}
    if layer["neuron"] == "poisson":
        trace["rate"] = shared(shape)
    if layer["neuron"] != "readout":
        trace["count"] = shared(shape)
        if plan["firing"]:
            trace["spike"] = shared((plan["samples"], plan["firing"], layer["neurons"]))
    return trace


def main(folder: Path, where: Path) -> None:
    """Build the network, run it and write what it did."""
    if os.getpgrp() != os.getpid():
        os.setpgrp()
    prepare_lava()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.utils.weightutils import SignMode
    from processes.spike_count import SpikeCount
    from processes.streams import Source

    with np.load(where / "job.npz", allow_pickle=False) as archive:
        job = {name: archive[name] for name in archive.files}
    layers = layers_of(folder)
    timetable = plans(layers, job, int(job["incoming"]))
    last = timetable[-1]
    frames = frames_of(job["messages"], last["period"], int(job["incoming"]), unary=bool(job["unary"]))
    source = Source(frames=frames)
    before, traces = source.s_out, {}
    for (layer, arrays), plan in zip(layers, timetable, strict=True):
        # In the mixed sign mode the last bit of a weight is the sign's, so that weights are twice as large.
        dense = Dense(
            weights=2 * arrays["weight"].astype(np.int64),
            weight_exp=int(layer["exponent"]) - 1,
            num_message_bits=24,
            num_weight_bits=8,
            sign_mode=SignMode.MIXED,
        )
        trace = traces[layer["name"]] = trace_of(layer, plan)
        neurons = SpikeCount(shape=(layer["neurons"],), kind=layer["neuron"], plan=plan, arrays=arrays, trace=trace)
        before.connect(dense.s_in)
        dense.a_out.connect(neurons.a_in)
        before = neurons.s_out
    steps = last["start"] + last["samples"] * last["period"] + last["incoming"]
    try:
        source.run(RunSteps(num_steps=steps), Loihi2SimCfg(select_tag="fixed_pt"), compile_config=SMALL_CHANNELS)
    finally:
        source.stop()
    result = {f"{name}/{quantity}": values for name, trace in traces.items() for quantity, values in trace.items()}
    np.savez(where / "result.npz", **result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
