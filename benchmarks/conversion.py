"""What conversion costs: -ELBO of the integer network against the float model, by architecture, bits and method.

    python benchmarks/conversion.py --runs runs/conversion [--train] [--only natural-mlp-mlp ...]
        [--columns 4-bit-fine-tuned ...]

Models (K = 512, beta 1) are read from RUNS/<data>-<encoder>-<decoder>; --train makes the missing ones first. Fidelity
is measured on held-out images: exactly for a linear decoder, from common draws otherwise, with the standard error of
the paired difference. Results: benchmarks/results/conversion.json and conversion.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from measuring import PLAIN_OPTIONS, machine, provenance

from spiking_pvae.checkpoint import load_run
from spiking_pvae.cli.main import main as command
from spiking_pvae.config import EXACT_LEARNING_RATE
from spiking_pvae.data import load
from spiking_pvae.deploy import FinetuneConfig, QuantizeConfig, fidelity, finetune, lower, prepare, quantize
from spiking_pvae.types import Dataset

RESULTS = Path(__file__).parent / "results"
EPOCHS = {
    ("natural", "linear", "linear"): 15,
    ("natural", "mlp", "linear"): 15,
    ("natural", "conv", "linear"): 10,
    ("natural", "mlp", "mlp"): 10,
    ("mnist5k", "linear", "linear"): 120,
    ("mnist5k", "mlp", "linear"): 80,
    ("mnist5k", "conv", "linear"): 60,
    ("mnist5k", "mlp", "mlp"): 160,
}
LEARNING_RATE = {("natural", "mlp", "mlp"): 0.003}
"""Where it is not the default: with 0.01, the noise of sampled gradients silences these latents within ten epochs."""
BITS = (8, 4)
METHODS = ("nearest", "calibrated", "fine-tuned")
COLUMNS = (*((bits, method) for bits in BITS for method in METHODS), (8, "power-of-two"))
KEY = ("data", "encoder", "decoder", "bits", "method")
HELD_OUT = 1000
TUNED = {"natural": 16, "mnist5k": 120}
"""Passes over all training images: 2560 and 960 steps."""


def measure(model: Any, dataset: Dataset, bits: int, method: str) -> dict[str, Any]:
    """Convert one way and compare."""
    config = QuantizeConfig(
        weight_bits=bits,
        rounding="nearest" if method == "nearest" else "calibrated",
        threshold="power-of-two" if method == "power-of-two" else "fine",
    )
    images = dataset.calibration()
    source = prepare(lower(model), images, config)
    network = untuned = quantize(source, images, config)
    if method == "fine-tuned":
        settings = FinetuneConfig(epochs=TUNED[dataset.name], augment=dataset.augment)
        network = finetune(source, untuned, dataset.train.images, settings)
    report = fidelity(source, network, dataset.validation.images[:HELD_OUT], untuned=untuned).to_json()
    figures = ("nelbo_float", "nelbo_integer", "nelbo_change_percent", "standard_error_percent", "expectation", "gap")
    return {"bits": bits, "method": method, **{key: report[key] for key in figures}}


def table(rows: list[dict[str, Any]], made: dict[str, Any]) -> str:
    """Write the results for people."""
    titles = " | ".join(f"{bits} bit {method}" for bits, method in COLUMNS)
    lines = [
        "# Change of the -ELBO by conversion",
        "",
        f"{HELD_OUT} held-out images, K = 512, beta 1, in percent with the standard error of the paired difference. "
        "Nearest: weights rounded to the nearest; calibrated: rounded by the error of the layer's output; fine-tuned: "
        "training on all training images, 2560 steps on natural and 960 on mnist5k, in which the weights settle on the "
        "grid of calibrated a few at a time, where that is better on training images; power-of-two: "
        "calibrated, with one power of two as the threshold of all units of a hidden layer. Biases are corrected in "
        "all. Models are trained as far as the epochs say, not to the end: training on gains by itself; what 4 bits "
        "cost after the same training is the difference between the two fine-tuned columns, the last column. "
        f"{provenance(made)} The JSON file says of each figure by which command and when it was made.",
        "",
        f"| data | encoder, decoder | epochs | -ELBO float | {titles} | 4 - 8 bit fine-tuned |",
        "|---|---|---|---|" + "---|" * (len(COLUMNS) + 1),
    ]
    for name in dict.fromkeys((row["data"], row["encoder"], row["decoder"]) for row in rows):
        mine = {(r["bits"], r["method"]): r for r in rows if (r["data"], r["encoder"], r["decoder"]) == name}
        cells = [
            f"{mine[c]['nelbo_change_percent']:+.3f} ± {mine[c]['standard_error_percent']:.3f}" if c in mine else "-"
            for c in COLUMNS
        ]
        first = next(iter(mine.values()))
        few, many = (mine.get((bits, "fine-tuned")) for bits in (4, 8))
        cells.append(f"{few['nelbo_change_percent'] - many['nelbo_change_percent']:+.3f}" if few and many else "-")
        about = f"{name[0]} | {name[1]}, {name[2]} | {first['epochs']} | {first['nelbo_float']:.2f}"
        lines.append(f"| {about} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def kept() -> list[dict[str, Any]]:
    """Read what has been measured so far."""
    file = RESULTS / "conversion.json"
    rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"] if file.is_file() else []
    return rows


def keep(row: dict[str, Any]) -> None:
    """Put one result among those measured so far, in the order of the models."""
    made, order = machine(), list(EPOCHS)
    rows = [other for other in kept() if any(other[key] != row[key] for key in KEY)]
    rows = sorted([*rows, row], key=lambda row: order.index((row["data"], row["encoder"], row["decoder"])))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "conversion.json").write_text(json.dumps({"machine": made, "rows": rows}, indent=1) + "\n")
    (RESULTS / "conversion.md").write_text(table(rows, made))


def main() -> None:
    """Measure every model and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--train", action="store_true")
    names = {"-".join(key): key for key in EPOCHS}
    parser.add_argument("--only", nargs="+", choices=names, default=list(names), help="the results of others are kept")
    titles = {f"{bits}-bit-{method}": (bits, method) for bits, method in COLUMNS}
    parser.add_argument("--columns", nargs="+", choices=titles, default=list(titles), help="those of others are kept")
    options = parser.parse_args()
    for data, encoder, decoder in (names[name] for name in options.only):
        epochs = EPOCHS[data, encoder, decoder]
        folder = options.runs / f"{data}-{encoder}-{decoder}"
        if options.train and not (folder / "run.json").is_file():
            choices = f"--data {data} --encoder {encoder} --decoder {decoder} --latents 512 --beta 1 --epochs {epochs}"
            rate = LEARNING_RATE.get((data, encoder, decoder), EXACT_LEARNING_RATE)
            written = [f"--learning-rate={rate}", "--device=cpu", f"--out={folder}", "--force"]
            command(["train", *choices.split(), *PLAIN_OPTIONS, *written])
        model, dataset = load_run(folder).model, load(data)
        for bits, method in (titles[title] for title in options.columns):
            row = {"data": data, "encoder": encoder, "decoder": decoder, "epochs": epochs}
            row |= measure(model, dataset, bits, method)
            row |= {"made": {key: machine()[key] for key in ("date", "command")}}
            print({key: value for key, value in row.items() if key != "gap"}, flush=True)
            keep(row)


if __name__ == "__main__":
    main()
