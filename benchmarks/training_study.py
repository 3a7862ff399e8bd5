"""Why the default recipe is what it is: saturation of the rate, batch size, optimiser, warm-up, and silence.

    python benchmarks/training_study.py [PART ...]
    python benchmarks/training_study.py page          write docs/reference/training-study.md

Trains linear | linear models on the natural patches and keeps one JSON object a run in
benchmarks/results/training_study.jsonl; runs that are there already are not repeated. One thread; times are CPU seconds
of the process, because the machine may be shared.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from measuring import PLAIN

from spiking_pvae import data
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.data import statistics
from spiking_pvae.model import PoissonVAE
from spiking_pvae.recipes import find_recipe
from spiking_pvae.training import fit
from spiking_pvae.types import Dataset

RESULTS = Path(__file__).parent / "results" / "training_study.jsonl"
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "training-study.md"
EPOCHS = 8
"""Epochs of a run, fewer than the default's 20, so that the whole study takes minutes."""

TRAIN = TrainConfig(epochs=EPOCHS, device="cpu")
DEFAULT = find_recipe("default")
Run = tuple[str, ModelConfig, TrainConfig]


def clamp() -> list[Run]:
    """Vary the saturation of the rate at three weights of the KL."""
    return [
        (f"beta {beta:g}, clamp {c:g}", replace(PLAIN, beta=beta, clamp=c), TRAIN)
        for beta in (1.0, 0.1, 4.0)
        for c in (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
        if beta == 1.0 or c not in (6.0, 8.0)
    ]


def bias() -> list[Run]:
    """Vary the saturation again, with biases in encoder and decoder."""
    clamps = {1.0: (2.5, 3.0, 4.0, 5.0), 0.1: (2.5, 3.0, 4.0), 4.0: (4.0, 4.9)}
    return [
        (f"beta {beta:g}, clamp {c:g}, biases", replace(PLAIN, beta=beta, clamp=c, bias=True), TRAIN)
        for beta, values in clamps.items()
        for c in values
    ]


def batch() -> list[Run]:
    """Vary the batch at equal epochs; the peak learning rate grows with its square root."""
    return [
        (f"batch {size}, peak {rate:g}", PLAIN, replace(TRAIN, batch_size=size, learning_rate=rate))
        for size, rate in ((125, 0.005), (250, 0.007), (500, 0.01), (1000, 0.014), (2000, 0.02))
    ]


def optimizer() -> list[Run]:
    """Vary optimiser, schedule and peak learning rate."""
    adam = [(f"adam, one-cycle, {rate:g}", PLAIN, replace(TRAIN, learning_rate=rate)) for rate in (0.003, 0.01, 0.03)]
    adamax = [
        (f"adamax, one-cycle, {rate:g}", PLAIN, replace(TRAIN, learning_rate=rate, optimizer="adamax"))
        for rate in (0.01, 0.03)
    ]
    cosine = replace(TRAIN, schedule="warmup-cosine", warmup_epochs=1)
    return [*adam, *adamax, ("adam, 1 epoch of warm-up and cosine, 0.01", PLAIN, cosine)]


def warmup() -> list[Run]:
    """Vary the share of the training over which beta rises."""
    return [
        (f"beta rises over {share:g}", PLAIN, replace(TRAIN, beta_warmup=share)) for share in (0.0, 0.1, 0.3, 0.5, 0.9)
    ]


def silence() -> list[Run]:
    """Train the default over the range of beta and of the number of latents."""
    wide = [
        (f"K {latents}, beta {beta:g}", replace(DEFAULT.model, latents=latents, beta=beta), TRAIN)
        for latents in (64, 512)
        for beta in (0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
    ]
    large = [
        (f"K 2048, beta {beta:g}, 3 epochs", replace(DEFAULT.model, latents=2048, beta=beta), replace(TRAIN, epochs=3))
        for beta in (0.01, 1.0, 8.0)
    ]
    return wide + large


def decoder() -> list[Run]:
    """Vary the peak learning rate where the decoder is an mlp, behind an mlp as encoder, and gradients are sampled."""
    model = replace(DEFAULT.model, encoder="mlp", decoder="mlp")
    rates = [(f"mlp, mlp, {rate:g}", model, replace(TRAIN, learning_rate=rate)) for rate in (0.001, 0.003, 0.01)]
    return [
        *rates,
        ("mlp, mlp, default, beta 8", replace(model, beta=8.0), TRAIN),
        ("mlp, mlp, default, 30 epochs", model, replace(TRAIN, epochs=30)),
    ]


PARTS = {part.__name__: part for part in (clamp, bias, optimizer, warmup, batch, silence, decoder)}
HEAD = """# The study behind the default recipe

Written by `python benchmarks/training_study.py page` from `benchmarks/results/training_study.jsonl`; what it means
stands in [Training](../concepts/4-training.md). Natural patches, linear | linear, K = 512 where nothing else is said,
{epochs} epochs a run ({machine}). Objectives are held-out averages at the full beta, lower is better; the all-silent
answer has {silent:.1f}. A rate is of one latent in spikes an inference; times are CPU seconds.
"""


def page() -> None:
    """Write the tables."""
    rows = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    text = HEAD.format(epochs=EPOCHS, silent=rows[0]["silent"], machine=rows[0]["machine"])
    for name, part in PARTS.items():
        mine = {row["run"]: row for row in rows if row["part"] == name}
        text += f"\n## {(part.__doc__ or name).strip()}\n\n"
        text += "| run | objective | MSE | KL | on training images | spikes | largest rate | CPU s |\n"
        text += "|---|---|---|---|---|---|---|---|\n"
        for run, *_ in part():
            if run in mine:
                row = mine[run]
                figures = ("objective", "mse", "kl", "train_objective", "spikes", "largest_rate", "cpu_seconds")
                text += f"| {run} | " + " | ".join(f"{row[key]:.1f}" for key in figures) + " |\n"
        missing = [run for run, *_ in part() if run not in mine]
        if missing:
            text += f"\nNot run yet: {'; '.join(missing)}.\n"
    PAGE.write_text(text, encoding="utf-8")


@torch.no_grad()
def rates(model: PoissonVAE, dataset: Dataset) -> dict[str, float]:
    """Describe the rates on validation images: spikes an inference, mean and largest of the peaks, the prior's sum."""
    images = torch.from_numpy(dataset.validation.images[:5000])
    rate = model.posterior(images).mean
    peak = rate.amax(1)
    return {
        "spikes": float(rate.sum(1).mean()),
        "peak_rate": float(peak.mean()),
        "largest_rate": float(peak.max()),
        "prior_spikes": float(model.prior_log_rate.exp().sum()),
    }


def measure(part: str, run: Run, dataset: Dataset, silent: float) -> dict[str, Any]:
    """Train one model and collect its figures."""
    name, model_config, train = run
    model = PoissonVAE(model_config, dataset.shape, seed=train.seed)
    cpu, wall = time.process_time(), time.perf_counter()
    last = fit(model, dataset, train).history[-1]
    return {
        "part": part,
        "run": name,
        "objective": last["val_objective"],
        "mse": last["val_mse"],
        "kl": last["val_kl"],
        "train_objective": last["train_objective"],
        "silent": silent,
        **rates(model, dataset),
        "cpu_seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
        "model": asdict(model_config),
        "train": asdict(train),
        "data": dataset.fingerprint,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, 1 thread, torch {torch.__version__}",
    }


def main(parts: list[str]) -> None:
    """Do the runs that are missing."""
    if parts == ["page"]:
        page()
        return
    torch.set_num_threads(1)
    RESULTS.parent.mkdir(exist_ok=True)
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    done = {(entry["part"], entry["run"]) for entry in map(json.loads, lines)}
    dataset = data.load("natural")
    silent = statistics(dataset).validation_sum_of_squares
    for part in parts or PARTS:
        for run in PARTS[part]():
            if (part, run[0]) in done:
                continue
            result = measure(part, run, dataset, silent)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result) + "\n")
            print(
                f"{part:10} {run[0]:42} objective {result['objective']:8.2f}, train {result['train_objective']:8.2f}, "
                f"largest rate {result['largest_rate']:6.1f}, {result['cpu_seconds']:5.1f} s of CPU",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
