"""The page about a sweep: claims, figures, the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spiking_pvae.plots import curves
from spiking_pvae.plots.style import Drawing
from spiking_pvae.quantities import quantity
from spiking_pvae.report.render import Cell, Section, Table, Tile, render
from spiking_pvae.sweep.claims import Claim
from spiking_pvae.sweep.results import Row


def sweep_page(
    rows: Sequence[Row],
    claims: Sequence[Claim],
    drawings: Mapping[str, Sequence[Drawing]],
    provenance: Mapping[str, str],
) -> str:
    """Return the page.

    Parameters
    ----------
    rows : sequence of mapping
        Results table.
    claims : sequence of Claim
    drawings : mapping
        Of `plots.sweep.sweep_drawings`.
    provenance : mapping of str to str
    """
    done = [row for row in rows if row["status"] == "done"]
    failed = [row for row in rows if row["status"] == "failed"]
    waiting = len(rows) - len(done) - len(failed)
    missed = f"{len(failed)} failed" + (f", {waiting} not reached: the sweep was stopped" if waiting else "")
    held = sum(claim.holds is True for claim in claims)
    judged = sum(claim.holds is not None for claim in claims)
    models = curves.families(rows)
    sections = [
        Section(
            anchor="summary",
            title="Summary",
            tiles=[
                Tile(label="Points", value=f"{len(done)} of {len(rows)}", note=missed),
                Tile(label="Claims that hold", value=f"{held} of {judged}", note=f"{len(claims) - judged} not judged"),
                Tile(label="Families", value=str(len(models)), note=", ".join(curves.LABELS[m] for m in models)),
                *_extremes(done),
            ],
        ),
        Section(
            anchor="claims",
            title="Claims",
            text="What the paper claims and what this table says, with the number. Nothing is left out.",
            tables=[
                Table(
                    caption="Claims",
                    columns=("claim", "verdict", "by which number"),
                    rows=[(claim.statement, claim.verdict, claim.finding) for claim in claims],
                )
            ],
        ),
        Section(
            anchor="figures",
            title="Activity, silence and joules",
            text="Every figure of the paper beside its counterpart in joules. Point at a marker for its numbers.",
            drawings=drawings["results"],
        ),
        Section(anchor="fronts", title="Rate, distortion, energy", drawings=drawings["front"]),
        Section(
            anchor="theory",
            title="The figures that need no model",
            text="Joules here are those of a message and its synaptic operations, hops left out.",
            drawings=drawings["theory"],
        ),
        Section(anchor="table", title="The table", tables=[_table(done)]),
    ]
    if failed:
        rows_failed = [(_name(row), str(row["reason"])) for row in failed]
        failures = Table(caption="Points that failed", columns=("point", "reason"), rows=rows_failed)
        sections.append(Section(anchor="failures", title="Failures", tables=[failures]))
    lines = Table(caption="Where this comes from", columns=("", "value"), rows=list(provenance.items()))
    sections.append(Section(anchor="provenance", title="Provenance", tables=[lines]))
    betas, sizes = sorted({row["beta"] for row in rows}), sorted({row["latents"] for row in rows})
    subtitle = f"beta {', '.join(f'{b:g}' for b in betas)}; K {', '.join(map(str, sizes))}"
    return render("Metabolic cost over beta and K", subtitle, sections)


def _name(row: Row) -> str:
    return f"{row['model']} K {row['latents']} beta {row['beta']:g} seed {row['seed']} ({row['start']})"


def _extremes(done: Sequence[Row]) -> list[Tile]:
    poisson = [row for row in done if row["model"] == "poisson" and row["start"] != "cold"]
    if not poisson:
        return []
    low, high = (pick(poisson, key=lambda row: row["latent_joules"]) for pick in (min, max))
    return [
        Tile(label="Latents cost least", value=quantity(low["latent_joules"], "J"), note=_name(low)),
        Tile(label="and most", value=quantity(high["latent_joules"], "J"), note=_name(high)),
    ]


def _table(done: Sequence[Row]) -> Table:
    shown: tuple[tuple[str, str, str], ...] = (
        ("latents", "K", "d"),
        ("beta", "β", "g"),
        ("seed", "seed", "d"),
        ("mse", "squared error", ".1f"),
        ("kl", "KL (nats)", ".3g"),
        ("metabolic_cost", "MC", ".3g"),
        ("proportion_zeros", "PZ", ".4f"),
        ("spikes_per_inference", "activity", ".3g"),
        ("r2", "R²", ".3f"),
    )

    def cells(row: Row) -> list[Cell | str]:
        numbers: list[Cell | str] = [_cell(row[column], form) for column, _, form in shown]
        joules = [Cell(text=quantity(row[name], "J"), key=row[name]) for name in ("latent_joules", "joules")]
        label = curves.LABELS[row["model"]] + ("" if row["start"] != "cold" else ", trained anew")
        return [label, *numbers, *joules]

    columns = ("family", *(label for _, label, _ in shown), "latents' energy", "energy")
    return Table(caption="Finished points", columns=columns, rows=[cells(row) for row in done], sortable=True)


def _cell(value: Any, form: str) -> Cell:
    return Cell(text="-") if value is None else Cell(text=format(value, form), key=value)
