"""Run a ``.net`` file by lava-dl on Lava's CPU simulator: ``python run_netx.py EXPORT_FOLDER JOB_FOLDER``.

The job folder holds ``job.npz`` with `name` (a file in the export folder), `frames` (steps x inputs) and, where
membranes start again from 0 after some steps, `reset_interval` and `reset_offset`; this program writes ``result.npz``
there, with `outputs` (steps x outputs), all steps that it takes until the last frame has arrived.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from shared import SMALL_CHANNELS, shared
from shim import prepare_lava, prepare_netx

MESSAGE_BITS = 24


def main(folder: Path, where: Path) -> None:
    """Read the file, run it and write what came out."""
    if os.getpgrp() != os.getpid():
        os.setpgrp()
    prepare_lava()
    prepare_netx()
    from lava.lib.dl.netx.hdf5 import Network
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from processes.streams import Sink, Source

    with np.load(where / "job.npz", allow_pickle=False) as archive:
        name, frames = str(archive["name"]), archive["frames"].astype(np.int32)
        resets = {key: int(archive[key]) for key in ("reset_interval", "reset_offset") if key in archive.files}
    # With a spike exponent of 0 a message is a count, and a unit of bias is 64 accumulator units.
    network = Network(net_config=str(folder / name), input_message_bits=MESSAGE_BITS, spike_exp=0, **resets)
    steps = len(frames) + len(network)
    rows = shared((steps, int(np.prod(network.out.shape))))
    source, sink = Source(frames=frames), Sink(rows=rows)
    source.s_out.connect(network.inp)
    network.out.connect(sink.a_in)
    try:
        source.run(RunSteps(num_steps=steps), Loihi2SimCfg(select_tag="fixed_pt"), compile_config=SMALL_CHANNELS)
    finally:
        source.stop()
    np.savez(where / "result.npz", outputs=rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
