"""Network and record folders: exact round trips, damage refused, nothing replaced unasked."""

import dataclasses
import json
import shutil
from pathlib import Path

import networks
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy.files import (
    load_network,
    load_recording,
    save_network,
    save_recording,
)
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.errors import DamagedFileError, InputError, SpikingPvaeError


def same(first, second):
    """Compare two trees of nodes, arrays by type and value."""
    assert type(first) is type(second)
    if dataclasses.is_dataclass(first):
        for field in dataclasses.fields(first):
            same(getattr(first, field.name), getattr(second, field.name))
    elif isinstance(first, np.ndarray):
        assert first.dtype == second.dtype
        np.testing.assert_array_equal(first, second)
    elif isinstance(first, tuple):
        assert len(first) == len(second)
        for left, right in zip(first, second, strict=True):
            same(left, right)
    elif isinstance(first, dict):
        assert first.keys() == second.keys()
        for key in first:
            same(first[key], second[key])
    else:
        assert first == second


@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    hidden=st.lists(st.integers(1, 6), max_size=2),
    bits=st.sampled_from([2, 4, 6, 8]),
    bias=st.booleans(),
)
def test_round_trip(tmp_path_factory, seed, hidden, bits, bias):
    folder = tmp_path_factory.mktemp("ü b")
    network = networks.random_network(seed, hidden=tuple(hidden), bits=bits, bias=bias)
    first = save_network(network, folder / "net")
    same(load_network(folder / "net"), network)
    assert save_network(network, folder / "again") == first
    for name in ("arrays.safetensors", "manifest.json"):
        assert (folder / "net" / name).read_bytes() == (folder / "again" / name).read_bytes()


def test_recording_round_trip(tmp_path):
    network = networks.random_network(1, hidden=(5,))
    record = simulate(network, networks.random_images(2, 20), schedule="unary", steps=3, keep=("latents",))
    save_recording(network, record, tmp_path / "rec")
    loaded_network, loaded = load_recording(tmp_path / "rec")
    same(loaded, record)
    same(loaded_network, network)


@pytest.mark.parametrize("name", ["arrays.safetensors", "manifest.json"])
def test_every_damage_is_refused(tmp_path, name):
    network = networks.random_network(0)
    save_network(network, tmp_path / "net")
    path = tmp_path / "net" / name
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in [0, len(content) - 1, *rng.integers(0, len(content), 60)]:
        changed = bytearray(content)
        changed[place] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(changed))
        try:
            loaded = load_network(tmp_path / "net")
        except SpikingPvaeError:
            continue
        same(loaded, network)  # a changed space
    for length in (0, 7, len(content) // 2, len(content) - 2):
        path.write_bytes(content[:length])
        with pytest.raises(SpikingPvaeError):
            load_network(tmp_path / "net")


def test_newer_and_foreign(tmp_path):
    save_network(networks.random_network(0), tmp_path / "net")
    path = tmp_path / "net" / "manifest.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "format": "spiking-pvae network 99"}))
    with pytest.raises(DamagedFileError, match=r"network 99.*version"):
        load_network(tmp_path / "net")
    with pytest.raises(InputError, match="no folder"):
        load_network(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no file"):
        load_network(tmp_path / "empty")


def test_nothing_is_replaced_unasked(tmp_path):
    network = networks.random_network(0)
    save_network(network, tmp_path / "net")
    with pytest.raises(InputError, match="--force"):
        save_network(network, tmp_path / "net")
    save_network(networks.random_network(1), tmp_path / "net", force=True)
    same(load_network(tmp_path / "net"), networks.random_network(1))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="something else"):
        save_network(network, tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "x"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "net"]


def test_output_that_can_not_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="written"):
        save_network(networks.random_network(0), tmp_path / "file" / "net")


def test_arrays_of_another_network_are_refused(tmp_path):
    """Both folders are whole, with the same tree; only the hash in the manifest tells them apart."""
    for seed in (0, 1):
        save_network(networks.random_network(seed), tmp_path / str(seed))
    shutil.copy(tmp_path / "1" / "arrays.safetensors", tmp_path / "0" / "arrays.safetensors")
    with pytest.raises(DamagedFileError, match="manifest"):
        load_network(tmp_path / "0")


def test_an_interrupted_replacement_keeps_the_old_folder(tmp_path, monkeypatch):
    save_network(networks.random_network(0), tmp_path / "net")
    rename = Path.rename

    def interrupted(self, target):
        if Path(target) == tmp_path / "net" and not self.name.endswith(".old"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_network(networks.random_network(1), tmp_path / "net", force=True)
    same(load_network(tmp_path / "net"), networks.random_network(0))
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_the_older_format_is_read_and_may_be_replaced(tmp_path, monkeypatch):
    network = networks.random_network(0)
    with monkeypatch.context() as older:
        older.setattr("spiking_pvae.deploy.files.NETWORK_KIND", "spiking-pvae network 1")
        save_network(network, tmp_path / "net")
    assert "network 1" in (tmp_path / "net" / "manifest.json").read_text()
    same(load_network(tmp_path / "net"), network)
    save_network(dataclasses.replace(network, data="digits"), tmp_path / "net", force=True)
    assert load_network(tmp_path / "net").data == "digits"


def test_a_run_folder_is_told_from_a_network(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(InputError, match=r"a run folder.*Convert the run first: spiking-pvae convert"):
        load_network(tmp_path)
