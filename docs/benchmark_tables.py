"""Tables of the benchmarks' kept results, so that no figure on a page is typed by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (columns, ["---"] * len(columns), *rows)]
    return "\n".join(lines) + "\n"


def _read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    return found


def _row(case: Mapping[str, Any], tools: Sequence[str]) -> list[str]:
    times, ratios = case["milliseconds"], case["times_ours"]
    cells = [f"{times[t]:.3g} ({ratios[t]:.3g}x)" if t in times and t != "ours" else "-" for t in tools]
    return [str(case["samples"]), f"{case['density']:.0%}", f"{times['ours']:.3g}", *cells]


def simulator() -> str:
    """Milliseconds of every simulator, and their ratio to ours."""
    found = _read("simulate.json")
    made = found["machine"]
    tools = [name for name in found["W1"][0]["milliseconds"] if name != "ours"]
    parts = [
        f"Made on {made['date'][:10]} by `{made['command']}` on {made['cores']} cores of {made['processor']}; "
        "milliseconds of one thread for all samples, in brackets how many times ours.",
        "",
    ]
    for title, key in (
        ("784 - 512 - 256 neurons, T = 32", "W1"),
        ("256 - 512 neurons, T = 32", "W2"),
        ("784 - 512 - 256 by the density of the input", "density"),
    ):
        shown = [tool for tool in tools if any(tool in case["milliseconds"] for case in found[key])]
        rows = [_row(case, shown) for case in found[key]]
        parts += [f"{title}:", "", _table(["samples", "input density", "ours, ms", *shown], rows)]
    return "\n".join([*parts, trained(found), limits(found)])


def trained(found: Mapping[str, Any]) -> str:
    """Microseconds of the trained networks, graded beside unary, and their ratio to graded."""
    ours = ("unary_closed_form", "unary_steps", "streaming")
    known = dict.fromkeys(
        way for cases in found["trained"].values() for case in cases for way in case["microseconds_an_inference"]
    )
    ways = (*ours, *(way for way in known if way not in {*ours, "graded"} and not way.startswith("reference")))
    rows = []
    for name, cases in found["trained"].items():
        for case in cases:
            times, ratios = case["microseconds_an_inference"], case["over_graded"]
            cells = [f"{times[way]:.3g} ({ratios[way]['median']:.3g}x)" if way in times else "-" for way in ways]
            reference = f"{times['reference_unary']:.3g} ({case['reference_unary_over_graded']:.3g}x)"
            rows.append([name, str(case["samples"]), f"{times['graded']:.3g}", *cells, reference])
    million = found["million"]
    columns = ["network", "samples", "graded", *(way.replace("_", " ") for way in ways), "reference, unary"]
    return (
        "Networks trained on natural images, T = 32; microseconds an inference, in brackets how many times graded (the "
        f"reference's own graded step for the reference):\n\n{_table(columns, rows)}\n"
        f"A million inferences by `{million['command']}`: {million['seconds']:.3g} s, at most "
        f"{million['peak_bytes'] / 2**20:.0f} MiB.\n"
    )


def limits(found: Mapping[str, Any]) -> str:
    """Say what was wanted and what was reached: ratios, the machine's limit, cost against size."""
    single, batch = (case["times_ours"] for case in found["W1"])
    one, many = (case["over_graded"] for case in found["trained"]["linear"])
    peers = [name for name in many if name in batch]
    nearest = min(peers, key=lambda name: many[name]["median"])
    rates = {name: f"{rate:.3g}" for name, rate in found["limits_1e9_per_second"].items()}
    reached = {name: f"{share:.0%}" for name, share in found["fraction_of_limit"].items()}
    scaling = ", ".join(
        f"{axis} {fit['exponent']:.2f} ({fit['r2_of_a_line']:.4f})" for axis, fit in found["scaling"].items()
    )
    return f"""
What was wanted and what was reached, at 10% input density of 784 - 512 - 256:

| samples | beside | at least | goal | reached |
|---|---|---|---|---|
| 1 | snnTorch | 160x | 260x | {single["snnTorch"]:.0f}x |
| 1 | SpikingJelly | 30x | | {single["SpikingJelly"]:.0f}x |
| 256 | snnTorch | 12x | 20x | {batch["snnTorch"]:.1f}x |
| 256 | SpikingJelly | 2.5x | | {batch["SpikingJelly"]:.1f}x |

A graded step of the trained linear network was to take at most a twentieth of T = 32 steps of single spikes. With 256
samples it takes 1/{many[nearest]["median"]:.0f} of the nearest peer's time ({nearest}) and
1/{many["unary_steps"]["median"]:.1f} of our own event-driven kernel's; with one sample, where both are mostly calls
from the interpreter, 1/{one["unary_steps"]["median"]:.1f} of the latter. The closed form, which computes what the
graded step does, takes as long as that.

The core reads {rates["bytes_read_L1"]}, {rates["bytes_read_L2"]}, {rates["bytes_read_L3"]} and
{rates["bytes_read_DRAM"]} GB/s from the caches L1, L2, L3 and from memory, and does {rates["byte_products"]} billion
products of bytes and {rates["float_products"]} billion of floats a second. At a byte an event, the events of 256
samples reach {reached["L1"]}, {reached["L2"]} and {reached["L3"]} of what the caches deliver. The encoder's products
alone take {found["encoder_products_microseconds"]:.2g} µs of a graded step.

Cost against size, as an exponent (and R² of a straight line): {scaling}.
"""


def constant_input() -> str:
    """Microseconds of a batch whose input is the same in every step, beside snnTorch and other ways of our own."""
    found = _read("constant_input.json")
    made = found["machine"]
    rows = []
    for case in found["rows"]:
        times, whole, first = case["microseconds"], case["times_constant"], case["times_first_layer"]
        rows.append(
            [
                str(case["samples"]),
                str(case["steps"]),
                f"{times['constant']:.3g}",
                f"{times['snnTorch']:.3g} ({whole['snnTorch']['median']:.3g}x)",
                f"{times['first layer']:.3g}",
                *(f"{times[way]:.3g} ({first[way]['median']:.3g}x)" for way in ("sums in every step", "counts alone")),
            ]
        )
    about = (
        f"Made on {made['date']} by `{made['command']}` on {made['cores']} cores of {made['cpu']}; 784 - 512 - 256 "
        "neurons, microseconds of one thread for all samples, in brackets how many times ours or our first layer."
    )
    columns = ["samples", "steps", "ours", f"snnTorch {made['snntorch']}", "first layer", "its sums in every step"]
    return f"{about}\n\n{_table([*columns, 'its counts alone'], rows)}"


def sampler() -> str:
    """Milliseconds of the arrival-time sampler and of a training step with it, beside the rectangular form."""
    found = _read("sampler.json")
    rows = [
        [
            f"{case['mean_rate']:g}",
            str(case["n_exp"]),
            f"{case['rectangular_misses']:.1%}",
            f"{case['rectangular_ms']:.3g}",
            f"{case['sigmoid_ms']:.3g} ({case['ratio_sigmoid']:.3g}x)",
            f"{case['cubic_ms']:.3g} ({case['ratio_cubic']:.3g}x)",
        ]
        for case in found["sampler_alone"]
    ]
    about = (
        f"Made on {found['date']} by `{found['command']}` on {found['cores']} cores of {found['cpu']}; batch "
        f"{found['batch']}, K = {found['latents']}, tau = {found['temperature']:g}; milliseconds of one thread, "
        "forward and backward. The rectangular form draws n_exp arrivals a unit, as the papers' public code does, "
        "and leaves out what comes after them: that share of the expected count."
    )
    columns = ["mean rate", "n_exp", "left out", "rectangular", "fused, sigmoid", "fused, cubic"]
    held = [
        [case["sampler"].replace("_", " "), str(case["batch"]), f"{case['mean_rate']:g}", f"{case['bytes_each']:.3g}"]
        for case in found["memory"]
    ]
    memory = _table(["sampler", "batch", "mean rate", "bytes a latent and sample"], held)
    return f"{about}\n\n{_table(columns, rows)}\nPeak memory of one draw:\n\n{memory}"


def kept(name: str) -> str:
    """Return a page that a benchmark wrote, its title one level lower."""
    return "#" + (RESULTS / name).read_text(encoding="utf-8")


def benchmarks() -> str:
    """Return all tables as one page."""
    parts = ["## The simulator", simulator(), "## A constant input", constant_input()]
    parts += ["## The arrival-time sampler", sampler()]
    parts += [kept(path.name) for path in sorted(RESULTS.glob("*.md"))]
    return "\n".join(parts)
