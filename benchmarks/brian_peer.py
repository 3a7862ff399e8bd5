"""W1 in Brian2, run by simulate.py in an interpreter of its own.

Builds the network of one sample once; each line read then runs it from a stored state and prints a JSON object with the
processor time.
"""

import json
import sys
import time

import brian2 as b
import numpy as np

STEPS, DENSITY = 32, 0.1


def main() -> None:
    """Build, then run when asked to."""
    b.prefs.codegen.target = "cython"
    rng = np.random.default_rng(0)
    raster = rng.random((STEPS, 784)) < DENSITY
    step, source = np.nonzero(raster)
    b.defaultclock.dt = 1 * b.ms
    spikes = b.SpikeGeneratorGroup(784, source, step * b.ms)
    groups, parts = [spikes], [spikes]
    for size, theta in ((512, 388), (256, 320)):
        group = b.NeuronGroup(size, "v : 1", threshold=f"v >= {theta}", reset=f"v -= {theta}", method="euler")
        synapses = b.Synapses(groups[-1], group, "w : 1", on_pre="v_post += w")
        synapses.connect()
        synapses.w = np.clip(np.rint(rng.normal(0, 20, len(synapses.w))), -127, 127)
        groups.append(group)
        parts += [group, synapses]
    network = b.Network(*parts)
    network.store()
    network.run(STEPS * b.ms)
    for _ in sys.stdin:
        network.restore()
        started = time.process_time()
        network.run(STEPS * b.ms)
        print(json.dumps({"version": b.__version__, "seconds": time.process_time() - started}), flush=True)


if __name__ == "__main__":
    main()
