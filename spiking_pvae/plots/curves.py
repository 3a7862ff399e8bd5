"""Figures 4 and 5 and the pie chart of the paper, from a sweep's results table; each with its joules beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from spiking_pvae.plots.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    WIDTH,
    Drawing,
    panels,
    plain_log,
    plain_log_ticks,
    shades,
    styled,
)
from spiking_pvae.sweep.claims import REFERENCE_LATENTS, curves_of
from spiking_pvae.sweep.results import Row

LABELS = {
    "poisson": "P-VAE",
    "grelu": "G_relu, prior fixed",
    "grelu-learned": "G_relu, prior learned",
}
Measure = Callable[[Row], float]
LEAST_NATS = 1e-3


def families(rows: Sequence[Row]) -> list[str]:
    """Return the families with a finished point on a curve, in the order of the legend."""
    return [model for model in LABELS if curves_of(rows, model)]


def _by_family(
    rows: Sequence[Row], empty: Drawing, x: Measure, y: Measure, hover: Callable[[Row], str]
) -> tuple[Drawing, list[Axes]]:
    """Fill a drawing with one panel a family, a curve for each K and seed; a K has one colour in all of them."""
    models = families(rows)
    found = {model: curves_of(rows, model) for model in models}
    sizes = sorted({latents for curves in found.values() for latents, _ in curves})
    colours = dict(zip(sizes, shades(len(sizes)), strict=True))
    figure, axes = panels(1, len(models), sharey=True)
    hovers: dict[str, Sequence[str]] = {}
    lines: dict[int, Line2D] = {}
    for axis, model in zip(axes, models, strict=True):
        for (latents, seed), curve in found[model].items():
            gid = f"{empty.name}-{model}-{latents}-{seed}"
            values = [x(row) for row in curve], [y(row) for row in curve]
            (line,) = axis.plot(*values, "o-", color=colours[latents], gid=gid)
            lines.setdefault(latents, line)
            hovers[gid] = [f"K {latents}, beta {row['beta']:g}: {hover(row)}" for row in curve]
        axis.set_title(LABELS[model])
    legend = [lines[latents] for latents in sizes], [f"K = {latents}" for latents in sizes]
    figure.legend(*legend, loc="outside lower center", ncols=min(4, len(sizes)))
    return replace(empty, figure=figure, hovers=hovers), axes


def _against_beta(rows: Sequence[Row], measure: Measure, label: str, empty: Drawing, *, log: bool) -> Drawing:
    """Fill a drawing with all curves over beta."""
    drawing, axes = _by_family(rows, empty, lambda row: row["beta"], measure, lambda row: f"{measure(row):.4g}")
    betas = sorted({row["beta"] for model in families(rows) for c in curves_of(rows, model).values() for row in c})
    for axis in axes:
        axis.set_xscale("log")
        plain_log_ticks(axis, "x", betas)
        axis.tick_params(axis="x", labelsize=7)
        axis.set(xlabel="β", ylabel=label)
        if log:
            plain_log(axis)
    return drawing


def _empty(name: str, title: str, text: str) -> Drawing:
    return Drawing(name=name, title=title, text=text, figure=Figure())


@styled
def figure_4(rows: Sequence[Row]) -> tuple[Drawing, Drawing]:
    """Draw the metabolic cost against beta for each K; the joules that the latents cause."""
    cost = _empty(
        "figure-4-metabolic-cost",
        "Figure 4. Metabolic cost against beta",
        "Mean activity of a latent against beta, one curve for each number of latents, one panel for each family.",
    )
    joules = _empty(
        "figure-4-joules",
        "Figure 4, in joules",
        "Energy that the latents' messages cause in an inference, against beta.",
    )
    return (
        _against_beta(rows, lambda row: row["metabolic_cost"], "mean activity of a latent", cost, log=True),
        _against_beta(rows, lambda row: row["latent_joules"] * 1e9, "latents, nJ an inference", joules, log=True),
    )


def _latents_share(row: Row) -> float:
    share: float = row["latent_joules"] / row["joules"]
    return share


@styled
def figure_5(rows: Sequence[Row]) -> tuple[Drawing, Drawing]:
    """Draw the proportion of zeros against beta for each K; the share of the energy that the latents cause."""
    zeros = _empty(
        "figure-5-zeros",
        "Figure 5. Proportion of zeros against beta",
        "Share of silent latents against beta, one curve for each number of latents, one panel for each family.",
    )
    share = _empty(
        "figure-5-joules",
        "Figure 5, in joules",
        "Share of an inference's energy that the latents' messages cause: the part that beta can steer.",
    )
    return (
        _against_beta(rows, lambda row: row["proportion_zeros"], "proportion of zeros", zeros, log=False),
        _against_beta(
            rows, lambda row: row["latent_joules"] / row["joules"], "latents' share of joules", share, log=True
        ),
    )


@styled
def pie(rows: Sequence[Row]) -> tuple[Drawing, Drawing]:
    """Draw the zeros at K = 512 (or the largest K) for some betas; the latents' share of the joules likewise."""
    models = families(rows)
    found = {model: curves_of(rows, model) for model in models}
    sizes = {latents for curves in found.values() for latents, _ in curves}
    latents = REFERENCE_LATENTS if REFERENCE_LATENTS in sizes else max(sizes)
    curves = {model: next((c for (k, _), c in found[model].items() if k == latents), []) for model in models}
    betas = sorted({row["beta"] for curve in curves.values() for row in curve})
    chosen = sorted({betas[0], betas[len(betas) // 2], betas[-1]})

    def draw(empty: Drawing, measure: Measure, labels: tuple[str, str], colour: str) -> Drawing:
        figure, axes = panels(len(chosen), len(models), width=WIDTH / max(2, len(chosen)), height=1.9)
        figure.set_layout_engine("constrained", h_pad=0.12)  # titles of two lines reach over the edge by default
        for index, axis in enumerate(axes):
            model, beta = models[index // len(chosen)], chosen[index % len(chosen)]
            row = next((row for row in curves[model] if row["beta"] == beta), None)
            axis.set_axis_off()
            if row is None:
                axis.set_title(f"{LABELS[model]}\nβ = {beta:g}: not reached", fontsize=8)
                continue
            share = measure(row)
            axis.pie([share, 1 - share], colors=[colour, f"{GREY}66"], startangle=90, counterclock=False)
            axis.set_title(f"{LABELS[model]}\nβ = {beta:g}: {share:.1%}", fontsize=8)
        figure.supxlabel(f"K = {latents}; {labels[0]} in colour, {labels[1]} in grey", fontsize=8, color=INK)
        return replace(empty, figure=figure)

    zeros = draw(
        _empty(
            "pie-zeros",
            f"Zeros at K = {latents}",
            "Share of latents that are silent in an inference, for some betas and each family.",
        ),
        lambda row: row["proportion_zeros"],
        ("silent", "active"),
        BLUE,
    )
    joules = draw(
        _empty(
            "pie-joules",
            f"Joules at K = {latents}",
            "Share of an inference's energy that the latents' messages cause, for some betas and each family.",
        ),
        _latents_share,
        ("caused by latents", "the rest"),
        ORANGE,
    )
    return zeros, joules


def _against_nats(rows: Sequence[Row], measure: Measure, label: str, empty: Drawing) -> Drawing:
    """Fill a drawing with all curves over the KL."""

    def nats(row: Row) -> float:
        kl: float = row["kl"]
        return max(kl, LEAST_NATS)

    drawing, axes = _by_family(rows, empty, nats, measure, lambda row: f"{nats(row):.3g} nats, {measure(row):.3g}")
    for axis in axes:
        plain_log(axis, "x")
        plain_log(axis)
        axis.set(xlabel="KL (nats an inference)", ylabel=label)
    return drawing


@styled
def front(rows: Sequence[Row]) -> tuple[Drawing, Drawing]:
    """Draw the reconstruction error against nats, and the latents' joules against nats, along the curves."""
    distortion = _empty(
        "front-distortion",
        "Rate and distortion",
        "Reconstruction error against the KL, along each curve over beta.",
    )
    joules = _empty(
        "front-joules",
        "KL against joules",
        "Energy that the latents cause against the KL, along each curve over beta.",
    )
    return (
        _against_nats(rows, lambda row: row["mse"], "squared error of an image", distortion),
        _against_nats(rows, lambda row: row["latent_joules"] * 1e9, "latents, nJ an inference", joules),
    )
