"""Run half of a network on Lava's stock processes: ``python run_stock.py EXPORT_FOLDER JOB_FOLDER``.

The job folder holds ``job.npz`` with `first` and `end` (the layers to run) and `messages` (samples x inputs); this
program writes ``result.npz`` there, with the counts of layers that fire and the sums of the last one. `Dense` and
`GradedReluVec` compute; the source and the sinks are this package's. Needs the interpreter that has Lava.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from shared import SMALL_CHANNELS, shared
from shim import prepare_lava


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

    with np.load(where / "job.npz", allow_pickle=False) as archive:
        first, end, messages = int(archive["first"]), int(archive["end"]), archive["messages"]
    described = json.loads((folder / "network.json").read_text(encoding="utf-8"))["layers"]
    with np.load(folder / "network.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    samples, length = len(messages), end - first
    source = Source(frames=messages.astype(np.int32))
    before, rows = source.s_out, {}
    for place in range(first, end):
        layer, weight = described[place], arrays[f"{place}.weight"].astype(np.int64)
        fires = layer["neuron"] == "constant"
        power = int(arrays[f"{place}.theta"][0]).bit_length() - 1 if fires else 0
        dense = Dense(
            # In the mixed sign mode the last bit of a weight is the sign's, so that weights are twice as large.
            weights=2 * weight,
            weight_exp=int(layer["exponent"]) - power - 1,
            num_message_bits=24,
            num_weight_bits=8,
            sign_mode=SignMode.MIXED,
        )
        before.connect(dense.s_in)
        before = dense.a_out
        if fires:
            neurons = GradedReluVec(shape=(layer["neurons"],), vth=0)
            before.connect(neurons.a_in)
            before = neurons.s_out
        sink = Sink(rows=shared((samples + length, layer["neurons"])))
        before.connect(sink.a_in)
        rows[place] = sink.proc_params["rows"]
    try:
        source.run(
            RunSteps(num_steps=samples + length), Loihi2SimCfg(select_tag="fixed_pt"), compile_config=SMALL_CHANNELS
        )
    finally:
        source.stop()
    result = {}
    for delay, place in enumerate(range(first, end), 1):
        layer = described[place]
        values = rows[place][delay : delay + samples]
        if layer["neuron"] == "constant":
            result[f"{layer['name']}/count"] = values
        else:
            # A layer that sums has no neurons here: its bias is the reader's to add.
            result[f"{layer['name']}/accumulator"] = values + arrays[f"{place}.bias"]
    np.savez(where / "result.npz", **result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
