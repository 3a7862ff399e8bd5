"""The default set: its numbers, its splits, its recipe."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from spiking_pvae.data import NaturalConfig, load, statistics
from spiking_pvae.data.crops import random_crops, split_regions
from spiking_pvae.data.filters import standardise, whiten
from spiking_pvae.data.photographs import bundled_photographs, luminance, read_pixels
from spiking_pvae.errors import InputError

PLAIN = {"whiten": False, "contrast_normalise": False, "zscore": False}


def kurtosis(values):
    centred = values - values.mean()
    return (centred**4).mean() / (centred**2).mean() ** 2


def test_sizes_and_provenance(natural):
    assert (len(natural.train), len(natural.validation), len(natural.test)) == (80_000, 20_000, 5_000)
    assert natural.shape == (1, 16, 16)
    assert natural.augment == "dihedral"
    assert "CC BY 2.0" in natural.licence
    assert "danielbuechele" in natural.source
    assert len(natural.fingerprint) == 64


def test_statistics_of_the_default(natural):
    found = statistics(natural)
    # Whole images have variance 1, so a crop of 256 pixels has 256 in the mean, up to which regions are drawn.
    assert found.sum_of_squares == pytest.approx(256, rel=0.03)
    assert found.validation_sum_of_squares == pytest.approx(256, rel=0.1)
    assert found.sd == pytest.approx(1, rel=0.02)
    assert found.mean == pytest.approx(0, abs=0.01)
    assert 4.5 < found.kurtosis < 6.5


def test_whitened_photographs_are_sparse_and_phase_scrambled_ones_gaussian():
    """About 12 against 3: what makes the images natural is in their phases."""
    rng = np.random.default_rng(0)
    whitened, scrambled = [], []
    for photograph in bundled_photographs():
        image = whiten(luminance(read_pixels(photograph.path)), 0.4)
        phases = np.angle(np.fft.rfft2(rng.standard_normal(image.shape)))
        control = np.fft.irfft2(np.abs(np.fft.rfft2(image)) * np.exp(1j * phases), s=image.shape)
        whitened.append(standardise(image)[4:-4, 4:-4].ravel())
        scrambled.append(standardise(control)[4:-4, 4:-4].ravel())
    assert kurtosis(np.concatenate(whitened)) == pytest.approx(12, rel=0.05)
    # 2.4 million pixels: the standard error of a Gaussian's kurtosis is sqrt(24 / 2.4e6) = 0.003.
    assert kurtosis(np.concatenate(scrambled)) == pytest.approx(3, abs=0.03)


def test_statistics_against_one_pass_over_the_whole(natural):
    few = load("natural", train_crops=5000, validation_crops=10, test_crops=1)
    found = statistics(few)
    values = few.train.images.astype(np.float64)
    assert found.mean == pytest.approx(values.mean(), abs=1e-9)
    assert found.sd == pytest.approx(values.std())
    assert found.kurtosis == pytest.approx(kurtosis(values))
    assert found.patch_variance == pytest.approx(values.var(axis=(1, 2, 3)).mean())
    assert found.sum_of_squares == pytest.approx((values**2).sum(axis=(1, 2, 3)).mean())
    assert (found.train, found.validation, found.test) == (5000, 10, 1)


@given(
    height=st.integers(20, 120),
    width=st.integers(20, 120),
    gap=st.integers(0, 20),
    share=st.floats(0.1, 0.5),
)
def test_regions_of_any_image_share_no_pixel(height, width, gap, share):
    image = np.arange(height * width, dtype=np.float32).reshape(height, width)
    config = NaturalConfig(gap=gap, validation_share=share, patch=8)
    try:
        train, validation = split_regions(image, config, "tagged")
    except InputError:
        return
    crops = [random_crops([region], 8, 10**6, np.random.default_rng(0)) for region in (train, validation)]
    seen = [set(np.unique(each).astype(int).tolist()) for each in crops]
    assert not seen[0] & seen[1]
    assert seen[0] == set(train.ravel().astype(int).tolist())  # every pixel of a region is reached
    assert seen[1] == set(validation.ravel().astype(int).tolist())
    assert train.size + validation.size + gap * min(height, width) == image.size


def test_train_validation_and_test_share_no_pixel_of_tagged_photographs(tmp_path):
    height, width, count = 90, 130, 3
    for index in range(count):  # ids below 2^24 are exact in float32
        ids = np.arange(height * width, dtype=np.float32).reshape(height, width) + index * height * width
        tifffile.imwrite(tmp_path / f"{index}.tif", ids)
    dataset = load(tmp_path, **PLAIN, held_out="1.tif", train_crops=10**6, validation_crops=10**6, test_crops=10**6)
    ids = {name: np.unique(dataset.split(name).images).astype(int) for name in ("train", "val", "test")}
    assert set((ids["test"] // (height * width)).tolist()) == {1}
    assert set((ids["train"] // (height * width)).tolist()) == {0, 2}
    columns = {name: found % width for name, found in ids.items()}
    inner = width - 8
    first_of_validation = 4 + inner - -(-inner // 5)
    assert columns["val"].min() == first_of_validation
    assert columns["train"].max() == first_of_validation - 16 - 1
    assert not set(ids["train"].tolist()) & set(ids["val"].tolist())
    # Each crop is a square of the original: 16 neighbours a row, one image row between rows.
    crop = dataset.train.images[7, 0].astype(int)
    np.testing.assert_array_equal(crop - crop[0, 0], np.arange(16)[None] + width * np.arange(16)[:, None])


def test_portraits_are_cut_across_their_rows():
    image = np.arange(100 * 50, dtype=np.float32).reshape(100, 50)
    train, validation = split_regions(image, NaturalConfig(), "portrait")
    assert train.shape == (64, 50)
    assert validation.shape == (20, 50)
    np.testing.assert_array_equal(validation, image[80:])


def test_crops_are_distinct_and_fairly_drawn():
    regions = [
        np.arange(400, dtype=np.float32).reshape(20, 20),
        np.arange(1000, 2200, dtype=np.float32).reshape(30, 40),
    ]
    everything = random_crops(regions, 16, 10**6, np.random.default_rng(0))
    assert len(everything) == 5 * 5 + 15 * 25
    assert len(np.unique(everything[:, 0, 0, 0])) == len(everything)
    drawn = random_crops(regions, 16, 200, np.random.default_rng(1))
    share = float((drawn[:, 0, 0, 0] < 1000).mean())
    # 25 of 400 positions; a hypergeometric draw of 200 has a standard error of 0.012.
    assert share == pytest.approx(25 / 400, abs=0.05)


def test_the_same_seed_gives_the_same_crops_and_another_seed_others():
    options = {"train_crops": 50, "validation_crops": 20, "test_crops": 10}
    first, again = load("natural", **options), load("natural", **options)
    other = load("natural", **options, seed=1)
    more = load("natural", **(options | {"train_crops": 60}))
    np.testing.assert_array_equal(first.train.images, again.train.images)
    assert first.fingerprint == again.fingerprint
    assert not np.array_equal(first.train.images, other.train.images)
    assert first.fingerprint != other.fingerprint
    np.testing.assert_array_equal(first.validation.images, more.validation.images)


def test_the_held_out_photograph_is_the_users_choice():
    options = {"train_crops": 10, "validation_crops": 10, "test_crops": 10}
    assert load("natural", **options, held_out=None).test is None
    ours = load("natural", **options)
    coffee = load("natural", **options, held_out="coffee")
    assert not np.array_equal(ours.test.images, coffee.test.images)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("cutoff", 0.0),
        ("cutoff", float("nan")),
        ("window_sd", -1),
        ("border", -1),
        ("border", True),
        ("gap", 1.5),
        ("validation_share", 1.0),
        ("validation_share", 0),
        ("patch", 1),
        ("patch", 400),
        ("train_crops", 3),
        ("test_crops", 0),
        ("seed", -1),
        ("whiten", "no"),
        ("augment", "rotate"),
        ("held_out", "mona lisa"),
        ("held_out", 3),
        ("sharpen", True),
    ],
)
def test_bad_options_are_refused(option, value):
    with pytest.raises(InputError, match=option if option != "patch" or value == 1 else "image"):
        load("natural", **{option: value})


def test_a_missing_photograph_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("spiking_pvae.data.photographs.find_spec", lambda _: None)
    with pytest.raises(InputError, match="pip install"):
        load("natural")


def test_every_field_of_the_recipe_moves_the_fingerprint():
    few = {"train_crops": 10, "validation_crops": 10, "test_crops": 10}
    base = load("natural", **few).fingerprint
    changed = {
        "whiten": False,
        "cutoff": 0.5,
        "contrast_normalise": False,
        "window_sd": 2.0,
        "zscore": False,
        "border": 5,
        "validation_share": 0.25,
        "gap": 0,
        "held_out": "coffee",
        "patch": 8,
        "train_crops": 11,
        "validation_crops": 11,
        "test_crops": 11,
        "augment": "none",
        "seed": 1,
    }
    assert set(changed) == {field.name for field in fields(NaturalConfig)}
    prints = {load("natural", **(few | {name: value})).fingerprint for name, value in changed.items()}
    assert len(prints | {base}) == len(changed) + 1
