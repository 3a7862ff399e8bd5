"""IDX files written here by the format's description, and the sets made of them."""

from __future__ import annotations

import gzip
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spiking_pvae.data import load
from spiking_pvae.data.idx import read_idx
from spiking_pvae.errors import InputError

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}


def idx(array):
    code = CODES[array.dtype.str[1:]]
    header = bytes([0, 0, code, array.ndim]) + b"".join(struct.pack(">I", side) for side in array.shape)
    return header + b"".join(struct.pack(f">{array.dtype.char}", value) for value in array.ravel().tolist())


def images(count, seed=0, side=6):
    return np.random.default_rng(seed).integers(0, 256, (count, side, side)).astype(np.uint8)


def write_layout(folder, *, count=40, test=20, dash="-", ending=".gz", side=6):
    folder.mkdir(parents=True, exist_ok=True)
    for part, many, seed in (("train", count, 0), ("t10k", test, 1)):
        pixels = images(many, seed, side)
        classes = (np.arange(many) % 10).astype(np.uint8)
        for kind, array, rank in (("images", pixels, 3), ("labels", classes, 1)):
            content = idx(array)
            content = gzip.compress(content, mtime=0) if ending else content
            (folder / f"{part}-{kind}{dash}idx{rank}-ubyte{ending}").write_bytes(content)
    return folder


@settings(max_examples=60)
@given(
    array=st.sampled_from(sorted(CODES)).flatmap(
        lambda code: hnp.arrays(
            np.dtype(code),
            hnp.array_shapes(min_dims=1, max_dims=4, max_side=5),
            elements={"allow_nan": False} if code.startswith("f") else None,
        )
    ),
    zipped=st.booleans(),
)
def test_round_trip(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / ("a.idx.gz" if zipped else "a.idx")
    path.write_bytes(gzip.compress(idx(array), mtime=0) if zipped else idx(array))
    found = read_idx(path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        b"\0\0\x08",
        b"\x01\0\x08\x01\0\0\0\x01a",
        b"\0\0\x07\x01\0\0\0\x01a",
        b"\0\0\x08\x00",
        b"\0\0\x08\x03\0\0\0\x01",
        b"\0\0\x08\x01\xff\xff\xff\xffa",
        idx(images(12))[:-1],
        idx(images(12)) + b"x",
        gzip.compress(idx(images(12)), mtime=0)[:-9],
        gzip.compress(idx(images(12)), mtime=0)[:30] + b"junk" + gzip.compress(idx(images(12)), mtime=0)[34:],
    ],
)
def test_damaged_files_are_refused(tmp_path, content):
    path = tmp_path / "x-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(InputError, match="IDX file"):
        load(path)


def test_a_file_called_gz_that_is_not(tmp_path):
    (tmp_path / "images.gz").write_bytes(idx(images(12)))
    with pytest.raises(InputError, match="gzip"):
        load(tmp_path / "images.gz")


@pytest.mark.parametrize(("dash", "ending"), [("-", ".gz"), ("-", ""), (".", "")])
def test_a_folder_in_the_standard_layout(tmp_path, dash, ending):
    folder = write_layout(tmp_path / "Zahlen für später", dash=dash, ending=ending)
    dataset = load(str(folder))
    assert dataset.shape == (1, 6, 6)
    np.testing.assert_array_equal(dataset.train.images[:, 0], images(40) / np.float32(255))
    np.testing.assert_array_equal(dataset.validation.images[:, 0], images(20, 1) / np.float32(255))
    np.testing.assert_array_equal(dataset.train.labels, np.arange(40) % 10)
    assert load(folder).fingerprint == dataset.fingerprint


def test_one_file_is_split_and_finds_its_labels(tmp_path):
    folder = write_layout(tmp_path)
    dataset = load(folder / "train-images-idx3-ubyte.gz", seed=3)
    assert (len(dataset.train), len(dataset.validation)) == (32, 8)
    assert dataset.train.labels is not None
    (folder / "t10k-images-idx3-ubyte.gz").unlink()
    assert len(load(folder).validation) == 8
    plain = tmp_path / "pictures"
    plain.write_bytes(idx(images(15)))
    assert load(plain).train.labels is None


def test_labels_that_do_not_fit(tmp_path):
    folder = write_layout(tmp_path, ending="")
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(39, np.uint8)))
    with pytest.raises(InputError, match="labels"):
        load(folder)
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(40, np.float32)))
    with pytest.raises(InputError, match="labels"):
        load(folder)


def test_splits_of_different_shapes(tmp_path):
    folder = write_layout(tmp_path, ending="")
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(images(20, side=7)))
    with pytest.raises(InputError, match="one shape"):
        load(folder)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_named_sets_read_the_users_folder(tmp_path, name):
    dataset = load(name, folder=write_layout(tmp_path / "mine"))
    assert dataset.name == name
    assert (len(dataset.train), len(dataset.validation)) == (40, 20)
    assert dataset.licence
    with pytest.raises(InputError, match="train-images-idx3-ubyte"):
        load(name, folder=tmp_path)
    with pytest.raises(InputError, match="folder"):
        load(name, folder=3)
    with pytest.raises(InputError, match="seed"):
        load(name, seed=3)


@pytest.mark.parametrize("failure", [OSError("no network"), ValueError("hash does not match")])
def test_a_failed_download_says_what_to_do(monkeypatch, failure):
    def fetch(_):
        raise failure

    monkeypatch.setattr("pooch.create", lambda **_: SimpleNamespace(fetch=fetch))
    with pytest.raises(InputError, match="option folder"):
        load("mnist")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_downloads_are_pinned_and_kept_in_the_cache(monkeypatch, cache_in_tmp, name):
    seen = {}

    def create(*, path, base_url, registry):
        seen.update(registry)
        assert base_url.startswith("https://")
        assert path == cache_in_tmp / name
        return SimpleNamespace(fetch=lambda _: write_layout(path))

    monkeypatch.setattr("pooch.create", create)
    assert len(load(name).train) == 40
    assert len(seen) == 4
    assert all(value.startswith("sha256:") and len(value) == 71 for value in seen.values())
