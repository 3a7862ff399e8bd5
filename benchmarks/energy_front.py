"""The front of -ELBO against joules over beta, pruning, bits and event inputs: docs/results/front.*.

    python benchmarks/energy_front.py

One dense model at beta = 1 is pruned step by step, each step from the one before, with fine-tuning; pruned models go on
at other betas with their zeros held. Bits and input thresholds are choices of the conversion and need no training.
With --draw the table and the picture are made again from the kept JSON.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from measuring import PLAIN, PLAIN_OPTIONS, machine, measure, priced, provenance, results_page

from spiking_pvae.deploy import Network, QuantizeConfig, convert
from spiking_pvae.deploy.event_inputs import with_event_inputs

STEPS = ((0.2, 1.0), (0.1, 1.0), (0.08, 1.0), (0.065, 1.0), (0.05, 0.8), (0.02, 0.5))
"""Shares of encoder and decoder weights that stay, one after the other."""
BRANCH, BETAS = 0.08, (0.5, 2.0)
"""At which share of the encoder the pruned model goes on at which other betas."""
BITS = (8, 6, 4)
THRESHOLDS = (0.0, 0.2, 0.3)
ALLOWED = 1.01
"""The point to take: the fewest joules at no more than 1% worse -ELBO than a dense network's trained for as long."""


def points_of(model: Any, dataset: Any, label: dict[str, Any], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure one model at every choice of the conversion."""
    points = []
    for bits in BITS:
        network: Network = convert(model, dataset.calibration(), QuantizeConfig(weight_bits=bits))
        for threshold in THRESHOLDS:
            if bits != BITS[0] and threshold != THRESHOLDS[1]:
                continue
            point, _, _ = priced(
                model,
                with_event_inputs(network, threshold),
                dataset,
                hardware=options.hardware,
                samples=options.samples,
            )
            points.append({**label, "bits": bits, "threshold": threshold, **point})
            print(
                f"{label} {bits} bits, threshold {threshold:g}: -ELBO {point['nelbo']:.2f}, "
                f"{point['event_synops']:.0f} synops, {1e9 * point['joules']['value']:.1f} nJ",
                flush=True,
            )
    return points


def front(options: argparse.Namespace) -> dict[str, Any]:
    """Train, prune and measure."""
    from spiking_pvae.config import TrainConfig
    from spiking_pvae.data import load
    from spiking_pvae.model import PoissonVAE
    from spiking_pvae.prune_config import PruneConfig
    from spiking_pvae.pruning import prune
    from spiking_pvae.training import fit

    dataset = load(options.data)
    train = TrainConfig(epochs=options.first_epochs, device="cpu")
    model = PoissonVAE(replace(PLAIN, latents=options.latents), dataset.shape)
    fit(model, dataset, train)
    points = points_of(model, dataset, {"encoder_keep": 1.0, "decoder_keep": 1.0}, options)
    for encoder, decoder in STEPS:
        config = PruneConfig(encoder_keep=encoder, decoder_keep=decoder, epochs=options.epochs)
        prune(model, dataset, train, config)
        label = {"encoder_keep": encoder, "decoder_keep": decoder}
        points += points_of(model, dataset, label, options)
        if encoder == BRANCH:
            for beta in BETAS:
                other = PoissonVAE(replace(model.config, beta=beta), dataset.shape)
                other.load_state_dict(model.state_dict())
                prune(other, dataset, train, config)
                points += points_of(other, dataset, label, options)
    return {
        "machine": machine(),
        "long": trained_as_long(dataset, options),
        "data": options.data,
        "latents": options.latents,
        "hardware": options.hardware,
        "samples": options.samples,
        "first_epochs": options.first_epochs,
        "epochs": options.epochs,
        "points": points,
    }


def trained_as_long(dataset: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Train a dense network for as many epochs as the point to take has behind it, and measure it at 8 bits."""
    from spiking_pvae.config import TrainConfig
    from spiking_pvae.model import PoissonVAE
    from spiking_pvae.training import fit

    steps = [encoder for encoder, _ in STEPS].index(BRANCH) + 1
    epochs = options.first_epochs + steps * options.epochs
    model = PoissonVAE(replace(PLAIN, latents=options.latents), dataset.shape)
    fit(model, dataset, TrainConfig(epochs=epochs, device="cpu"))
    point, _, _ = measure(model, dataset, hardware=options.hardware, samples=options.samples)
    return {"epochs": epochs, **point}


def shares(point: dict[str, Any]) -> tuple[float, float]:
    """Return the decoder's share of synops, and the latents' and decoder's of the joules.

    The joules are all but those of the input's messages and what these cause.
    """
    joules = float(point["joules"]["value"])
    return point["decoder_synops"] / point["event_synops"], 1 - point["encoder_joules"] / joules


def recommended(result: dict[str, Any]) -> dict[str, Any]:
    """Return the point of fewest joules within the allowed -ELBO, at beta = 1, with a third for latents and decoder."""
    limit = ALLOWED * result["long"]["nelbo"]
    fitting = [p for p in result["points"] if p["beta"] == 1 and p["nelbo"] <= limit and min(shares(p)) >= 1 / 3]
    return min(fitting, key=lambda point: point["joules"]["value"])


def document(result: dict[str, Any]) -> str:
    """Build the page."""
    points = result["points"]
    dense, best = result["long"], recommended(result)
    joules = dense["joules"]["value"]
    head = [
        *("beta", "encoder kept", "decoder kept", "bits", "input threshold", "-ELBO", "change", "synops", "of dense"),
        *("nJ", "of dense", "decoder's share of synops", "latents' and decoder's share of joules", ""),
    ]
    rows = [
        [
            f"{p['beta']:g}",
            f"{100 * p['encoder_keep']:g}%",
            f"{100 * p['decoder_keep']:g}%",
            f"{p['bits']}",
            f"{p['threshold']:g}",
            f"{p['nelbo']:.2f}",
            _change(p, dense),
            f"{p['event_synops']:,.0f}",
            f"1/{dense['event_synops'] / p['event_synops']:.1f}",
            f"{1e9 * p['joules']['value']:.1f}",
            f"1/{joules / p['joules']['value']:.1f}",
            *(f"{100 * share:.0f}%" for share in shares(p)),
            "**take this**" if p is best else "",
        ]
        for p in points
    ]
    return "\n".join(
        [
            "# -ELBO against joules",
            "",
            f"`{result['data']}`, K = {result['latents']}, linear encoder and decoder, priced with "
            f"`{result['hardware']}` on {result['samples']} held-out images; "
            "-ELBO of the integer network on all of them. The dense model was "
            f"trained for {result['first_epochs']} epochs; every pruning step continues from the one before for "
            f"{result['epochs']} epochs. Changes and ratios are against a dense network at 8 bits that was trained for "
            f"{dense['epochs']} epochs, longer than the point to take: -ELBO {dense['nelbo']:.2f}, "
            f"{dense['event_synops']:,.0f} synaptic operations, {1e9 * joules:.0f} nJ. Inputs below the threshold (in "
            "standard deviations of a pixel) are silent.",
            "",
            provenance(result["machine"]),
            "",
            "![-ELBO against joules](front.png)",
            "",
            "## The point to take",
            "",
            f"Prune to {100 * best['encoder_keep']:g}% of the encoder and {100 * best['decoder_keep']:g}% of the "
            f"decoder, convert to {best['bits']} bits with inputs below {best['threshold']:g} silent: "
            f"-ELBO {best['nelbo']:.2f} "
            f"({_change(best, dense)} against the dense network), "
            f"1/{dense['event_synops'] / best['event_synops']:.1f} of its synaptic operations and "
            f"1/{joules / best['joules']['value']:.1f} of its joules.",
            "",
            "```console",
            f"$ spiking-pvae train {' '.join(PLAIN_OPTIONS)} --epochs {result['first_epochs']} --out runs/dense",
            *_prunings(result, best),
            f"$ spiking-pvae convert runs/pruned-{100 * best['encoder_keep']:g} --weight-bits {best['bits']} "
            f"--input-threshold {best['threshold']:g} --out runs/network",
            "```",
            "",
            "## All points",
            "",
            *("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)),
            "",
        ]
    )


def _prunings(result: dict[str, Any], best: dict[str, Any]) -> list[str]:
    """Write the commands that lead to a point, one a step."""
    lines, before = [], "runs/dense"
    for encoder, decoder in STEPS:
        after = f"runs/pruned-{100 * encoder:g}"
        lines.append(
            f"$ spiking-pvae prune {before} --encoder-keep {encoder:g} --decoder-keep {decoder:g} "
            f"--epochs {result['epochs']} --out {after}"
        )
        before = after
        if encoder == best["encoder_keep"]:
            break
    return lines


def _change(point: dict[str, Any], dense: dict[str, Any]) -> str:
    if point["beta"] != dense["beta"]:
        return "-"
    return f"{100 * (point['nelbo'] / dense['nelbo'] - 1):+.2f}%"


def draw(result: dict[str, Any], path: Path) -> None:
    """Draw every point, the beta = 1 line of pruning, and the point to take."""
    from matplotlib.figure import Figure

    points = result["points"]
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.subplots()
    markers = {8: "o", 6: "s", 4: "^"}
    colours = {beta: f"C{place}" for place, beta in enumerate(sorted({point["beta"] for point in points}))}
    for (beta, bits), group in _groups(points).items():
        axes.scatter(
            [1e9 * point["joules"]["value"] for point in group],
            [point["nelbo"] for point in group],
            marker=markers[bits],
            color=colours[beta],
            alpha=0.7,
            label=f"beta {beta:g}, {bits} bits",
        )
    best = recommended(result)
    place = (1e9 * best["joules"]["value"], best["nelbo"])
    axes.annotate("take this", place, xytext=(20, 30), textcoords="offset points", arrowprops={"arrowstyle": "->"})
    axes.axhline(ALLOWED * result["long"]["nelbo"], linestyle=":", color="grey", label="dense, 8 bits, +1%")
    axes.set(xscale="log", xlabel=f"nJ an inference, {result['hardware']}", ylabel="-ELBO (integer network)")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)


def _groups(points: list[dict[str, Any]]) -> dict[tuple[float, int], list[dict[str, Any]]]:
    groups: dict[tuple[float, int], list[dict[str, Any]]] = {}
    for point in points:
        groups.setdefault((point["beta"], point["bits"]), []).append(point)
    return groups


if __name__ == "__main__":
    results_page(__doc__, "front", front, document, draw, first_epochs=15, epochs=12, samples=2000)
