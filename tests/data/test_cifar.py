"""CIFAR-10 batches, written opcode by opcode as Python 2 and its NumPy wrote them."""

from __future__ import annotations

import pickle
import struct

import numpy as np
import pytest

from spiking_pvae.data import load
from spiking_pvae.data.cifar_batch import read_batch
from spiking_pvae.errors import InputError


def text(value: bytes) -> bytes:
    """A Python 2 string."""
    return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<i", len(value)) + value


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def batch(images, labels, *, module=b"numpy.core.multiarray", kind=b"u1") -> bytes:
    """{'batch_label': ..., 'labels': [...], 'data': ndarray} in protocol 2."""
    raw = images.reshape(len(images), -1).tobytes()
    array = (
        b"c" + module + b"\n_reconstruct\n"
        b"cnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"\x87R"
        b"(" + number(1) + number(len(images)) + number(images[0].size) + b"\x86"
        b"cnumpy\ndtype\n" + text(kind) + number(0) + number(1) + b"\x87R"
        b"(" + number(3) + text(b"|") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
        b"\x89" + text(raw) + b"tb"
    )
    listed = b"](" + b"".join(number(label) for label in labels) + b"e"
    items = text(b"batch_label") + text(b"a batch") + text(b"labels") + listed + text(b"data") + array
    return b"\x80\x02}(" + items + b"u."


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "the data" / "cifar-10-batches-py"
    root.mkdir(parents=True)
    for index in (1, 2):
        (root / f"data_batch_{index}").write_bytes(batch(pictures(12, index), range(12)))
    (root / "test_batch").write_bytes(batch(pictures(11, 9), range(11)))
    return root


def test_a_batch_is_read_exactly(folder):
    images, labels = read_batch(folder / "data_batch_1")
    np.testing.assert_array_equal(images, pictures(12, 1))
    np.testing.assert_array_equal(labels, np.arange(12))


def test_splits_and_labels(folder):
    dataset = load("cifar16", folder=folder)
    assert dataset.shape == (1, 16, 16)
    assert (len(dataset.train), len(dataset.validation)) == (24, 11)
    np.testing.assert_array_equal(dataset.validation.labels, np.arange(11))
    assert "not reproduced" in dataset.source
    again = load("cifar16", folder=str(folder.parent))
    np.testing.assert_array_equal(dataset.train.images, again.train.images)
    assert dataset.fingerprint == again.fingerprint != load("cifar16", folder=folder, seed=1).fingerprint


def test_patches_are_luminance_of_the_images(folder):
    plain = {"whiten": False, "contrast_normalise": False, "zscore": False, "border": 0}
    whole = load("cifar16", folder=folder, patch=32, **plain)
    grey = (pictures(11, 9) / 255 * np.array([0.2125, 0.7154, 0.0721])[:, None, None]).sum(axis=1)
    np.testing.assert_allclose(whole.validation.images[:, 0], grey, rtol=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        batch(pictures(4), range(4))[:-200],
        batch(pictures(4), range(3)),
        batch(pictures(4), range(4), kind=b"f4"),
        batch(pictures(4)[:, :2], range(4)),
        batch(pictures(4), range(4), module=b"os.path"),
        b"cos\nsystem\n(S'echo harm'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        pickle.dumps({b"labels": [1]}, protocol=2),
        pickle.dumps([1, 2], protocol=2),
    ],
)
def test_damaged_and_hostile_batches_are_refused(folder, content):
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(InputError, match="CIFAR-10 batch"):
        load("cifar16", folder=folder)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "folder"),
        ({"folder": "nowhere"}, "folder"),
        ({"folder": 3}, "folder"),
        ({"patch": 30}, "patch and border"),
        ({"train_crops": 10}, "train_crops"),
    ],
)
def test_bad_options(options, match):
    with pytest.raises(InputError, match=match):
        load("cifar16", **options)
