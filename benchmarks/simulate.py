"""Our simulator beside its peers: the same weights, the same spikes, in alternation, on one pinned core.

    make bench          or, with the packages of peers.txt installed,     python benchmarks/simulate.py

W1 is 784 -> 512 -> 256 integrate-and-fire neurons with weights ~ N(0, 20) rounded to 8 bits, thresholds 388 and 320,
Bernoulli input spikes and T = 32 steps; W2 is 256 -> 512 alone. Peers get float tensors made beforehand; ours gets
bytes and packs them within the measured time. In each round every tool runs for the same time in turn. Times are
processor seconds of the one thread, since the machine may be shared. Writes results/simulate.json and .png.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peers import BUILDERS, EXACT
from roofline import roofline
from trained import trained_network

from spiking_pvae.deploy.ir import ConstantThreshold, Dense, Layer
from spiking_pvae.deploy.raster import RasterNetwork

RESULTS = Path(__file__).parent / "results"
W1, W2 = ((784, 512, 256), (388, 320)), ((256, 512), (388,))
STEPS = 32
SLICE_S = 0.05
DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
Workload = tuple[Sequence[int], Sequence[int]]


def layers(workload: Workload) -> list[Layer]:
    """Draw the weights of a workload; thresholds of any integer value need the weights' exponent to be 6."""
    rng = np.random.default_rng(0)
    sizes, thresholds = workload
    made = []
    for index, (inputs, outputs, theta) in enumerate(zip(sizes, sizes[1:], thresholds, strict=False)):
        weight = np.clip(np.rint(rng.normal(0, 20, (outputs, inputs))), -127, 127).astype(np.int8)
        made.append(
            Layer(
                name=f"layer{index}",
                shape=(outputs,),
                synapse=Dense(weight=weight, exponent=6, bits=8),
                bias=None,
                neuron=ConstantThreshold(mantissa=np.full(outputs, theta, np.int32), n_max=1),
                scale=np.ones(outputs),
            )
        )
    return made


def raster_of(samples: int, inputs: int, density: float, steps: int = STEPS) -> NDArray[np.uint8]:
    """Draw Bernoulli spikes, shape (samples, steps, inputs)."""
    return (np.random.default_rng(1).random((samples, steps, inputs)) < density).astype(np.uint8)


def timed(runs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, NDArray[np.float64]]:
    """Run every tool in turn for SLICE_S at least, `rounds` times; return the seconds of a call by round."""
    calls = {}
    for name, run in runs.items():
        run()
        started = time.process_time()
        run()
        calls[name] = max(1, round(SLICE_S / max(time.process_time() - started, 1e-6)))
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.process_time()
            for _ in range(calls[name]):
                run()
            times[name].append((time.process_time() - started) / calls[name])
    return {name: np.array(values) for name, values in times.items()}


def beside_peers(workload: Workload, samples: int, density: float, names: Sequence[str], rounds: int) -> dict[str, Any]:
    """Measure ours and peers on one workload; count the spikes in which exact peers differ."""
    made = layers(workload)
    weights = [torch.tensor(layer.synapse.weight, dtype=torch.float32) for layer in made]  # type: ignore[union-attr]
    thresholds = [float(theta) for theta in workload[1]]
    raster = raster_of(samples, workload[0][0], density)
    values = torch.tensor(raster.transpose(1, 0, 2), dtype=torch.float32).contiguous()
    ours = RasterNetwork(made)
    outputs = ours(raster)
    spikes = torch.tensor(outputs[-1].spikes().transpose(1, 0, 2))
    runs: dict[str, Callable[[], Any]] = {"ours": lambda: ours(raster)}
    different = {}
    for name in names:
        simulate = BUILDERS[name](weights, thresholds)
        if name in EXACT:
            different[name] = int((simulate(values).to(torch.uint8) != spikes).sum())
        runs[name] = lambda simulate=simulate: simulate(values)
    seconds = {name: float(np.median(values)) for name, values in timed(runs, rounds).items()}
    events = int(raster.sum()) * workload[0][1]
    events += sum(int(out.counts.sum()) * size for out, size in zip(outputs, workload[0][2:], strict=False))
    return {
        "samples": samples,
        "density": density,
        "hidden_density": [float(out.counts.mean()) / STEPS for out in outputs],
        "events": events,
        "milliseconds": {name: 1e3 * value for name, value in seconds.items()},
        "times_ours": {name: value / seconds["ours"] for name, value in seconds.items()},
        "events_per_second": events / seconds["ours"],
        "different_spikes": different,
    }


def scaling(rounds: int) -> dict[str, Any]:
    """Vary steps, batch, events and width one at a time; for events, over the cost of no spike at all."""
    network = RasterNetwork(layers(W1))
    single = RasterNetwork(layers(((784, 512), (388,))))
    empty = raster_of(64, 784, 0.0)
    sparse = [raster_of(64, 784, density) for density in (0.05, 0.1, 0.2, 0.3)]
    batch = raster_of(32, 784, 0.1)
    axes: dict[str, list[tuple[float, Callable[[], Any]]]] = {
        "steps": [(t, partial(network, raster_of(16, 784, 0.1, t))) for t in (32, 64, 128, 256, 512)],
        "batch": [(b, partial(network, raster_of(b, 784, 0.1))) for b in (32, 64, 128, 256, 512)],
        "events": [(float(raster.sum()) * 512, partial(single, raster)) for raster in sparse],
        "width": [(w, partial(RasterNetwork(layers(((784, w), (388,)))), batch)) for w in (128, 256, 512, 1024, 2048)],
    }
    found: dict[str, Any] = {}
    for axis, points in axes.items():
        runs = {str(size): run for size, run in points} | {"nothing": partial(single, empty)}
        least = {name: float(values.min()) for name, values in timed(runs, rounds).items()}
        nothing = least.pop("nothing")
        seconds = [value - nothing if axis == "events" else value for value in least.values()]
        sizes = [size for size, _ in points]
        slope = float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])
        straight = float(np.corrcoef(sizes, seconds)[0, 1] ** 2)
        found[axis] = {"sizes": sizes, "seconds": seconds, "exponent": slope, "r2_of_a_line": straight}
    return found


def brian(python: str | None) -> dict[str, Any] | None:
    """Measure Brian2 in its own interpreter, if one is given."""
    if python is None:
        return None
    script = Path(__file__).parent / "brian_peer.py"
    done = subprocess.run([python, str(script)], capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def machine() -> dict[str, Any]:
    """Say where and when."""
    cpuinfo = Path("/proc/cpuinfo")
    model = next((line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line), "")
    packages = ("torch", "numpy", "numba", "snntorch", "spikingjelly", "sinabs", "norse", "bindsnet")
    return {
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "versions": {"python": platform.python_version()} | {name: version(name) for name in packages},
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": "python benchmarks/simulate.py " + " ".join(sys.argv[1:]),
    }


def main() -> None:
    """Run every part and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds in alternation")
    parser.add_argument("--core", type=int, default=0, help="core to run on")
    parser.add_argument("--brian", help="python with Brian2, in an environment of its own")
    parser.add_argument("--network", type=Path, help="a trained network's folder; one is trained if not given")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    torch.set_num_threads(1)
    everyone, rounds = list(BUILDERS), options.rounds
    trained = trained_network(options.network, rounds)
    torch.set_grad_enabled(False)
    limits = roofline()
    result: dict[str, Any] = {"machine": machine(), "limits_1e9_per_second": limits, "trained": trained}
    result["W1"] = [beside_peers(W1, samples, 0.1, everyone, rounds) for samples in (1, 256)]
    result["W2"] = [beside_peers(W2, samples, 0.1, everyone, rounds) for samples in (1, 256)]
    result["density"] = [
        beside_peers(W1, samples, density, ["snnTorch", "SpikingJelly"], max(3, rounds // 2))
        for samples in (1, 256)
        for density in DENSITIES
    ]
    result["brian2"] = brian(options.brian)
    result["scaling"] = scaling(rounds)
    reached = result["W1"][1]["events_per_second"] / 1e9
    result["fraction_of_limit"] = {level: reached / limits[f"bytes_read_{level}"] for level in ("L1", "L2", "L3")}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "simulate.json").write_text(json.dumps(result, indent=1) + "\n")
    from figure import draw

    draw(result, RESULTS / "simulate.png")
    for row in result["W1"] + result["W2"]:
        print(row["samples"], {name: round(value, 4) for name, value in row["milliseconds"].items()})
        print("  x ours", {name: round(value, 1) for name, value in row["times_ours"].items()}, row["different_spikes"])
    for row in result["density"]:
        print(row["samples"], row["density"], {name: round(value, 1) for name, value in row["times_ours"].items()})
    for axis, values in result["scaling"].items():
        print(axis, "exponent", round(values["exponent"], 3), "R2 of a line", round(values["r2_of_a_line"], 4))
    print({name: round(value, 1) for name, value in limits.items()}, result["fraction_of_limit"], trained)


if __name__ == "__main__":
    main()
