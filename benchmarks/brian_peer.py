"""A workload of integrate-and-fire layers in Brian2, run by simulate.py in an interpreter of its own.

    python brian_peer.py WORKLOAD.npz

Builds the network of one sample once, with the synapses whose weight is not zero; each line read then runs it from a
stored state and prints a JSON object with the processor time.
"""

import json
import sys
import time

import brian2 as b
import numpy as np


def main() -> None:
    """Build, then run when asked to."""
    b.prefs.codegen.target = "cython"
    workload = np.load(sys.argv[1])
    raster, thresholds = workload["raster"], workload["thresholds"]
    step, source = np.nonzero(raster)
    b.defaultclock.dt = 1 * b.ms
    spikes = b.SpikeGeneratorGroup(raster.shape[1], source, step * b.ms)
    groups, parts = [spikes], [spikes]
    for index, theta in enumerate(thresholds):
        weight = workload[f"weight{index}"].astype(float)
        group = b.NeuronGroup(len(weight), "v : 1", threshold=f"v >= {theta}", reset=f"v -= {theta}", method="euler")
        synapses = b.Synapses(groups[-1], group, "w : 1", on_pre="v_post += w")
        after, before = np.nonzero(weight)
        synapses.connect(i=before, j=after)
        synapses.w = weight[after, before]
        groups.append(group)
        parts += [group, synapses]
    network = b.Network(*parts)
    network.store()
    duration = len(raster) * b.ms
    network.run(duration)
    for _ in sys.stdin:
        network.restore()
        started = time.process_time()
        network.run(duration)
        print(json.dumps({"version": b.__version__, "seconds": time.process_time() - started}), flush=True)


if __name__ == "__main__":
    main()
