"""Names, paths and the catalogue."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from spiking_pvae.data import catalog, load
from spiking_pvae.errors import InputError


def test_the_catalogue_lists_what_load_knows():
    entries = {entry.name: entry for entry in catalog()}
    assert list(entries) == ["natural", "digits", "mnist5k", "mnist", "fashion-mnist", "cifar16"]
    assert all(entry.source and entry.licence and entry.how and entry.description for entry in entries.values())
    assert entries["natural"].available
    assert not entries["mnist"].available
    assert "not reproduced" in entries["cifar16"].description
    for name in ("natural", "digits"):
        assert load(name).shape == entries[name].shape
        assert load(name).licence == entries[name].licence


def test_a_broken_installation_is_not_available(monkeypatch):
    monkeypatch.setattr("spiking_pvae.data.photographs.find_spec", lambda _: None)
    monkeypatch.setattr("spiking_pvae.data.digits.find_spec", lambda _: None)
    found = {entry.name: entry.available for entry in catalog()}
    assert not found["natural"]
    assert not found["mnist5k"]


@pytest.mark.parametrize(
    ("given", "near"),
    [("naturel", "natural"), ("mnits", "mnist"), ("fashion_mnist", "fashion-mnist"), ("cifar", "cifar16")],
)
def test_an_unknown_name_gets_the_nearest(given, near):
    with pytest.raises(InputError, match=f"Did you mean '{near}'") as caught:
        load(given)
    assert "mnist5k" in str(caught.value)


@pytest.mark.parametrize("given", ["", "  ", "no/such/file.npy", "zzz", "x" * 5000, 7, None, np.zeros(3)])
def test_what_is_no_data_set_is_refused(given):
    with pytest.raises(InputError):
        load(given)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match=r"\.txt"):
        load(tmp_path / "notes.txt")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a file that this user may not read")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "secret"
    path.write_text("hello")
    path.chmod(0)
    with pytest.raises(InputError, match="can't be read"):
        load(path)


def test_a_path_object_is_never_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "digits.npy", np.random.default_rng(0).random((20, 4, 4)))
    (tmp_path / "digits.npy").rename(tmp_path / "digits")
    with pytest.raises(InputError, match="data file"):
        load(tmp_path / "digits")
    assert load("digits").shape == (1, 8, 8)


def test_the_room_imports_no_heavy_package():
    code = "import sys, spiking_pvae.data; print({'torch', 'skimage', 'sklearn', 'scipy', 'pooch'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
