"""Predictions beside published silicon: what the presets say of three chips whose power was measured.

Each case holds the counts that a publication gives, so that the prediction uses the same `charge` as every estimate.
TrueNorth's and ODIN's prices come from measurements that include these points, so those cases test the model's form;
the Loihi search is a prediction in earnest, from prices published before the silicon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from spiking_pvae.energy.band import Band
from spiking_pvae.energy.library import load_preset
from spiking_pvae.energy.pricing import charge

Kind = Literal["fit", "prediction", "contrast", "misuse"]
WITHIN = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One published measurement.

    Parameters
    ----------
    name : str
        Chip and operating point.
    preset : str
        Prices that predict it.
    kind : {"fit", "prediction", "contrast", "misuse"}
        Whether the prices were derived from measurements like it, are independent of it, or are used against their
        scope to show what that does; "contrast" is another source's prices on the same counts.
    counts : mapping of str to float
        Terms that happened: in one second where the measurement is a power, in one query where it is an energy.
    published : float
        Watts or joules.
    unit : {"W", "J"}
        Which.
    source : str
        Where the measurement is published.
    remark : str
        What the reader should know.
    """

    name: str
    preset: str
    kind: Kind
    counts: Mapping[str, float]
    published: float
    unit: Literal["W", "J"]
    source: str
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A case and its prediction."""

    case: Case
    predicted: Band

    @property
    def error(self) -> float:
        """Relative error of the prediction, signed."""
        return self.predicted.value / self.case.published - 1


AKOPYAN = "Akopyan et al., TrueNorth, IEEE TCAD 34(10), 2015, Fig. 17"
FRENKEL = "Frenkel et al., IEEE TBioCAS 13(1), 2019, section IV-A"
FRADY = "Frady et al., Neuromorphic nearest neighbor search using Intel's Pohoiki Springs, NICE 2020, Table 2"
TRUENORTH_SYNAPSES = 1_048_576 * 128
KNN_NEURONS, KNN_STEPS = 76_800, 60


def _truenorth(hertz: float, watts: float) -> list[Case]:
    synops = TRUENORTH_SYNAPSES * hertz
    point = f"TrueNorth 0.8 V, {hertz:g} Hz"
    return [
        Case(
            name=point,
            preset="truenorth",
            kind="fit",
            counts={"synop": synops, "static_power": 1.0},
            published=watts,
            unit="W",
            source=AKOPYAN,
        ),
        Case(
            name=point,
            preset="truenorth_all_in",
            kind="misuse",
            counts={"synop": synops},
            published=watts,
            unit="W",
            source=AKOPYAN,
            remark="26 pJ holds at the 20 Hz point only: the constant power is in it",
        ),
    ]


def _odin(hertz: float, synops: float, watts: float) -> Case:
    return Case(
        name=f"ODIN 0.55 V, {hertz / 1e6:g} MHz, {synops / 1e6:g} MSOP/s",
        preset="odin",
        kind="fit",
        counts={"synop": synops, "static_power": 1.0, "clock_power": hertz},
        published=watts,
        unit="W",
        source=FRENKEL,
    )


def _search(preset: str, kind: Kind, spikes: int, remark: str = "") -> Case:
    return Case(
        name=f"Loihi k-NN search, {KNN_NEURONS:,} neurons, {KNN_STEPS} steps, {spikes} spikes",
        preset=preset,
        kind=kind,
        counts={"synop": spikes * KNN_NEURONS, "update_inactive": KNN_NEURONS * KNN_STEPS},
        published=1.33e-3,
        unit="J",
        source=FRADY,
        remark=remark,
    )


CASES: tuple[Case, ...] = (
    *(case for hertz, watts in ((11.58, 68e-3), (20.07, 71e-3), (95.93, 94e-3)) for case in _truenorth(hertz, watts)),
    _odin(75e6, 37.5e6, 477e-6),
    _odin(1.3e6, 650e3, 35e-6),
    *(_search("loihi_davies2018", "prediction", spikes) for spikes in (667, 750)),
    *(
        _search("loihi_sanafe", "contrast", spikes, "the price of a synaptic operation in SANA-FE's dense cores")
        for spikes in (667, 750)
    ),
)


def validate() -> tuple[Outcome, ...]:
    """Predict every case.

    Returns
    -------
    tuple of Outcome
        In the order of `CASES`.
    """
    return tuple(
        Outcome(case=case, predicted=Band.total(charge(load_preset(case.preset), case.counts).values()))
        for case in CASES
    )
