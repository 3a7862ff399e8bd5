"""Our simulator beside its peers: the same weights, the same spikes, in alternation, on one pinned core.

    make bench          or, with the packages of peers.txt installed,     python benchmarks/simulate.py

W1 is 784 -> 512 -> 256 integrate-and-fire neurons with weights ~ N(0, 20) rounded to 8 bits, thresholds 388 and 320,
Bernoulli input spikes and T = 32 steps; W2 is 256 -> 512 alone. Peers get float tensors made beforehand; ours gets
bytes and packs them within the measured time. In each round every tool runs for the same time in turn. Times are
processor seconds of the one thread, since the machine may be shared; Brian2 and Lava's simulator run single samples in
interpreters of their own, once a round. Trained networks run beside all of these too, in their spiking form
(spiking_form.py), and a million inferences of one from the command line. Writes results/simulate.json and .png.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from peers import BUILDERS, EXACT
from roofline import roofline
from spiking_form import SpikingForm, random_form
from timing import Elsewhere, medians, power_law, ratios, timed
from trained import MODELS, beside, million, train

from spiking_pvae.deploy.kernels import dense, events
from spiking_pvae.deploy.raster import RasterNetwork

RESULTS = Path(__file__).parent / "results"
W1, W2 = ((784, 512, 256), (388.0, 320.0)), ((256, 512), (388.0,))
STEPS = 32
DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
Workload = tuple[Sequence[int], Sequence[float]]


def raster_of(samples: int, inputs: int, density: float, steps: int = STEPS) -> NDArray[np.uint8]:
    """Draw Bernoulli spikes, shape (samples, steps, inputs)."""
    return (np.random.default_rng(1).random((samples, steps, inputs)) < density).astype(np.uint8)


def network_of(workload: Workload) -> RasterNetwork:
    """Return our own network of a workload."""
    return random_form(*workload, raster_of(1, workload[0][0], 0.0)).ours()


def beside_peers(
    workload: Workload,
    samples: int,
    density: float,
    names: Sequence[str],
    *,
    rounds: int,
    start: Callable[[SpikingForm], Mapping[str, Elsewhere]] = lambda form: {},
) -> dict[str, Any]:
    """Measure ours and peers on one workload; count the spikes in which exact peers differ."""
    raster = raster_of(samples, workload[0][0], density)
    form = random_form(*workload, raster)
    ours = form.ours()
    outputs, spikes = ours(raster), form.answer()
    runs: dict[str, Callable[[], Any]] = {"ours": lambda: ours(raster)}
    different = {}
    for name in names:
        simulate = BUILDERS[name](form.connections, form.thresholds)
        if name in EXACT:
            different[name] = int((simulate(form.signed) != spikes).sum())
        runs[name] = lambda simulate=simulate: simulate(form.signed)
    elsewhere = start(form)
    times = timed(runs, rounds, elsewhere)
    for other in elsewhere.values():
        other.close()
    against = ratios(times, "ours")
    synaptic = int(raster.sum()) * workload[0][1]
    synaptic += sum(int(out.counts.sum()) * size for out, size in zip(outputs, workload[0][2:], strict=False))
    return {
        "samples": samples,
        "density": density,
        "hidden_density": [float(out.counts.mean()) / STEPS for out in outputs],
        "events": synaptic,
        "milliseconds": medians(times, 1e3),
        "times_ours": {name: ratio["median"] for name, ratio in against.items()},
        "times_ours_range": {name: [ratio["least"], ratio["largest"]] for name, ratio in against.items()},
        "events_per_second": synaptic / float(np.median(times["ours"])),
        "different_spikes": different,
    }


def scaling(rounds: int) -> dict[str, Any]:
    """Vary steps, batch, events and width one at a time."""
    network, single = network_of(W1), network_of(((784, 512), (388.0,)))
    sparse = [raster_of(64, 784, density) for density in (0.02, 0.05, 0.1, 0.2, 0.3)]
    batch = raster_of(32, 784, 0.1)
    axes: dict[str, list[tuple[float, Callable[[], Any]]]] = {
        "steps": [(t, partial(network, raster_of(16, 784, 0.1, t))) for t in (32, 64, 128, 256, 512)],
        "batch": [(b, partial(network, raster_of(b, 784, 0.1))) for b in (32, 64, 128, 256, 512)],
        "events": [(float(raster.sum()) * 512, partial(single, raster)) for raster in sparse],
        "width": [(w, partial(network_of(((784, w), (388.0,))), batch)) for w in (128, 256, 512, 1024, 2048)],
    }
    found: dict[str, Any] = {}
    for axis, points in axes.items():
        times = timed({str(size): run for size, run in points}, rounds)
        found[axis] = power_law([size for size, _ in points], [float(values.min()) for values in times.values()])
    return found


def dense_threshold(rounds: int, inputs: int = 256, outputs: int = 512, samples: int = 256) -> dict[str, Any]:
    """Time both ways to add up graded messages against the share of nonzero ones; find where they cost the same."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, (outputs, inputs)).astype(np.int8)
    rows, packed, sums = events.pack_rows(weight), dense.pack_groups(weight), np.empty((samples, outputs), np.int32)
    correction = 128 * weight.sum(1, dtype=np.int32)
    found: dict[str, Any] = {"density": [0.02, 0.04, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.5], "events": [], "dense": []}
    for density in found["density"]:
        messages = rng.integers(-127, 128, (samples, inputs)) * (rng.random((samples, inputs)) < density)
        values = messages.astype(np.int32)
        runs = {
            "events": partial(events.event_sums, rows, values, sums),
            "dense": partial(dense.dense_sums, packed, 128, correction, values, sums),
        }
        for name, microseconds in medians(timed(runs, rounds), 1e6 / samples).items():
            found[name].append(microseconds)
    found["same_cost_at"] = float(np.interp(0.0, np.subtract(found["events"], found["dense"]), found["density"]))
    return found


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
        "command": "python benchmarks/simulate.py "
        + " ".join("PYTHON" if word.endswith("/python") else word for word in sys.argv[1:]),
    }


def main() -> None:
    """Run every part and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="rounds in alternation")
    parser.add_argument("--core", type=int, default=0, help="core to run on")
    parser.add_argument("--brian", help="python with Brian2, in an environment of its own")
    parser.add_argument("--lava", default=os.environ.get("SPIKING_PVAE_LAVA_PYTHON"), help="python with Lava")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {options.core})
    torch.set_num_threads(1)
    everyone, rounds = list(BUILDERS), options.rounds
    networks = {name: train(name) for name in MODELS}
    torch.set_grad_enabled(False)
    limits = roofline()
    result: dict[str, Any] = {"machine": machine(), "limits_1e9_per_second": limits}
    interpreters = (("Brian2", options.brian, "brian_peer.py"), ("Lava", options.lava, "lava_peer.py"))

    def start(form: SpikingForm) -> dict[str, Elsewhere]:
        with TemporaryDirectory() as folder:
            workload = form.save(Path(folder) / "workload.npz")
            started = {name: Elsewhere(python, script, workload) for name, python, script in interpreters if python}
        result["machine"]["versions"] |= {name: other.version for name, other in started.items()}
        return started

    result["trained"] = {
        name: [beside(network, samples, rounds, start) for samples in (1, 256)] for name, network in networks.items()
    }
    products = networks["linear"].layers[0].synapse.inputs * networks["linear"].layers[0].synapse.outputs
    floor = 1e-3 * products / limits["byte_products"]
    result["encoder_products_microseconds"] = floor
    with TemporaryDirectory() as folder:
        result["million"] = million(networks["linear"], Path(folder) / "network")
    for name, workload in (("W1", W1), ("W2", W2)):
        result[name] = [
            beside_peers(workload, 1, 0.1, everyone, rounds=rounds, start=start),
            beside_peers(workload, 256, 0.1, everyone, rounds=rounds),
        ]
    result["density"] = [
        beside_peers(W1, samples, density, ["snnTorch", "SpikingJelly"], rounds=max(3, rounds // 2))
        for samples in (1, 256)
        for density in DENSITIES
    ]
    result["scaling"] = scaling(rounds)
    result["dense_threshold"] = dense_threshold(rounds)
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
    for name, rows in result["trained"].items():
        for row in rows:
            print(name, row["samples"], {key: round(us, 2) for key, us in row["microseconds_an_inference"].items()})
            print("  sums that differ", row["different_sums"])
            print("  x graded", {key: round(ratio["median"], 1) for key, ratio in row["over_graded"].items()})
            print("  reference: unary over graded", round(row["reference_unary_over_graded"], 1))
    print("dense from", round(result["dense_threshold"]["same_cost_at"], 3), result["million"])
    print({name: round(value, 1) for name, value in limits.items()}, result["fraction_of_limit"], floor)


if __name__ == "__main__":
    main()
