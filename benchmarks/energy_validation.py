"""Write docs/reference/energy-validation.md: predicted beside published energy of silicon.

python benchmarks/energy_validation.py
"""

from __future__ import annotations

from pathlib import Path

from spiking_pvae.energy.validation import WITHIN, Outcome, validate

DOCUMENT = Path(__file__).parents[1] / "docs" / "reference" / "energy-validation.md"

HEAD = """# Energy estimates beside published silicon

Written by `python benchmarks/energy_validation.py`; the tests check that it is current and that every fit and every
prediction is within {within:.0%} of what was measured.

Each row takes the counts that a publication states, prices them with a preset exactly as an estimate of a network
does, and compares.

- **fit**: the preset's prices were derived from measurements that include this point; the row tests the form of the
  model.
- **prediction**: the prices are independent of the measurement.
- **contrast**: another source's prices on the same counts. SANA-FE's synaptic operation is a regression on other
  networks and overestimates this one; the band of `loihi_davies2018` reaches up to it.
- **misuse**: an all-in figure (a whole chip's power divided by its events at one operating point) used at another
  point. Adding anything to such a figure is refused.

"""
TAIL = """
Not predicted: Loihi's 2.5 uJ an MNIST inference (400-400-10) and 0.27 mJ a keyword (390-256-256-29; Blouw 2019). Their
publications give the energy without the number of spikes and steps, so a comparison would have a free parameter.

The publications themselves were not at hand: the measured figures, and the counts behind them, are as quoted from them
in github.com/dyigitpolat/mimarsinan, docs/research/physics. `spiking-pvae hardware NAME` says the same of every price.
"""


def row(outcome: Outcome) -> str:
    """Write one line of the table."""
    case, band = outcome.case, outcome.predicted
    scale, unit = (1e3, f"m{case.unit}")
    return (
        f"| {case.name} | `{case.preset}` | {case.kind} | {band.value * scale:.4g} "
        f"({band.low * scale:.4g} .. {band.high * scale:.4g}) {unit} | {case.published * scale:.4g} {unit} | "
        f"{outcome.error:+.1%} | {case.source}{'; ' + case.remark if case.remark else ''} |"
    )


def document() -> str:
    """Build the whole page."""
    head = "| case | prices | kind | predicted (band) | published | error | source |\n|---|---|---|---|---|---|---|\n"
    return HEAD.format(within=WITHIN) + head + "\n".join(map(row, validate())) + "\n" + TAIL


if __name__ == "__main__":
    DOCUMENT.write_text(document(), encoding="utf-8")
    print(document())
