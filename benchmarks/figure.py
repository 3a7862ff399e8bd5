"""The picture of simulate.py's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")
from matplotlib import pyplot as plt


def draw(result: dict[str, Any], file: Path) -> None:
    """Draw times beside the peers, ratios against density, cost against size, and trained networks."""
    figure, axes = plt.subplots(1, 4, figsize=(20, 4.8), layout="constrained")
    single, batch = result["W1"]
    names = list(single["milliseconds"])
    for shift, (row, label) in enumerate(((single, "1 sample"), (batch, "256 samples, each"))):
        known = [(i, row["milliseconds"][name]) for i, name in enumerate(names) if name in row["milliseconds"]]
        axes[0].bar([i + 0.4 * shift for i, _ in known], [ms / row["samples"] for _, ms in known], 0.4, label=label)
    axes[0].set_xticks([i + 0.2 for i in range(len(names))], names, rotation=30, ha="right")
    axes[0].set(yscale="log", ylabel="ms an inference", title="784 → 512 → 256, 32 steps, 10% input spikes")
    axes[0].legend(loc="upper left")
    for samples, style in ((1, "--"), (256, "-")):
        rows = [row for row in result["density"] if row["samples"] == samples]
        for colour, name in (("C0", "snnTorch"), ("C1", "SpikingJelly")):
            ratios = [row["times_ours"][name] for row in rows]
            axes[1].plot([row["density"] for row in rows], ratios, style, color=colour, label=f"{name}, {samples}")
    axes[1].axhline(1, color="grey", lw=0.8)
    axes[1].set(xscale="log", yscale="log", xlabel="input density", ylabel="time over ours", title="Against density")
    axes[1].legend(title="peer, samples")
    for axis, values in result["scaling"].items():
        sizes, seconds = values["sizes"], values["seconds"]
        label = f"{axis}: exponent {values['exponent']:.2f}, R² of a line {values['r2_of_a_line']:.4f}"
        axes[2].plot([s / sizes[0] for s in sizes], [s / seconds[0] for s in seconds], "o-", label=label)
    axes[2].set(xscale="log", yscale="log", xlabel="size, relative", ylabel="time, relative", title="Cost")
    axes[2].legend()
    ways = list(result["trained"]["linear"][-1]["microseconds_an_inference"])
    for shift, (name, rows) in enumerate(result["trained"].items()):
        times = rows[-1]["microseconds_an_inference"]
        known = [(i, times[way]) for i, way in enumerate(ways) if way in times]
        axes[3].bar([i + 0.4 * shift for i, _ in known], [us for _, us in known], 0.4, label=name)
    axes[3].set_xticks(
        [i + 0.2 for i in range(len(ways))], [w.replace("_", " ") for w in ways], rotation=30, ha="right"
    )
    axes[3].set(yscale="log", ylabel="µs an inference", title="Trained networks, 256 samples, 32 steps")
    axes[3].legend(loc="upper left")
    figure.savefig(file, dpi=110)
    plt.close(figure)
