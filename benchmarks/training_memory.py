"""Peak memory of training on a set as large as MNIST: 60,000 and 10,000 images of 28 x 28 in IDX files.

    python benchmarks/training_memory.py [EPOCHS]
    python benchmarks/training_memory.py estimate     the estimate that training makes, beside what two epochs take

The images are the 5,000 digits of mnist5k, each shifted by up to two pixels. Each model is trained by the command line
in a process of its own, and the largest resident set of that process is kept in
benchmarks/results/training_memory.json.
"""

from __future__ import annotations

import json
import os
import platform
import struct
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from measuring import RETURNING, held, reset_peak
from numpy.typing import NDArray

from spiking_pvae.config import DecoderKind, EncoderKind, ModelConfig, TrainConfig
from spiking_pvae.types import Dataset, ImageSet

RESULTS = Path(__file__).parent / "results" / "training_memory.json"
SHAPE = (1, 28, 28)
LIMIT_BYTES = 3 * 10**9
SPLITS = {"train": 60_000, "t10k": 10_000}


def shifted_digits(count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw digits, each shifted by -2 .. 2 pixels in both directions; uint8 of shape (count, 28, 28)."""
    from spiking_pvae import data

    dataset = data.load("mnist5k")
    digits = np.concatenate([dataset.train.images, dataset.validation.images])[:, 0]
    chosen = (digits[rng.integers(len(digits), size=count)] * 255).round().astype(np.uint8)
    shifts = rng.integers(-2, 3, size=(count, 2))
    return np.stack([np.roll(image, tuple(shift), (0, 1)) for image, shift in zip(chosen, shifts, strict=True)])


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    """Write an IDX file: 0, 0, type 8 (unsigned byte), dimensions, big-endian sizes, bytes."""
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.tobytes())


def write_set(folder: Path) -> None:
    """Write the four files of a set in the form of MNIST."""
    rng = np.random.default_rng(0)
    for split, count in SPLITS.items():
        write_idx(folder / f"{split}-images-idx3-ubyte", shifted_digits(count, rng))
        write_idx(folder / f"{split}-labels-idx1-ubyte", rng.integers(10, size=count).astype(np.uint8))


def peak_of(command: list[str]) -> tuple[int, dict[str, Any]]:
    """Run a command in a fresh process; return the bytes of its largest resident set and the JSON it printed."""
    code = (
        "import json, resource, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True)\n"
        "peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss\n"
        "print(json.dumps([peak, json.loads(done.stdout)]))"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], stdout=subprocess.PIPE, check=True)
    peak, result = json.loads(done.stdout)
    return peak * (1 if sys.platform == "darwin" else 1024), result


def growth(encoder: EncoderKind, decoder: DecoderKind, *, latents: int, count: int, batch: int) -> tuple[int, int]:
    """Train on noise for two epochs; return by how many bytes this process grew at most, and the estimate."""
    from spiking_pvae.memory import training_memory
    from spiking_pvae.model import build_model
    from spiking_pvae.training import fit

    images = np.random.default_rng(0).normal(size=(count, *SHAPE)).astype(np.float32)
    validation = ImageSet(images=images[:50])
    data = Dataset(name="noise", train=ImageSet(images=images), validation=validation, fingerprint="noise")
    config = ModelConfig(encoder=encoder, decoder=decoder, latents=latents)
    settings = TrainConfig(epochs=2, batch_size=batch, device="cpu")
    reset_peak()
    before = held("VmRSS")
    fit(build_model(config, SHAPE), data, settings)
    return held("VmHWM") - before, training_memory(config, SHAPE, settings)


def print_growth(encoder: EncoderKind, decoder: DecoderKind) -> None:
    """Print what `growth` measures, after a small training that loads and compiles all that is needed."""
    growth(encoder, decoder, latents=8, count=60, batch=20)
    print(json.dumps(growth(encoder, decoder, latents=512, count=1000, batch=500)))


def compare_estimates() -> list[dict[str, Any]]:
    """Measure by how much a training's memory grows, K = 512, 500 images of 28 x 28 a batch, beside its estimate."""
    rows = []
    environment = {**os.environ, **RETURNING}
    for encoder, decoder in (
        ("linear", "linear"),
        ("mlp", "linear"),
        ("mlp", "mlp"),
        ("conv", "linear"),
        ("conv", "conv"),
    ):
        command = [sys.executable, __file__, "growth", encoder, decoder]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        grown, estimate = json.loads(done.stdout)
        rows.append({"model": f"{encoder} | {decoder}", "measured_bytes": grown, "estimated_bytes": estimate})
        print(f"{encoder} | {decoder}: {grown / 1e6:.1f} MB, estimated {estimate / 1e6:.1f} MB")
    return rows


def keep(values: dict[str, Any]) -> None:
    """Put values into the results file, beside what is there."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(kept | values, indent=2) + "\n", encoding="utf-8")


def main(epochs: int) -> None:
    """Train both models and keep their peaks."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_set(folder)
        for encoder in ("linear", "conv"):
            options = ["--encoder", encoder, "--decoder", "linear", "--latents", "512", "--epochs", str(epochs)]
            command = [sys.executable, "-m", "spiking_pvae", "train", "--data", str(folder), "--json", "--quiet"]
            peak, result = peak_of([*command, *options, "--device", "cpu", "--out", str(folder / f"out-{encoder}")])
            rows.append({"model": f"{encoder} | linear", "peak_bytes": peak, "limit_bytes": LIMIT_BYTES, **result})
            print(f"{encoder} | linear: {peak / 1e9:.2f} GB, {result['seconds']:.1f} s, -ELBO {result['nelbo']:.2f}")
    for row in rows:
        del row["run_dir"]
    document = {
        "command": f"python benchmarks/training_memory.py {epochs}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "images": [SPLITS["train"], 28, 28],
        "runs": rows,
    }
    keep(document)
    if any(row["peak_bytes"] >= LIMIT_BYTES for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["growth"]:
        print_growth(*sys.argv[2:])  # type: ignore[arg-type]
    elif sys.argv[1:] == ["estimate"]:
        keep({"estimates": compare_estimates()})
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
