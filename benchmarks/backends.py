"""Every backend on trained networks: one network, the same spikes everywhere.

    python benchmarks/backends.py --networks runs/backends [--only natural-conv-8] [--again]

Trains what is missing in the folder (natural images and digits, linear and convolutional encoders), converts it to 8
and 4 bits, and runs every backend that is installed on real held-out images, in every schedule that it knows. Networks
with power-of-two thresholds are for the backend that takes no others. A row that was kept for the same network, backend
and version is not measured again. Results: benchmarks/results/backends.json and docs/benchmarks/backends.md; exit code
1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from measuring import PLAIN_OPTIONS, machine, provenance

from spiking_pvae.cli.main import main as command
from spiking_pvae.data import load
from spiking_pvae.deploy.backends import BACKENDS, VerifyBackend
from spiking_pvae.deploy.exporters.manifest import file_sha256
from spiking_pvae.deploy.files import load_network
from spiking_pvae.deploy.verify import run_backend

RESULTS = Path(__file__).parent / "results" / "backends.json"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "backends.md"
MODELS = {
    "natural-linear": "--data natural --encoder linear --epochs 2",
    "natural-conv": "--data natural --encoder conv --channels 4 --epochs 2",
    "mnist5k-linear": "--data mnist5k --encoder linear --epochs 20",
    "mnist5k-conv": "--data mnist5k --encoder conv --channels 4 --epochs 10",
}
LATENTS = 64
NAMES = tuple(f"{model}-{bits}" for model in MODELS for bits in (8, 4))
SHARED = tuple(f"{model}-8-power-of-two" for model in MODELS if "conv" in model)
SAMPLES = 1000
FEWER = {"lava": 20, "lava-stock": 20, "netx": 20, "netx-cuba": 20, "sanafe": 5}
"""Inferences of the backends that take seconds for one."""
STEPS = 16


def made(name: str, folder: Path) -> Path:
    """Return the folder of a network, trained and converted where it is missing."""
    data, encoder, bits, *threshold = name.split("-", 3)
    model = f"{data}-{encoder}"
    run, network = folder / model, folder / name
    if not (run / "run.json").is_file():
        options = [*MODELS[model].split(), "--latents", str(LATENTS), "--decoder", "linear", "--device", "cpu"]
        command(["train", *options, *PLAIN_OPTIONS, "--out", str(run), "--force", "--quiet"])
    if not (network / "manifest.json").is_file():
        options = ["--weight-bits", bits, "--threshold", *(threshold or ["fine"])]
        command(["convert", str(run), *options, "--out", str(network), "--force", "--quiet"])
    return network


def row_of(name: str, folder: Path, backend: VerifyBackend, schedule: Any) -> dict[str, Any]:
    """Run one backend in one schedule."""
    network = load_network(folder)
    images = load(name.split("-", maxsplit=1)[0]).validation.images[: FEWER.get(backend.name, SAMPLES)]
    started = time.perf_counter()
    verdict = run_backend(
        backend, network, network.input.encode(images), seed=0, schedule=schedule, steps=STEPS
    ).to_json()
    return {"network": name, **verdict, "seconds": round(time.perf_counter() - started, 1)}


def cell(rows: list[dict[str, Any]]) -> str:
    """Write one network's outcome on one backend in one schedule."""
    if not rows:
        return "-"
    (row,) = rows
    if row["status"] not in {"equal", "different"}:
        return row["status"]
    return f"{row['mismatches']:,} of {row['compared']:,}"


def table(rows: list[dict[str, Any]], names: tuple[str, ...]) -> list[str]:
    """Write the outcomes of some networks."""
    rows = [row for row in rows if row["network"] in names]
    lines = [
        f"| backend | version | schedule | inferences | {' | '.join(names)} |",
        "|---|---|---|---|" + "---|" * len(names),
    ]
    for backend, schedule in dict.fromkeys((row["name"], row["schedule"]) for row in rows):
        mine = [row for row in rows if (row["name"], row["schedule"]) == (backend, schedule)]
        samples = max(row["samples"] for row in mine)
        cells = [cell([row for row in mine if row["network"] == name]) for name in names]
        lines.append(f"| `{backend}` | {mine[0]['version']} | {schedule} | {samples:,} | {' | '.join(cells)} |")
    return lines


def page(rows: list[dict[str, Any]], by: dict[str, Any]) -> str:
    """Write the results for people."""
    lines = [
        "# Backends on trained networks",
        "",
        "Integers that differ from what is expected, of all that were compared, on held-out images: charges, rates, "
        "spikes of every step and counts, and for SANA-FE synaptic operations, packets and hops. `netx` and "
        "`netx-cuba` are compared with models of the forms that they carry, all others with the reference. "
        f"{LATENTS} latents; unary and streaming over {STEPS} steps. {provenance(by)}",
        "",
        *table(rows, NAMES),
        "",
        "With one power of two as the threshold of a layer, on Lava's stock processes:",
        "",
        *table(rows, SHARED),
    ]
    return "\n".join(lines) + "\n"


def identity(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a row must agree in to be kept."""
    return tuple(row[key] for key in ("network", "network_sha256", "name", "version", "schedule"))


def ordered(rows: list[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Sort rows by network, backend and schedule."""
    backends = [backend.name for backend in BACKENDS]
    schedules = ["graded", "unary", "streaming"]
    return sorted(
        (row for row in rows if row["network"] in names and row["name"] in backends),
        key=lambda row: (names.index(row["network"]), backends.index(row["name"]), schedules.index(row["schedule"])),
    )


def main() -> int:
    """Measure what is missing and keep everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=Path, required=True)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--backends", nargs="*", default=[])
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    names = NAMES + SHARED
    rows: list[dict[str, Any]] = json.loads(RESULTS.read_text())["rows"] if RESULTS.is_file() else []
    for name in names:
        if options.only and name not in options.only:
            continue
        folder = made(name, options.networks)
        sha256 = file_sha256(folder / "manifest.json")
        for backend in BACKENDS:
            version = backend.version()
            if (backend.name == "lava-stock") != (name in SHARED):
                continue
            if version is None or (options.backends and backend.name not in options.backends):
                continue
            for schedule in backend.schedules:
                key = (name, sha256, backend.name, version, schedule)
                if not options.again and key in map(identity, rows):
                    continue
                row = {"network_sha256": sha256, **row_of(name, folder, backend, schedule)}
                print(
                    row["network"], row["name"], schedule, row["status"], row["mismatches"], row["seconds"], flush=True
                )
                same = ("network", "name", "schedule")
                rows = [kept for kept in rows if any(kept[part] != row[part] for part in same)] + [row]
                by, rows = machine(), ordered(rows, names)
                RESULTS.write_text(json.dumps({"machine": by, "rows": rows}, indent=1) + "\n")
                PAGE.write_text(page(rows, by))
    return int(any(row["status"] in {"different", "failed"} for row in rows))


if __name__ == "__main__":
    sys.exit(main())
