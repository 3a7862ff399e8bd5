"""Prices at the network's own bit widths: the published points, sums by hand, and refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from joules import close

from spiking_pvae.energy import estimate, load_preset
from spiking_pvae.energy.widths import Widths
from spiking_pvae.errors import InputError

"""Picojoules lie below the absolute tolerance that is the default."""
HOROWITZ = {("add", 8): 0.03, ("add", 16): 0.05, ("add", 32): 0.1, ("multiply", 8): 0.2, ("multiply", 32): 3.1}


@pytest.mark.parametrize(("operation", "bits"), HOROWITZ)
def test_the_law_meets_the_published_points(operation: str, bits: int) -> None:
    parts = {"multiply": 0.0, "add": 0.0} | {operation: HOROWITZ[operation, 8 if operation == "multiply" else 32]}
    law = Widths(**parts, fixed=0.0, source="test")
    price = law.band(message=bits, weight=bits, total=bits, multiplies=True)
    assert price.value == pytest.approx(HOROWITZ[operation, bits], rel=0.17)


@pytest.fixture
def tiny(make_network: Any, make_record: Any) -> tuple[Any, Any]:
    network = make_network(np.array([[1, 2], [3, 0]]), np.array([[1, 0], [1, 5], [1, 5]]))
    latents, readout = network.layers
    narrow = replace(latents, neuron=replace(latents.neuron, n_max=15))  # counts of at most 4 bits
    network = replace(network, layers=(narrow, readout))
    counts = {"input": np.array([[2, 1], [1, 0]]), "latents": np.array([[3, 0], [1, 2]])}
    return network, make_record(network, blocks=(1, 1), counts=counts)


def test_synaptic_operations_at_the_networks_widths_by_hand(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "cmos45_horowitz", widths="network")
    # 5 operations on 8-bit inputs and 8 on counts of at most 15, 8-bit weights, sums of 24 bits; two samples.
    into_latents = 5 * (0.2 * 8 * 8 / 64 + 0.1 * 24 / 32)
    into_readout = 8 * (0.2 * 4 * 8 / 64 + 0.1 * 24 / 32)
    assert report.by_layer["latents"].value == close(into_latents / 2 * 1e-12)
    assert report.by_layer["readout"].value == close(into_readout / 2 * 1e-12)
    # The neurons that send the messages are charged the same.
    assert report.neurons["input"].sum() == close(into_latents / 2 * 1e-12)
    assert report.neurons["latents"].sum() == close(into_readout / 2 * 1e-12)
    assert report.block_joules.sum() == close((into_latents + into_readout) * 1e-12)
    assert any("'synop_graded' into 'readout'" in note for note in report.notes)


def test_fewer_weight_bits_cost_less_and_addresses_stay(tiny: tuple[Any, Any]) -> None:
    network, record = tiny
    narrow = replace(
        network,
        layers=tuple(replace(layer, synapse=replace(layer.synapse, bits=4)) for layer in network.layers),
    )
    wide, less = (estimate(made, record, "lemaire2022", widths="network") for made in (network, narrow))
    saved = wide.by_term["synop_graded"].value - less.by_term["synop_graded"].value
    assert saved == close((5 * 0.2 * 8 + 8 * 0.2 * 4) * 4 / 64 / 2 * 1e-12)


def test_known_widths_leave_only_the_multiply_open(tiny: tuple[Any, Any]) -> None:
    for hardware, address in (("cmos45_horowitz", 0.0), ("lemaire2022", 0.1)):
        band = estimate(*tiny, hardware, widths="network").by_term["synop_graded"]
        # The add of 24 bits at least, and no more than a multiply at the widths that arrive.
        assert band.low == close(13 * (0.1 * 24 / 32 + address) / 2 * 1e-12)
        assert band.high == band.value
    law = load_preset("cmos45_horowitz").terms["synop_graded"].widths
    assert law is not None
    assert law.band(message=32, weight=32, total=32, multiplies=False).high == pytest.approx(3.3)


def test_the_dense_function_takes_whole_counts_in_every_schedule(tiny: tuple[Any, Any], make_record: Any) -> None:
    network, record = tiny
    dense = replace(load_preset("cmos45_horowitz"), charges="dense")
    expected = 4 * (0.2 * 8 * 8 / 64 + 0.1 * 24 / 32) + 6 * (0.2 * 4 * 8 / 64 + 0.1 * 24 / 32)
    for made in (record, make_record(network, schedule="unary")):
        joules = estimate(network, made, dense, widths="network").joules_per_inference
        assert [joules.low, joules.value, joules.high] == close([expected * 1e-12] * 3)


def test_widths_change_prices_and_no_count(tiny: tuple[Any, Any]) -> None:
    loihi = load_preset("loihi_davies2018")
    law = Widths(multiply=0.0, add=23.6, fixed=0.0, source="test")
    mine = replace(loihi, terms={**loihi.terms, "synop": replace(loihi.terms["synop"], widths=law)})
    published, own = (estimate(*tiny, mine, widths=kind) for kind in ("published", "network"))
    assert own.by_term["synop"].value == close(published.by_term["synop"].value * 24 / 32)
    for name in ("packets", "hops", "event_synops", "spike_synops", "neuron_updates"):
        assert getattr(own, name) == getattr(published, name)
    assert own.by_term["message"] == published.by_term["message"]


@pytest.mark.parametrize("name", ["message", "update_active", "static_power"])
def test_widths_of_what_has_no_operands_are_refused(name: str) -> None:
    loihi = load_preset("loihi_davies2018")
    law = Widths(multiply=0.0, add=loihi.terms[name].value, fixed=0.0, source="test")
    with pytest.raises(InputError, match=f"widths of term '{name}'.*synop, synop_graded, dense_mac"):
        replace(loihi, terms={**loihi.terms, name: replace(loihi.terms[name], widths=law)})


def test_published_prices_are_the_default(tiny: tuple[Any, Any]) -> None:
    network, record = tiny
    assert estimate(network, record, "cmos45_horowitz").by_term["synop_graded"].value == close(13 * 0.3 / 2 * 1e-12)


@pytest.mark.parametrize("name", ["loihi_davies2018", "odin", "keras_spiking_cpu", "landauer"])
def test_a_source_with_one_price_is_not_scaled(tiny: tuple[Any, Any], name: str) -> None:
    with pytest.raises(InputError, match=r"one price whatever the width.*cmos45_horowitz, lemaire2022"):
        estimate(*tiny, name, widths="network")
    with pytest.raises(InputError, match="widths"):
        estimate(*tiny, name, widths="mine")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("{ multiply = 1, add = 1, source = 'x' }", "add up to 2"),
        ("{ multiply = -1, add = 3, source = 'x' }", "multiply"),
        ("{ multiply = 2, add = 0 }", "source"),
        ("{ multiply = 2, add = 0, source = '' }", "source"),
        ("{ times = 2, add = 0, source = 'x' }", "times"),
        ("3", "a table"),
    ],
)
def test_bad_tables_of_widths_are_refused(tmp_path: Path, table: str, message: str) -> None:
    path = tmp_path / "chip.toml"
    path.write_text(
        "title = 'x'\ndescription = 'x'\nsource = 'x'\ncharges = 'dense'\n[terms.dense_mac]\nvalue = 3\nlow = 3\n"
        "high = 3\nunit = 'pJ'\nsource = 'x'\ntable = 'x'\nevidence = 'measured'\nscope = 'per_term'\nband = 'x'\n"
        f"widths = {table}\n",
        encoding="utf-8",
    )
    with pytest.raises(InputError, match=message):
        load_preset(path)


def test_widths_beyond_the_source_are_refused() -> None:
    law = Widths(multiply=1.0, add=0.0, fixed=0.0, source="test")
    for given in ({"message": 0}, {"weight": 33}, {"total": 64}):
        with pytest.raises(InputError, match="bits"):
            law.band(**{"message": 8, "weight": 8, "total": 32} | given, multiplies=True)
