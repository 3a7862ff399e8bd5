from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joules import close

from spiking_pvae.energy import EnergyReport, Preset, estimate, list_presets, load_preset
from spiking_pvae.errors import InputError

KEYS = {
    "samples", "hardware", "event_synops", "spike_synops", "neuron_updates", "joules_per_inference", "by_layer",
    "by_term", "kl_nats", "joules_per_nat", "latent_share", "ann_baseline_joules",
}  # fmt: skip


@pytest.fixture
def tiny(make_network: Any, make_record: Any) -> tuple[Any, Any]:
    """Two input lines, two latents, three readouts; one sample a block, so that every count is seen by eye."""
    network = make_network(np.array([[1, 2], [3, 0]]), np.array([[1, 0], [1, 5], [1, 5]]))
    counts = {"input": np.array([[2, 1], [1, 0]]), "latents": np.array([[3, 0], [1, 2]])}
    record = make_record(network, blocks=(1, 1), counts=counts, kl=np.array([[1.0, 0.5], [0.25, 0.25]]))
    active = {"input": [0, 0], "latents": [2, 2], "readout": [3, 1]}
    tallies = tuple(replace(tally, active=np.array(active[tally.name])) for tally in record.tallies)
    return network, replace(record, tallies=tallies)


def test_joules_by_hand(tiny: tuple[Any, Any]) -> None:
    # Fan-out: input (2, 1), latents (3, 2). Both samples together:
    #   synops   input 1*2 + 1*1 + 1*2 = 5 into the latents; latents 2 messages * 3 + 1 * 2 = 8 into the readout
    #   updates  latents 4 active of 4; readout 4 active of 6, 2 inactive
    #   messages input 3, latents 3
    report = estimate(*tiny, "loihi_davies2018")
    parts = {
        "latents": Fraction("23.6") * 5 + 81 * 4 + Fraction("1.7") * 3,
        "readout": Fraction("23.6") * 8 + 81 * 4 + 52 * 2,
        "input": Fraction("1.7") * 3,
    }
    for name, picojoules in parts.items():
        assert report.by_layer[name].value == close(float(picojoules / 2) * 1e-12)
    terms = {
        "synop": Fraction("23.6") * 13,
        "update_active": 81 * 8,
        "update_inactive": 52 * 2,
        "message": Fraction("1.7") * 6,
    }
    for name, picojoules in terms.items():
        assert report.by_term[name].value == close(float(Fraction(picojoules) / 2) * 1e-12)
    whole = float(sum(parts.values()) / 2) * 1e-12
    assert report.joules_per_inference.value == close(whole)
    assert report.joules_per_inference.high == close(whole + 13 / 2 * (35.5 - 23.6) * 1e-12)
    assert report.event_synops == 6.5
    # spikes: input (2+1)*2 + 1*1 = 7, latents (3+1)*3 + 2*2 = 16
    assert report.spike_synops == 11.5
    assert report.neuron_updates == 5.0
    assert report.kl_nats == 1.0
    assert report.joules_per_nat == close(whole)
    # 4.6 pJ times 4 + 6 dense multiply-accumulates.
    assert report.ann_baseline_joules.value == close(46e-12)


def test_the_metabolic_term_by_hand(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "loihi_davies2018")
    # messages an inference (1, 0.5), fan-out (3, 2)
    expected = [1.0 * (1.7 + 3 * 23.6), 0.5 * (1.7 + 2 * 23.6)]
    assert report.latents.joules == close(np.array(expected) * 1e-12)
    assert report.latents.spikes.tolist() == [2.0, 1.0]
    assert report.latents.kl.tolist() == [0.625, 0.375]
    assert report.latent_share == close(sum(expected) * 1e-12 / report.joules_per_inference.value)


def test_the_latents_cost_what_silencing_them_saves(tiny: tuple[Any, Any]) -> None:
    network, record = tiny
    latents = record.tally("latents")
    silent = replace(latents, spikes=0 * latents.spikes, events=0 * latents.events)
    quiet = replace(record, tallies=tuple(silent if tally is latents else tally for tally in record.tallies))
    for name in ("loihi_davies2018", "loihi_sanafe", "brain", "truenorth", "ann_mac_ac"):
        before, after = estimate(network, record, name), estimate(network, quiet, name)
        saved = before.joules_per_inference.value - after.joules_per_inference.value
        assert before.latents.joules.sum() == close(saved)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32 - 1),
    blocks=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    how=st.tuples(st.sampled_from(["graded", "unary"]), st.sampled_from(list_presets())),
)
def test_layers_and_terms_each_sum_to_the_whole(
    make_network: Any, make_record: Any, seed: int, blocks: list[int], how: tuple[str, str]
) -> None:
    schedule, hardware = how
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 6, 4)
    shapes = [(sizes[1], sizes[0]), (sizes[2], sizes[1]), (sizes[0], sizes[2])]
    network = make_network(*(rng.integers(-1, 2, shape) for shape in shapes))
    report = estimate(network, make_record(network, blocks=tuple(blocks), seed=seed, schedule=schedule), hardware)
    whole = report.joules_per_inference
    for parts in (report.by_layer, report.by_term):
        for end in ("value", "low", "high"):
            total = math.fsum(getattr(band, end) for band in parts.values())
            assert total == pytest.approx(getattr(whole, end), rel=1e-12, abs=1e-40)
    assert whole.low <= whole.value <= whole.high
    assert list(report.by_layer) == ["input", "hidden0", "latents", "readout"]
    if report.latent_share is not None:
        assert 0 <= report.latent_share <= 1 + 1e-12


def test_schedules_choose_the_operation(make_network: Any, make_record: Any) -> None:
    network = make_network(np.ones((3, 4)), np.ones((4, 3)))
    graded = estimate(network, make_record(network), "ann_mac_ac")
    unary = estimate(network, make_record(network, schedule="unary"), "ann_mac_ac")
    assert list(graded.by_term) == ["synop_graded"]
    assert list(unary.by_term) == ["synop"]
    assert graded.joules_per_inference.value == close(graded.event_synops * 4.6e-12)
    assert graded.joules_per_inference.low == close(graded.event_synops * 0.9e-12)
    assert unary.event_synops == unary.spike_synops == graded.spike_synops
    assert unary.joules_per_inference.value == close(unary.spike_synops * 0.9e-12)


def test_a_dense_machine_saves_nothing_by_silence(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "keras_spiking_cpu")
    assert report.joules_per_inference.value == close((10 + 5) * 8.6e-9)
    assert report.latent_share == 0


def test_the_brain_prices_every_spike_and_nothing_else(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "brain")
    assert report.joules_per_inference.value == close(3 * 58.9e-12)  # 6 latent spikes in 2 samples
    assert report.latent_share == pytest.approx(1)
    assert any("all-in" in note for note in report.notes)


def test_landauer_prices_the_information(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "landauer")
    assert report.joules_per_inference.value == close(4.142e-21)
    assert report.latents.joules == close(np.array([0.625, 0.375]) * 4.142e-21)


@pytest.mark.parametrize(
    ("dropped", "named"),
    [
        ("synop", "synop"),
        ("update_inactive", "update_inactive"),
        ("message", "message"),
        ("firing", "'firing' or 'spike'"),
    ],
)
def test_a_term_without_a_price_is_refused_by_name(tiny: tuple[Any, Any], dropped: str, named: str) -> None:
    preset = load_preset("loihi_sanafe")
    without = replace(preset, terms={name: price for name, price in preset.terms.items() if name != dropped})
    with pytest.raises(InputError, match=named):
        estimate(*tiny, without)
    excused = replace(without, not_counted={**preset.not_counted, dropped: "for this test"})
    report = estimate(*tiny, excused)
    assert report.not_counted[dropped] == "for this test"
    assert dropped not in report.by_term


def test_a_term_that_never_occurs_needs_no_price(tiny: tuple[Any, Any]) -> None:
    network, record = tiny
    preset = load_preset("loihi_davies2018")
    without = replace(preset, terms={name: price for name, price in preset.terms.items() if name != "update_inactive"})
    full = {"input": [0, 0], "latents": [2, 2], "readout": [3, 3]}
    tallies = tuple(replace(tally, active=np.array(full[tally.name])) for tally in record.tallies)
    assert estimate(network, replace(record, tallies=tallies), without).joules_per_inference.value > 0


def test_a_baseline_must_price_the_dense_operation(tiny: tuple[Any, Any]) -> None:
    with pytest.raises(InputError, match=r"'odin' without a price for 'dense_mac'.*ann_mac_ac"):
        estimate(*tiny, "loihi_davies2018", baseline="odin")
    assert estimate(*tiny, "odin", baseline="cmos45_horowitz").ann_baseline_joules.value == close(3e-12)


def test_json_holds_the_promised_keys_and_no_nan(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "loihi_davies2018")
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert set(data) >= KEYS
    assert set(data["joules_per_inference"]) == {"value", "low", "high", "ci95"}
    assert data["ann_baseline_joules"] == close(46e-12)
    assert data["hardware"] == "loihi_davies2018"
    assert "firing" in data["not_counted"]
    assert "seconds" in data["not_counted"]["static_power"]
    assert any("graded" in note for note in data["notes"])


def test_a_kl_of_zero_and_a_single_block_are_said_plainly(make_network: Any, make_record: Any) -> None:
    network = make_network(np.ones((3, 4)), np.ones((4, 3)))
    record = make_record(network, blocks=(4,), kl=np.zeros((1, 3)))
    report = estimate(network, record, "loihi_davies2018")
    assert report.joules_per_nat is None
    assert report.joules_per_inference.ci95 is None
    assert report.joules_per_inference.value > 0  # no KL, and yet the spikes cost
    assert sum("No " in note for note in report.notes) == 2
    nothing = estimate(network, record, "landauer")
    assert nothing.latent_share is None
    json.dumps(nothing.to_json(), allow_nan=False)


def test_interval_belongs_to_the_mean_and_repeats(make_network: Any, make_record: Any) -> None:
    network = make_network(np.ones((3, 4)), np.ones((4, 3)))
    record = make_record(network, blocks=(5,) * 12)

    def run(**options: Any) -> EnergyReport:
        return estimate(network, record, "loihi_davies2018", **options)

    interval = run().joules_per_inference
    assert interval.ci95 is not None
    assert interval.ci95[0] < interval.value < interval.ci95[1]
    assert run().joules_per_inference == interval
    assert run(seed=1).joules_per_inference.ci95 != interval.ci95


def test_zero_weights_cost_nothing_unless_asked(make_network: Any, make_record: Any) -> None:
    network = make_network(np.eye(4), np.eye(4))
    record = make_record(network)
    sparse = estimate(network, record, "odin")
    dense = estimate(network, record, "odin", skip_zero_weights=False)
    assert dense.event_synops == 4 * sparse.event_synops
    assert sparse.ann_baseline_joules == dense.ann_baseline_joules


def test_a_preset_object_is_taken_as_it_is(tiny: tuple[Any, Any]) -> None:
    preset = load_preset("odin")
    assert isinstance(preset, Preset)
    assert estimate(*tiny, preset).to_json() == estimate(*tiny, "odin").to_json()
