"""The user's own .npy and .npz files, good and bad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiking_pvae.data import load
from spiking_pvae.data.splits import split_indices
from spiking_pvae.errors import InputError


def floats(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def save(tmp_path, array, name="some images ü.npy"):
    path = tmp_path / name
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((20, 8, 9), (1, 8, 9)),
        ((20, 1, 8, 9), (1, 8, 9)),
        ((20, 3, 8, 9), (3, 8, 9)),
        ((20, 5, 8, 9), (5, 8, 9)),
        ((20, 8, 9, 3), (3, 8, 9)),
        ((20, 8, 9, 1), (1, 8, 9)),
    ],
)
def test_shapes(tmp_path, shape, expected):
    array = floats(*shape)
    dataset = load(save(tmp_path, array))
    assert dataset.shape == expected
    assert (len(dataset.train), len(dataset.validation)) == (16, 4)
    everything = np.concatenate([dataset.train.images, dataset.validation.images])
    assert sorted(everything.sum(axis=(1, 2, 3))) == pytest.approx(sorted(array.reshape(20, -1).sum(axis=1)), abs=1e-4)


def test_channels_last_are_moved_not_reshaped(tmp_path):
    array = np.zeros((20, 4, 5, 3), np.float32)
    array[..., 2] = 7
    images = load(save(tmp_path, array)).train.images
    assert (images[:, 2] == 7).all()
    assert not images[:, :2].any()


def test_bytes_are_scaled_and_floats_are_not(tmp_path):
    byte = np.random.default_rng(0).integers(0, 256, (20, 4, 4)).astype(np.uint8)
    byte[:, 0, 0] = 255
    assert load(save(tmp_path, byte)).train.images.max() == 1
    wide = load(save(tmp_path, floats(20, 4, 4).astype(np.float64) * 100))
    assert wide.train.images.dtype == np.float32
    assert wide.train.images.max() > 50


@pytest.mark.parametrize("key", ["images", "x", "data", "anything"])
@pytest.mark.parametrize("label_key", ["labels", "y", None])
def test_npz_keys(tmp_path, key, label_key):
    extra = {} if label_key is None else {label_key: np.arange(20) % 2}
    np.savez(tmp_path / "a.npz", **{key: floats(20, 4, 4)}, **extra)
    dataset = load(tmp_path / "a.npz")
    assert (dataset.train.labels is None) == (label_key is None)


def test_the_seed_decides_the_split_and_the_fingerprint(tmp_path):
    path = save(tmp_path, floats(50, 4, 4))
    first, again, other = load(path), load(path), load(path, seed=1)
    np.testing.assert_array_equal(first.train.images, again.train.images)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert not np.array_equal(first.train.images, other.train.images)
    with pytest.raises(InputError, match="seed"):
        load(path, seed=-1)
    with pytest.raises(InputError, match="colour"):
        load(path, colour="red")


@given(
    labels=st.lists(st.integers(-3, 6), min_size=10, max_size=200),
    seed=st.integers(0, 1000),
)
def test_splits_are_partitions_with_each_class_in_its_share(labels, seed):
    classes = np.array(labels)
    train, validation = split_indices(len(classes), classes, seed)
    assert sorted([*train, *validation]) == list(range(len(classes)))
    assert len(validation) == len(classes) // 5
    for label in set(labels):
        count = int((classes == label).sum())
        assert abs(int((classes[validation] == label).sum()) - count / 5) < 1


NAN = floats(20, 4, 4)
NAN[3, 1, 1] = np.nan
HUGE = np.full((20, 4, 4), 1e300)

BAD = {
    "2-d": floats(20, 16),
    "5-d": floats(20, 1, 2, 4, 4),
    "channels nowhere": floats(20, 9, 4, 5),
    "scalar": np.float32(3),
    "int64": np.ones((20, 4, 4), np.int64),
    "bool": np.ones((20, 4, 4), bool),
    "complex": floats(20, 4, 4).astype(complex),
    "strings": np.full((20, 4, 4), "a"),
    "object": np.array([{"a": 1}] * 20, dtype=object),
    "structured": np.zeros((20, 4, 4), [("a", "f4")]),
    "nan": NAN,
    "inf": np.where(np.isnan(NAN), np.inf, NAN),
    "beyond float32": HUGE,
    "no samples": floats(0, 4, 4),
    "no pixels": floats(20, 0, 4),
    "too few": floats(9, 4, 4),
    "constant": np.full((20, 4, 4), 0.5, np.float32),
    "constant each": np.broadcast_to(np.arange(20.0)[:, None, None], (20, 4, 4)),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_arrays_are_refused_in_one_message(tmp_path, name):
    path = save(tmp_path, BAD[name])
    with pytest.raises(InputError, match=r"got .*; allowed: "):
        load(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("keep", [0, 3, 40, 0.5, 0.99])
def test_truncated_files_are_refused(tmp_path, suffix, keep):
    path = tmp_path / f"a{suffix}"
    (np.save if suffix == ".npy" else np.savez)(path, floats(20, 8, 8))
    content = path.read_bytes()
    path.write_bytes(content[: keep if isinstance(keep, int) else int(keep * len(content))])
    with pytest.raises(InputError, match=r"can't be read"):
        load(path)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"labels": np.arange(20)},
        {"a": floats(20, 4, 4), "b": floats(20, 4, 4)},
        {"images": floats(20, 4, 4), "x": floats(20, 4, 4)},
        {"images": floats(20, 4, 4), "labels": np.arange(19)},
        {"images": floats(20, 4, 4), "labels": floats(20)},
        {"images": floats(20, 4, 4), "y": np.zeros((20, 2), int)},
        {"images": floats(20, 4, 4), "y": np.array([None] * 20)},
    ],
)
def test_bad_archives_are_refused(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError):
        load(tmp_path / "a.npz")
