"""The paper's claims, and ours about the method, each judged against a results table with its number.

A claim holds, does not hold, or can't be judged from the table it is given; the sentence says by which figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from spiking_pvae.energy import regress
from spiking_pvae.sweep.results import Row

REFERENCE_LATENTS = 512
FALL = 30.0
FALL_BETAS = (0.01, 8.0)
CONTINUATION_TOLERANCE = 0.01

Curve = list[Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim and what the table says of it.

    Parameters
    ----------
    name : str
    statement : str
        What is claimed.
    holds : bool, optional
        None where the table can't tell.
    finding : str
        The number behind it.
    """

    name: str
    statement: str
    holds: bool | None
    finding: str

    @property
    def verdict(self) -> str:
        """Return the verdict in words."""
        return "cannot be judged" if self.holds is None else "holds" if self.holds else "does not hold"

    def to_json(self) -> dict[str, Any]:
        """Return the claim by name, with its verdict."""
        return {**asdict(self), "verdict": self.verdict}


def curves_of(rows: Iterable[Row], model: str) -> dict[tuple[int, int], Curve]:
    """Return the finished curves of a family along beta by (K, seed), without the checks."""
    found: dict[tuple[int, int], Curve] = {}
    for row in rows:
        if row["model"] == model and row["status"] == "done" and row["start"] != "cold":
            found.setdefault((row["latents"], row["seed"]), []).append(row)
    return {key: sorted(curve, key=lambda r: r["beta"]) for key, curve in sorted(found.items())}


def _where(failures: Sequence[str], otherwise: str) -> str:
    if not failures:
        return otherwise
    more = f" and {len(failures) - 3} more" if len(failures) > 3 else ""
    return f"fails at {'; '.join(failures[:3])}{more}"


def _trend(
    curves: dict[tuple[int, int], Curve],
    column: str,
    sign: int,
    *,
    name: str,
    statement: str,
    keep: Callable[[Row], bool] = lambda _: True,
) -> Claim:
    """Judge whether a column changes in the direction of `sign` at every step along beta; not, where no step is."""
    steps = [
        (latents, a, b)
        for (latents, _), curve in curves.items()
        for a, b in pairwise(row for row in curve if keep(row))
    ]
    against = [
        f"K {latents}, beta {a['beta']:g} to {b['beta']:g}: {a[column]:.4g} to {b[column]:.4g}"
        for latents, a, b in steps
        if sign * (b[column] - a[column]) <= 0
    ]
    way = "upward" if sign > 0 else "downward"
    return Claim(
        name=name,
        statement=statement,
        holds=not against if steps else None,
        finding=_where(against, f"{len(steps)} steps along beta, all {way}" if steps else "no two points of a curve"),
    )


def _ratio(one: float, other: float) -> float:
    return one / other if other else float("inf")


def _falls(poisson: dict[tuple[int, int], Curve]) -> list[Claim]:
    judged, found = [], []
    for (latents, _), curve in poisson.items():
        at = {row["beta"]: row["metabolic_cost"] for row in curve}
        whole = all(beta in at for beta in FALL_BETAS)
        low, high = FALL_BETAS if whole else (min(at), max(at))
        ratio = _ratio(at[low], at[high])
        only = "" if whole else f" from {low:g} to {high:g} only"
        found.append(f"K {latents}: {ratio:.3g}x{only}")
        if latents == REFERENCE_LATENTS:
            judged.append(ratio > FALL if whole else None)
    span = f"from beta {FALL_BETAS[0]:g} to {FALL_BETAS[1]:g}"
    return [
        _trend(
            poisson,
            "metabolic_cost",
            -1,
            name="mc-falls",
            statement="The metabolic cost of the P-VAE falls monotonically with beta at every K.",
        ),
        Claim(
            name="mc-factor",
            statement=f"At K = {REFERENCE_LATENTS} it falls by more than a factor {FALL:g} {span}.",
            holds=all(judged) if judged and None not in judged else None,
            finding=f"{span}: {', '.join(found)}",
        ),
    ]


def _larger(poisson: dict[tuple[int, int], Curve]) -> Claim:
    """Compare the zeros of neighbouring K, at each seed and each beta that both reached."""
    fails, compared = [], 0
    at = sorted(poisson.items(), key=lambda item: item[0][::-1])  # by seed, then K
    for ((small, seed), a), ((large, other), b) in pairwise(at):
        if seed != other:
            continue
        silent = {row["beta"]: row["proportion_zeros"] for row in b}
        for row in a:
            if row["beta"] < 0.5 or row["beta"] not in silent:
                continue
            compared += 1
            if silent[row["beta"]] <= row["proportion_zeros"]:
                values = f"{row['proportion_zeros']:.4f} against {silent[row['beta']]:.4f}"
                fails.append(f"beta {row['beta']:g}, K {small} against {large}: {values}")
    return Claim(
        name="pz-larger-k",
        statement="The proportion of zeros is higher for larger K (beta >= 0.5).",
        holds=not fails if compared else None,
        finding=_where(fails, f"{compared} comparisons of neighbouring K"),
    )


def _silence(poisson: dict[tuple[int, int], Curve]) -> list[Claim]:
    return [
        _trend(
            poisson,
            "proportion_zeros",
            +1,
            name="pz-rises",
            statement="The proportion of zeros of the P-VAE rises with beta for beta >= 0.5.",
            keep=lambda row: row["beta"] >= 0.5,
        ),
        _trend(
            poisson,
            "proportion_zeros",
            +1,
            name="pz-small-beta",
            statement="Below beta 0.5 it rises as well (the paper does not claim it).",
            keep=lambda row: row["beta"] <= 0.5,
        ),
        _larger(poisson),
    ]


def _control(rows: Sequence[Row], model: str, label: str) -> list[Claim]:
    curves = curves_of(rows, model)
    zeros = [row["proportion_zeros"] for curve in curves.values() for row in curve if row["beta"] >= 1]
    costs = [[row["metabolic_cost"] for row in curve] for curve in curves.values() if len(curve) > 1]
    ratios = [_ratio(max(cost), min(cost)) for cost in costs]
    if not curves:
        return []
    plateau = bool(zeros) and min(zeros) >= 0.49 and max(zeros) <= 0.51
    return [
        Claim(
            name=f"{model}-half",
            statement=f"{label}: the proportion of zeros lies within 0.49 .. 0.51 for beta >= 1.",
            holds=plateau if zeros else None,
            finding=f"{min(zeros):.4f} .. {max(zeros):.4f}" if zeros else "no such point",
        ),
        Claim(
            name=f"{model}-flat",
            statement=f"{label}: the metabolic cost stays flat (within a factor 2 over all betas).",
            holds=max(ratios) < 2 if ratios else None,
            finding=f"largest over smallest, by curve: {', '.join(f'{r:.3g}' for r in ratios) or 'none of two points'}",
        ),
    ]


def _method(rows: Sequence[Row]) -> list[Claim]:
    done = [row for row in rows if row["status"] == "done"]
    claims = [
        _trend(
            curves_of(done, model),
            "mse",
            +1,
            name=f"{model}-mse",
            statement=f"Reconstruction gets worse with beta ({model}).",
        )
        for model in sorted({row["model"] for row in done})
    ]
    silent = [row for row in done if row["objective"] > row["silent_objective"]]
    claims.append(
        Claim(
            name="better-than-silence",
            statement="No model is beaten by an all-silent one (decoding nothing, KL 0).",
            holds=not silent if done else None,
            finding=_where(
                [f"{r['model']} K {r['latents']} beta {r['beta']:g}: {r['objective']:.1f}" for r in silent],
                f"largest objective over that of silence: "
                f"{max((r['objective'] / r['silent_objective'] for r in done), default=float('nan')):.3f}",
            ),
        )
    )
    changes = list(_continuation(done))
    claims.append(
        Claim(
            name="continuation",
            statement=f"Points reached along beta are at most {CONTINUATION_TOLERANCE:.0%} worse than trained anew.",
            holds=all(change <= CONTINUATION_TOLERANCE for _, change in changes) if changes else None,
            finding=", ".join(f"{name}: {change:+.2%}" for name, change in changes) or "no point was checked",
        )
    )
    return claims


def _continuation(done: Sequence[Row]) -> Iterable[tuple[str, float]]:
    """Yield the relative change of the objective by continuation at every checked point."""
    key = ("model", "latents", "beta", "seed")
    reached = {tuple(row[k] for k in key): row["objective"] for row in done if row["start"] != "cold"}
    for row in done:
        at = tuple(row[k] for k in key)
        if row["start"] == "cold" and at in reached:
            yield f"{row['model']} K {row['latents']} beta {row['beta']:g}", reached[at] / row["objective"] - 1


def _joules(rows: Sequence[Row]) -> list[Claim]:
    poisson = curves_of(rows, "poisson")
    if not poisson:
        return []
    findings, positive = [], []
    for (latents, _), curve in poisson.items():
        nats = [row["kl"] for row in curve]
        if len(nats) > 2 and max(nats) > min(nats):
            found = regress(nats, [row["latent_joules"] for row in curve])
            low, high = found.slope_ci95
            findings.append(f"K {latents}: {found.slope * 1e9:.3g} ({low * 1e9:.3g} .. {high * 1e9:.3g}) nJ a nat")
            positive.append(low > 0)
    shares = [row["latent_joules"] / row["joules"] for curve in poisson.values() for row in curve]
    return [
        _trend(
            poisson,
            "latent_joules",
            -1,
            name="joules-fall",
            statement="The joules that the P-VAE's latents cause fall monotonically with beta.",
        ),
        Claim(
            name="joules-follow-nats",
            statement="Along beta these joules rise with the KL (95% interval of the slope above 0 at every K).",
            holds=all(positive) if positive else None,
            finding="; ".join(findings) or "too few points",
        ),
        Claim(
            name="latents-dominate",
            statement="The part of an inference's energy that beta can steer is the larger part somewhere.",
            holds=max(shares) > 0.5,
            finding=f"share that the latents cause: {min(shares):.2%} .. {max(shares):.2%}",
        ),
    ]


def judge(rows: Sequence[Row]) -> tuple[Claim, ...]:
    """Judge every claim against a results table."""
    poisson = curves_of(rows, "poisson")
    claims = [*_falls(poisson), *_silence(poisson)] if poisson else []
    claims += _control(rows, "grelu", "G_relu, prior fixed")
    claims += _control(rows, "grelu-learned", "G_relu, prior learned")
    return (*claims, *_joules(rows), *_method(rows))
