"""A workload of integrate-and-fire layers in Lava's CPU simulator, run by simulate.py in an interpreter of its own.

    python lava_peer.py WORKLOAD.npz

Builds the network of one sample once; each line read then shows it for as many steps again and prints a JSON object
with the time that passed, since Lava's processes run side by side. Its neurons reset to 0 and see spikes a step late:
timed, not compared.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "deploy" / "lava_runtime"))
from shim import prepare_lava


def main() -> None:
    """Build, then run when asked to."""
    prepare_lava()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIF

    workload = np.load(sys.argv[1])
    raster = workload["raster"]
    source = RingBuffer(data=raster.T.astype(int))
    before = source.s_out
    for index, theta in enumerate(workload["thresholds"].tolist()):
        weights = workload[f"weight{index}"].astype(int)
        synapses = Dense(weights=weights)
        neurons = LIF(shape=(len(weights),), du=4095, dv=0, vth=theta, bias_mant=0)
        before.connect(synapses.s_in)
        synapses.a_out.connect(neurons.a_in)
        before = neurons.s_out
    condition, configuration = RunSteps(num_steps=len(raster)), Loihi2SimCfg(select_tag="fixed_pt")
    neurons.run(condition=condition, run_cfg=configuration)
    for _ in sys.stdin:
        started = time.perf_counter()
        neurons.run(condition=condition, run_cfg=configuration)
        seconds = time.perf_counter() - started
        print(json.dumps({"version": version("lava-nc"), "seconds": seconds}), flush=True)
    neurons.stop()


if __name__ == "__main__":
    main()
