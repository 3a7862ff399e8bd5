from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from joules import close

from spiking_pvae.energy import load_preset
from spiking_pvae.energy.pricing import charge
from spiking_pvae.energy.validation import CASES, WITHIN, Outcome, validate
from spiking_pvae.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("outcome", validate(), ids=lambda outcome: f"{outcome.case.preset}, {outcome.case.name}")
def test_predictions_are_within_a_quarter_of_the_silicon(outcome: Outcome) -> None:
    if outcome.case.kind in ("fit", "prediction"):
        assert abs(outcome.error) <= WITHIN
    if outcome.case.kind == "misuse" and "20.07" not in outcome.case.name:
        assert abs(outcome.error) > WITHIN  # the point at which the all-in figure was taken is the only one it meets


def test_the_published_cases_are_all_there() -> None:
    published = [(case.published, case.kind) for case in CASES]
    for value, kind in ((68e-3, "fit"), (71e-3, "fit"), (94e-3, "fit"), (477e-6, "fit"), (35e-6, "fit")):
        assert (value, kind) in published
    assert published.count((1.33e-3, "prediction")) == 2


def test_the_search_by_hand() -> None:
    # 667 spikes reach 76,800 neurons each at 23.6 pJ; 76,800 neurons are updated 60 times at 52 pJ.
    case = next(case for case in CASES if case.preset == "loihi_davies2018")
    parts = charge(load_preset(case.preset), case.counts)
    assert parts["synop"].value == close(667 * 76_800 * 23.6e-12)
    assert parts["update_inactive"].value == close(76_800 * 60 * 52e-12)


def test_counts_without_a_price_or_a_name_are_refused() -> None:
    preset = load_preset("loihi_davies2018")
    with pytest.raises(InputError, match="term: got 'sinop'"):
        charge(preset, {"sinop": 1.0})
    with pytest.raises(InputError, match="'dense_update'"):
        charge(load_preset("ann_mac_ac").__class__(**_dense_only()), {"dense_update": 1.0})


def _dense_only() -> dict[str, object]:
    preset = load_preset("keras_spiking_cpu")
    terms = {"dense_mac": preset.terms["dense_mac"]}
    return {"name": "x", "title": "x", "description": "x", "source": "x", "charges": "dense", "terms": terms}


def test_the_table_in_the_documentation_is_current() -> None:
    path = ROOT / "benchmarks" / "energy_validation.py"
    spec = importlib.util.spec_from_file_location("energy_validation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.DOCUMENT.read_text(encoding="utf-8") == module.document()
