"""Prices at the network's own bit widths: the published points, sums by hand, and refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spiking_pvae.energy import estimate, load_preset
from spiking_pvae.energy.widths import Widths
from spiking_pvae.errors import InputError

HOROWITZ = {("add", 8): 0.03, ("add", 16): 0.05, ("add", 32): 0.1, ("multiply", 8): 0.2, ("multiply", 32): 3.1}


@pytest.mark.parametrize(("operation", "bits"), HOROWITZ)
def test_the_law_meets_the_published_points(operation: str, bits: int) -> None:
    parts = {"multiply": 0.0, "add": 0.0} | {operation: HOROWITZ[operation, 8 if operation == "multiply" else 32]}
    law = Widths(**parts, fixed=0.0, source="test")
    price = law.whole * law.factor(message=bits, weight=bits, total=bits)
    assert price == pytest.approx(HOROWITZ[operation, bits], rel=0.17)


@pytest.fixture
def tiny(make_network: Any, make_record: Any) -> tuple[Any, Any]:
    network = make_network(np.array([[1, 2], [3, 0]]), np.array([[1, 0], [1, 5], [1, 5]]))
    counts = {"input": np.array([[2, 1], [1, 0]]), "latents": np.array([[3, 0], [1, 2]])}
    return network, make_record(network, blocks=(1, 1), counts=counts)


def test_synaptic_operations_at_the_networks_widths_by_hand(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "cmos45_horowitz", widths="network")
    # 5 operations on 8-bit inputs and 8 on graded payloads of 24 bits, 8-bit weights, sums of 24 bits; two samples.
    into_latents = 5 * (0.2 * 8 * 8 / 64 + 0.1 * 24 / 32)
    into_readout = 8 * (0.2 * 24 * 8 / 64 + 0.1 * 24 / 32)
    assert report.by_layer["latents"].value == pytest.approx(into_latents / 2 * 1e-12)
    assert report.by_layer["readout"].value == pytest.approx(into_readout / 2 * 1e-12)
    # The neurons that send the messages are charged the same.
    assert report.neurons["input"].sum() == pytest.approx(into_latents / 2 * 1e-12)
    assert report.neurons["latents"].sum() == pytest.approx(into_readout / 2 * 1e-12)
    assert any("'synop_graded' into 'readout'" in note for note in report.notes)


def test_fewer_weight_bits_cost_less_and_addresses_stay(tiny: tuple[Any, Any]) -> None:
    network, record = tiny
    narrow = replace(
        network,
        layers=tuple(replace(layer, synapse=replace(layer.synapse, bits=4)) for layer in network.layers),
    )
    wide, less = (estimate(made, record, "lemaire2022", widths="network") for made in (network, narrow))
    saved = wide.by_term["synop_graded"].value - less.by_term["synop_graded"].value
    assert saved == pytest.approx((5 * 0.2 * 8 + 8 * 0.2 * 24) * 4 / 64 / 2 * 1e-12)


def test_published_prices_are_the_default(tiny: tuple[Any, Any]) -> None:
    network, record = tiny
    assert estimate(network, record, "cmos45_horowitz").by_term["synop_graded"].value == pytest.approx(
        13 * 0.3 / 2 * 1e-12
    )


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
            law.factor(**{"message": 8, "weight": 8, "total": 32} | given)
