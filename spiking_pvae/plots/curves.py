"""Figures 4 and 5 and the pie chart of the paper, from a sweep's results table; each with its joules beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from spiking_pvae.sweep.claims import REFERENCE_LATENTS, Curve, curves_of
from spiking_pvae.sweep.results import Row

LABELS = {
    "poisson": "P-VAE",
    "grelu": "G_relu, prior fixed",
    "grelu-learned": "G_relu, prior learned",
}
Measure = Callable[[Row], float]
LEAST_NATS = 1e-3


def families(rows: Sequence[Row]) -> list[str]:
    """Return the families with a finished point, in the order of the legend."""
    present = {row["model"] for row in rows if row["status"] == "done"}
    return [model for model in LABELS if model in present]


def _against_beta(axes: Axes, curves: dict[tuple[int, int], Curve], measure: Measure, gid: str) -> dict[str, list[str]]:
    sizes = sorted({latents for latents, _ in curves})
    colours = dict(zip(sizes, shades(len(sizes)), strict=True))
    hovers: dict[str, list[str]] = {}
    for (latents, seed), curve in curves.items():
        betas, values = [row["beta"] for row in curve], [measure(row) for row in curve]
        label = f"K = {latents}" if seed == min(s for k, s in curves if k == latents) else None
        (line,) = axes.plot(betas, values, "o-", color=colours[latents], label=label)
        line.set_gid(f"{gid}-{latents}-{seed}")
        hovers[f"{gid}-{latents}-{seed}"] = [
            f"K {latents}, beta {beta:g}: {value:.4g}" for beta, value in zip(betas, values, strict=True)
        ]
    axes.set_xscale("log")
    plain_log_ticks(axes, "x", sorted({row["beta"] for curve in curves.values() for row in curve}))
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("β")
    return hovers


def _by_family(rows: Sequence[Row], measure: Measure, label: str, empty: Drawing, *, log: bool) -> Drawing:
    """Fill a drawing with one panel a family, all curves over beta."""
    models = families(rows)
    figure, axes = panels(1, len(models), sharey=True)
    hovers: dict[str, Sequence[str]] = {}
    for axis, model in zip(axes, models, strict=True):
        hovers |= _against_beta(axis, curves_of(rows, model), measure, f"{empty.name}-{model}")
        axis.set_title(LABELS[model])
        axis.set_ylabel(label)
        if log:
            plain_log(axis)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
    return replace(empty, figure=figure, hovers=hovers)


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
        _by_family(rows, lambda row: row["metabolic_cost"], "mean activity of a latent", cost, log=True),
        _by_family(rows, lambda row: row["latent_joules"] * 1e9, "latents, nJ an inference", joules, log=True),
    )


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
        _by_family(rows, lambda row: row["proportion_zeros"], "proportion of zeros", zeros, log=False),
        _by_family(rows, lambda row: row["latent_joules"] / row["joules"], "latents' share of joules", share, log=True),
    )


@styled
def pie(rows: Sequence[Row]) -> tuple[Drawing, Drawing]:
    """Draw the zeros at K = 512 (or the largest K) for some betas; the latents' share of the joules likewise."""
    models = families(rows)
    sizes = {row["latents"] for row in rows if row["status"] == "done"}
    latents = REFERENCE_LATENTS if REFERENCE_LATENTS in sizes else max(sizes)
    curves = {model: next(c for (k, _), c in curves_of(rows, model).items() if k == latents) for model in models}
    betas = sorted({row["beta"] for curve in curves.values() for row in curve})
    chosen = sorted({betas[0], betas[len(betas) // 2], betas[-1]})

    def draw(empty: Drawing, measure: Measure, labels: tuple[str, str], colour: str) -> Drawing:
        figure, axes = panels(len(chosen), len(models), width=WIDTH / max(2, len(chosen)), height=1.9)
        for index, axis in enumerate(axes):
            model, beta = models[index // len(chosen)], chosen[index % len(chosen)]
            row = next((row for row in curves[model] if row["beta"] == beta), None)
            axis.set_axis_off()
            if row is None:
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
        lambda row: row["latent_joules"] / row["joules"],
        ("caused by latents", "the rest"),
        ORANGE,
    )
    return zeros, joules


def _against_nats(rows: Sequence[Row], measure: Measure, label: str, empty: Drawing) -> Drawing:
    """Fill a drawing with one panel a family, all curves over the KL."""
    models = families(rows)
    figure, axes = panels(1, len(models), sharey=True)
    hovers: dict[str, Sequence[str]] = {}
    for axis, model in zip(axes, models, strict=True):
        curves = curves_of(rows, model)
        for ((latents, seed), curve), colour in zip(curves.items(), shades(len(curves)), strict=True):
            points = [(max(row["kl"], LEAST_NATS), measure(row), row["beta"]) for row in curve]
            gid = f"{empty.name}-{model}-{latents}-{seed}"
            nats, values = [point[0] for point in points], [point[1] for point in points]
            axis.plot(nats, values, "o-", color=colour, label=f"K = {latents}", gid=gid)
            hovers[gid] = [f"K {latents}, beta {beta:g}: {kl:.3g} nats, {value:.3g}" for kl, value, beta in points]
        plain_log(axis, "x")
        plain_log(axis)
        axis.set(xlabel="KL (nats an inference)", ylabel=label, title=LABELS[model])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)))
    return replace(empty, figure=figure, hovers=hovers)


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
