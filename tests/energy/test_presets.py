from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from joules import close

from spiking_pvae.energy import Coefficient, Preset, list_presets, load_preset
from spiking_pvae.energy.terms import REQUIRED, TERMS
from spiking_pvae.errors import InputError

GOOD = """
title = "My chip"
description = "A chip."
source = "https://example.org"
charges = "events"
[common]
source = "Data sheet"
table = "1"
evidence = "measured"
scope = "per_term"
unit = "pJ"
band = "none"
[terms.synop]
value = 2
low = 1
high = 3
[not_counted]
update_active = "held by the operation"
update_inactive = "none"
message = "none"
firing = "none"
"""


def write(folder: Path, text: str, name: str = "chip.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", list_presets())
def test_every_shipped_preset_is_complete(name: str) -> None:
    preset = load_preset(name)
    assert preset.name == name
    assert preset.source.startswith("https://")
    assert set(preset.terms) | set(preset.not_counted) <= set(TERMS)
    for coefficient in (*preset.terms.values(), *preset.listed.values()):
        assert 0 < coefficient.low <= coefficient.value <= coefficient.high
        assert coefficient.source
        assert coefficient.table
        assert coefficient.band
        # What was read of the source is said, but for the one that needs no source.
        assert coefficient.seen or coefficient.evidence == "physics"
    if preset.all_in is None:
        for group in REQUIRED[preset.charges]:
            assert any(term in preset.terms or term in preset.not_counted for term in group), group


def test_the_published_figures_are_what_the_files_say() -> None:
    loihi = load_preset("loihi_davies2018")
    assert {name: price.value for name, price in loihi.terms.items()} == {
        "synop": 23.6,
        "update_active": 81,
        "update_inactive": 52,
        "message": 1.7,
        "hop_east_west": 3.0,
        "hop_north_south": 4.0,
        "static_power": 104,
    }
    assert loihi.mesh is not None
    assert loihi.mesh.cores == 128
    assert loihi.terms["synop"].low == loihi.terms["synop"].value  # published as a lower bound
    assert all(price.evidence == "inherited" for price in load_preset("loihi2_inherited").terms.values())
    assert load_preset("ann_mac_ac").terms["dense_mac"].si.value == close(4.6e-12)


def test_physical_constants() -> None:
    # ATP: 50 kJ/mol over Avogadro's number. The file keeps three digits.
    atp = 50e3 / 6.02214076e23
    spike = load_preset("brain").terms["spike"].si
    assert spike.value == close(7.1e8 * atp, rel=2e-3)
    assert spike.low == close(3.84e8 * atp, rel=2e-3)
    assert spike.high == close(2.4e9 * atp, rel=2e-3)
    assert load_preset("brain").listed["resting_power"].si.value == close(3.42e8 * atp, rel=2e-3)
    assert load_preset("landauer").terms["nat"].si.value == close(1.380649e-23 * 300, rel=1e-4)


def test_a_preset_of_the_user_is_read_by_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "my chips ü"
    folder.mkdir()
    path = write(folder, GOOD)
    for given in (path, str(path)):
        preset = load_preset(given)
        assert preset.name == "chip"
        assert Fraction(preset.terms["synop"].value) == 2
        assert preset.terms["synop"].si.high == close(3e-12)


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(InputError, match=r"Did you mean 'loihi_davies2018'\?") as caught:
        load_preset("loihi_davis2018")
    assert "truenorth" in str(caught.value)
    with pytest.raises(InputError, match="by its path"):
        load_preset("zzzz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.toml' \(No such file"):
        load_preset(tmp_path / "nothing.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not a UTF-8 text"):
        load_preset(tmp_path / "bad.toml")


BAD = {
    "not toml": (GOOD + "\n[", "not TOML"),
    "unknown top key": ("colour = 1\n" + GOOD, "top level key: got 'colour'"),
    "missing title": (GOOD.replace('title = "My chip"', ""), "title: got nothing"),
    "empty description": (GOOD.replace('"A chip."', '""'), "description"),
    "no terms": (GOOD.replace("[terms.synop]", "[listed.synop]"), "top level terms: got nothing"),
    "unknown account": (GOOD.replace('"events"', '"magic"'), "charges: got 'magic'; allowed: events, dense, nats"),
    "unknown term": (GOOD.replace("[terms.synop]", "[terms.sinop]"), "term: got 'sinop'; allowed: synop"),
    "unknown key": (GOOD.replace("low = 1", "lo = 1"), r"\[terms.synop\] key: got 'lo'.*Did you mean 'low'"),
    "missing field": (GOOD.replace("low = 1", ""), r"\[terms.synop\] low: got nothing"),
    "missing provenance": (GOOD.replace('table = "1"', ""), r"\[terms.synop\] table: got nothing"),
    "disordered": (GOOD.replace("low = 1", "low = 2.5"), r"\[terms.synop\] low, value, high: got 2.5, 2, 3"),
    "zero": (GOOD.replace("low = 1", "low = 0"), r"\[terms.synop\] low: got 0"),
    "negative": (GOOD.replace("value = 2", "value = -2"), r"\[terms.synop\] value: got -2"),
    "nan": (GOOD.replace("value = 2", "value = nan"), r"\[terms.synop\] value: got nan"),
    "infinite": (GOOD.replace("high = 3", "high = inf"), r"\[terms.synop\] high: got inf"),
    "text for a number": (GOOD.replace("value = 2", 'value = "2"'), r"\[terms.synop\] value: got '2'"),
    "true for a number": (GOOD.replace("value = 2", "value = true"), r"\[terms.synop\] value: got True"),
    "number for a text": (GOOD.replace('table = "1"', "table = 1"), r"\[terms.synop\] table: got 1"),
    "unknown unit": (GOOD.replace('"pJ"', '"cal"'), r"\[terms.synop\] unit: got 'cal'; allowed: J, mJ"),
    "energy for power": (
        GOOD + "[terms.static_power]\nvalue=1\nlow=1\nhigh=1\n",
        "'static_power': got 'pJ'; allowed: W, mW",
    ),
    "mesh without a side": (GOOD + "[mesh]\nrows=1\n", r"\[mesh\] neurons_per_core: got nothing"),
    "mesh of halves": (
        GOOD + "[mesh]\nrows=1\ncolumns=1.5\ncores_per_tile=1\nneurons_per_core=1\n",
        r"\[mesh\] columns: got 1.5",
    ),
    "empty mesh": (
        GOOD + "[mesh]\nrows=1\ncolumns=0\ncores_per_tile=1\nneurons_per_core=1\n",
        r"\[mesh\] columns: got 0",
    ),
    "power for energy": (GOOD.replace('"pJ"', '"mW"'), "unit of term 'synop': got 'mW'"),
    "unknown evidence": (GOOD.replace('"measured"', '"felt"'), r"\[terms.synop\] evidence: got 'felt'"),
    "unknown scope": (GOOD.replace('"per_term"', '"some"'), r"\[terms.synop\] scope: got 'some'"),
    "unknown excuse": (GOOD + 'hop = "none"\n', "term: got 'hop'"),
    "empty excuse": (GOOD.replace('firing = "none"', 'firing = " "'), r"\[not_counted\] firing"),
    "priced and excused": (GOOD + 'synop = "none"\n', "term 'synop': got a price and a reason"),
    "term is no table": (GOOD + "[terms]\nspike = 1\n", r"\[terms.spike\]: got 1; allowed: a table"),
    "notes no list": ('notes = "x"\n' + GOOD, "notes: got 'x'"),
    "bad common": (GOOD.replace('band = "none"', 'band = "none"\nbend = 1', 1), r"\[common\] key: got 'bend'"),
    "account without terms": (GOOD.replace('"events"', '"dense"'), "terms: got .*at least one term of 'dense'"),
    "emission twice": (
        GOOD.replace('firing = "none"', "")
        + "[terms.firing]\nvalue=1\nlow=1\nhigh=1\n[terms.spike]\nvalue=1\nlow=1\nhigh=1\n",
        "terms: got firing and spike",
    ),
    "beside all-in": (
        GOOD.replace("high = 3", 'high = 3\nscope = "all_in"').replace('message = "none"', "")
        + "[terms.message]\nvalue=1\nlow=1\nhigh=1\n",
        "term 'synop': got scope all_in beside message",
    ),
    "graded without unary": (
        GOOD.replace("[terms.synop]", "[terms.synop_graded]"),
        "terms: got synop_graded alone",
    ),
    "negative voltage": (GOOD.replace("high = 3", "high = 3\nvoltage = -1"), r"\[terms.synop\] voltage: got -1"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_gives_one_clear_error(tmp_path: Path, case: str) -> None:
    text, message = BAD[case]
    with pytest.raises(InputError, match=message) as caught:
        load_preset(write(tmp_path, text))
    assert "chip.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_presets_built_in_code_obey_the_same_rules() -> None:
    price = Coefficient(
        value=1, low=1, high=1, unit="pJ", source="s", table="t", evidence="measured", scope="all_in", band="b"
    )
    fields = {"name": "x", "title": "x", "description": "x", "source": "x", "charges": "events"}
    assert Preset(terms={"synop": price}, **fields).all_in == "synop"  # type: ignore[arg-type]
    with pytest.raises(InputError, match="all_in beside message"):
        Preset(terms={"synop": price, "message": price}, **fields)  # type: ignore[arg-type]


def test_a_preset_can_not_change() -> None:
    preset = load_preset("odin")
    with pytest.raises(TypeError):
        preset.terms["synop"] = preset.terms["synop"]  # type: ignore[index]
