"""W1 in Lava's CPU simulator, run by simulate.py in an interpreter of its own.

Builds the network once; each line read then runs 32 steps more and prints a JSON object with the time that
passed, since Lava's processes run side by side. Its neurons reset to 0 and see spikes a step late: timed, not compared.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "deploy" / "lava_runtime"))
from shim import prepare_lava

STEPS, DENSITY = 32, 0.1


def main() -> None:
    """Build, then run when asked to."""
    prepare_lava()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import Dense
    from lava.proc.io.source import RingBuffer
    from lava.proc.lif.process import LIF

    rng = np.random.default_rng(0)
    source = RingBuffer(data=(rng.random((784, STEPS)) < DENSITY).astype(int))
    before = source.s_out
    for inputs, outputs, theta in ((784, 512, 388), (512, 256, 320)):
        weights = np.clip(np.rint(rng.normal(0, 20, (outputs, inputs))), -127, 127).astype(int)
        synapses = Dense(weights=weights)
        neurons = LIF(shape=(outputs,), du=4095, dv=0, vth=theta, bias_mant=0)
        before.connect(synapses.s_in)
        synapses.a_out.connect(neurons.a_in)
        before = neurons.s_out
    condition, configuration = RunSteps(num_steps=STEPS), Loihi2SimCfg(select_tag="fixed_pt")
    neurons.run(condition=condition, run_cfg=configuration)
    for _ in sys.stdin:
        started = time.perf_counter()
        neurons.run(condition=condition, run_cfg=configuration)
        seconds = time.perf_counter() - started
        print(json.dumps({"version": version("lava-nc"), "seconds": seconds}), flush=True)
    neurons.stop()


if __name__ == "__main__":
    main()
