"""How far the integer network is from the float one, on held-out images, and why.

With a linear decoder both are judged by the same exact expectation over the Poisson counts, so that no sampling noise
enters the difference. Another decoder has no closed form: there both draw their counts from the same thresholds
(common random numbers), so that they differ only where the rates do. The standard error of the paired difference over
the images is stated in both cases.

The gap is split by making one change at a time to the float network (`spiking_pvae.deploy.emulate`); what the changes
do together beyond their sum is the interaction. Where the network was fine-tuned, these are the changes that made the
network before it, and what training then changed is a cause of its own. Overflow contributes nothing: a sum that leaves
the membrane is an error, never a wrap.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.agreement import Comparison, LayerAgreement
from spiking_pvae.deploy.emulate import Variant, variants
from spiking_pvae.deploy.floatnet import FloatNetwork, accumulate, flatten
from spiking_pvae.deploy.ir import ExponentialThreshold, Network, Readout
from spiking_pvae.deploy.judge import FIGURES, SEED, Figures, Judged, atoms, draw, join, judge_counts, judge_rates
from spiking_pvae.deploy.reference import LayerOutput
from spiking_pvae.deploy.simulate import runner
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

CHUNK = 500
WORST_LATENTS = 10
CAUSES = ("input_quantisation", "weight_rounding", "threshold_rounding", "clipping", "input_threshold")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fidelity:
    """Float against integer.

    Parameters
    ----------
    samples : int
    float_figures, integer_figures : Figures
    nelbo_change_percent : float
        100 (integer - float) / float.
    standard_error_percent : float
        Standard error of that change over the images, from paired differences.
    expectation : {"exact", "common draws"}
        How the counts were averaged.
    rate_correlation : float
        Pearson correlation of all rates.
    worst_latent_correlation : float
        Least correlation of one latent's rates, over latents that vary.
    gap : dict of str to float
        Change of the -ELBO by cause; the other entries sum to `total`.
    parts : dict of str to dict of str to float
        The same for each figure of `Figures`, by cause.
    layers : tuple of LayerAgreement
        Every layer in order.
    latents : str
        Name of the Poisson layer.
    """

    samples: int
    float_figures: Figures
    integer_figures: Figures
    nelbo_change_percent: float
    standard_error_percent: float
    expectation: Literal["exact", "common draws"]
    gap: dict[str, float]
    parts: dict[str, dict[str, float]]
    layers: tuple[LayerAgreement, ...]
    latents: str

    @property
    def rates(self) -> LayerAgreement:
        """Agreement of the latents' rates."""
        return next(layer for layer in self.layers if layer.name == self.latents)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers under the names of the command line."""
        pairs = {
            f"{name}_{kind}": getattr(figures, name)
            for kind, figures in (("float", self.float_figures), ("integer", self.integer_figures))
            for name in FIGURES
        }
        worst = self.rates.worst(WORST_LATENTS)
        return {
            "samples": self.samples,
            **pairs,
            "nelbo_change_percent": self.nelbo_change_percent,
            "standard_error_percent": self.standard_error_percent,
            "expectation": self.expectation,
            "rate_correlation": self.rates.correlation,
            "worst_latent_correlation": worst[0]["correlation"] if worst else float("nan"),
            "worst_latents": worst,
            "agreement": [
                {"name": layer.name, "correlation": layer.correlation, "relative_error": layer.relative_error}
                for layer in self.layers
            ],
            "gap": self.gap,
            "gap_by_figure": self.parts,
        }


def _compare(
    comparisons: list[Comparison],
    network: Network,
    exact: Variant,
    outputs: tuple[LayerOutput, ...],
    *,
    x: Float64,
    sample: Int64,
) -> Float64:
    """Add one chunk of images to the agreement of every layer; returns the float rates."""
    neuron = network.latent.neuron
    assert isinstance(neuron, ExponentialThreshold)
    rate = np.zeros((0, 0))
    for place, (layer, activation, output) in enumerate(zip(exact.layers, exact.activations, outputs, strict=True)):
        x = activation(accumulate(layer, x))
        if place == exact.latent_index:
            rate = x
            integer = np.ldexp(output.charge.astype(np.float64), -neuron.fraction)
        elif isinstance(network.layers[place].neuron, Readout):
            integer = output.charge * network.layers[place].scale
        else:
            integer = output.counts * network.layers[place].scale
        comparisons[place].add(x, integer)
        if place == exact.latent_index:
            x = draw(rate, neuron, sample)
    return rate


def fidelity(
    source: FloatNetwork,
    network: Network,
    images: FloatArray,
    *,
    untuned: Network | None = None,
    steps: int | None = None,
) -> Fidelity:
    """Compare a float network with the integer network made of it.

    Parameters
    ----------
    source : FloatNetwork
        As it was given to `quantize`.
    network : Network
    images : ndarray of float32, shape (samples, channels, height, width)
        Held-out images.
    untuned : Network, optional
        The network before fine-tuning.
    steps : int, optional
        T of the unary schedule, whose clipping of counts at T is then part of the gap (finite T). The graded schedule
        has none.

    Returns
    -------
    Fidelity

    Raises
    ------
    InputError
        No images, or `steps` below 1.
    """
    if len(images) == 0:
        raise InputError("images", given="none", allowed="at least one")
    if steps is not None and steps < 1:
        raise InputError("unary steps", given=steps, allowed="at least 1")
    neuron = network.latent.neuron
    assert isinstance(neuron, ExponentialThreshold)
    every = variants(source, network if untuned is None else untuned)
    exact = every["exact"]
    made = {"integer": network} | ({} if untuned is None else {"untuned": untuned})
    whole = {name: variants(source, each)["integer"] for name, each in made.items()}
    run = {name: runner(each) for name, each in made.items()}
    energy = {name: atoms(variant) for name, variant in (every | whole).items()}
    comparisons = [Comparison(layer.name) for layer in network.layers]
    parts: dict[str, list[Judged]] = defaultdict(list)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK]
        x, messages = flatten(chunk), network.input.encode(chunk)
        sample = start + np.arange(len(x), dtype=np.int64)
        for name, each in made.items():
            outputs = run[name](messages, seed=SEED, first_sample=start, schedule="graded", steps=1)
            counts = judge_counts(each, x, outputs, exact.latent_index)
            if energy[name] is None:
                parts[name].append(counts)
            else:
                rate = np.ldexp(outputs[exact.latent_index].charge.astype(np.float64), -neuron.fraction)
                parts[name].append(judge_rates(whole[name], x, rate, neuron, sample=sample, energy=energy[name]))
            if name == "integer":
                rate = _compare(comparisons, network, exact, outputs, x=x, sample=sample)
                parts["exact"].append(judge_rates(exact, x, rate, neuron, sample=sample, energy=energy["exact"]))
                parts["graded"].append(counts)
        for cause in CAUSES:
            rate = every[cause].rates(x)
            parts[cause].append(judge_rates(every[cause], x, rate, neuron, sample=sample, energy=energy[cause]))
        if steps is not None:
            unary = run["integer"](messages, seed=SEED, first_sample=start, schedule="unary", steps=steps)
            parts["finite"].append(judge_counts(network, x, unary, exact.latent_index))
    judged = {name: join(chunks) for name, chunks in parts.items()}
    return _report(judged, comparisons, network, exact_expectation=energy["exact"] is not None)


def _standard_error(values: Float64) -> float:
    """Return the standard error of the mean; NaN for a single value."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")


def _report(
    judged: dict[str, Judged], comparisons: list[Comparison], network: Network, *, exact_expectation: bool
) -> Fidelity:
    """Put the figures of every variant together."""
    figures = {name: result.figures for name, result in judged.items()}
    change = judged["integer"].nelbo - judged["exact"].nelbo
    finite = dict.fromkeys(FIGURES, 0.0)
    if "finite" in judged:
        change = change + judged["finite"].nelbo - judged["graded"].nelbo
        finite = {name: getattr(figures["finite"], name) - getattr(figures["graded"], name) for name in FIGURES}
    integer = Figures(**{name: getattr(figures["integer"], name) + finite[name] for name in FIGURES})
    parts = {}
    for name in FIGURES:
        exact = getattr(figures["exact"], name)
        by_cause = {cause: getattr(figures[cause], name) - exact for cause in CAUSES}
        gained = getattr(figures["integer"], name) - getattr(figures["untuned"], name) if "untuned" in figures else 0.0
        by_cause |= {"finite_t": finite[name], "overflow": 0.0, "fine_tuning": gained}
        total = getattr(integer, name) - exact
        parts[name] = {**by_cause, "interaction": total - sum(by_cause.values()), "total": total}
    scale = 100 / figures["exact"].nelbo
    return Fidelity(
        samples=len(change),
        float_figures=figures["exact"],
        integer_figures=integer,
        nelbo_change_percent=parts["nelbo"]["total"] * scale,
        standard_error_percent=_standard_error(change) * abs(scale),
        expectation="exact" if exact_expectation else "common draws",
        gap=parts["nelbo"],
        parts=parts,
        layers=tuple(comparison.result() for comparison in comparisons),
        latents=network.latent.name,
    )
