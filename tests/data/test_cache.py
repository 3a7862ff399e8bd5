"""The cache: atomic, checked, and never in the way."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest

from spiking_pvae.data import cache, load

FEW = {"train_crops": 20, "validation_crops": 10, "test_crops": 10}


def arrays(seed=0, size=50):
    rng = np.random.default_rng(seed)
    return tuple(rng.standard_normal((size, size + index)).astype(np.float32) for index in range(3))


def same(first, second):
    return len(first) == len(second) and all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_what_is_written_is_read(cache_in_tmp):
    assert cache.read("key") is None
    cache.write("key", arrays())
    assert same(cache.read("key"), arrays())
    assert cache.read("other") is None
    assert [path.name for path in cache_in_tmp.rglob("*") if path.is_file()] == ["key.npz"]


@pytest.mark.parametrize("place", [0.0, 0.01, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("damage", ["flip", "cut"])
def test_a_damaged_file_is_no_cache(cache_in_tmp, place, damage):
    cache.write("key", arrays())
    (path,) = cache_in_tmp.rglob("key.npz")
    content = bytearray(path.read_bytes())
    index = int(place * len(content))
    if damage == "flip":
        content[index] ^= 0xFF
    else:
        del content[index:]
    path.write_bytes(content)
    found = cache.read("key")
    # A flip in a field of the container that nothing depends on may leave the arrays whole.
    assert found is None or (damage == "flip" and same(found, arrays()))


def test_foreign_content_is_no_cache(cache_in_tmp):
    path = cache_in_tmp / "images" / "key.npz"
    path.parent.mkdir(parents=True)
    np.savez(path, **{"0": np.full((3, 3), np.nan, np.float32)})
    assert cache.read("key") is None
    np.savez(path, **{"0": np.ones((3, 3))})
    assert cache.read("key") is None
    np.savez(path, **{"0": np.array([{}], dtype=object)})
    assert cache.read("key") is None


def test_a_damaged_cache_is_rebuilt_and_gives_the_same_data(cache_in_tmp):
    first = load("natural", **FEW)
    (path,) = cache_in_tmp.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:1000])
    again = load("natural", **FEW)
    np.testing.assert_array_equal(first.train.images, again.train.images)
    assert path.stat().st_size > 1000


def test_filters_are_cached_and_crops_are_not(cache_in_tmp):
    load("natural", **FEW)
    load("natural", **FEW, seed=5)
    assert len(list(cache_in_tmp.rglob("*.npz"))) == 1
    load("natural", **FEW, cutoff=0.5)
    assert len(list(cache_in_tmp.rglob("*.npz"))) == 2


def test_a_folder_that_cannot_be_written_only_means_no_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SPIKING_PVAE_CACHE", str(tmp_path / "file" / "cache"))
    assert len(load("natural", **FEW).train) == 20


def test_a_failed_write_leaves_nothing_behind(cache_in_tmp, monkeypatch):
    cache.write("key", arrays(0))

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", full)
    cache.write("key", arrays(1))
    assert same(cache.read("key"), arrays(0))
    assert [path.name for path in cache_in_tmp.rglob("*") if path.is_file()] == ["key.npz"]


def test_the_default_folder_is_the_users_cache(monkeypatch):
    monkeypatch.delenv("SPIKING_PVAE_CACHE")
    assert "spiking-pvae" in str(cache.cache_folder())


def test_writers_and_readers_at_once_see_whole_files_only(cache_in_tmp):
    versions = [arrays(seed, 120) for seed in range(3)]
    cache.write("key", versions[0])
    torn = []
    stop = time.monotonic() + 0.5

    def write(version):
        while time.monotonic() < stop:
            cache.write("key", version)

    def read():
        while time.monotonic() < stop:
            found = cache.read("key")
            if found is None or not any(same(found, version) for version in versions):
                torn.append(found)

    threads = [threading.Thread(target=write, args=(version,)) for version in versions]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not torn
    assert [path.name for path in cache_in_tmp.rglob("*") if path.is_file()] == ["key.npz"]
