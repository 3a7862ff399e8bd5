"""Folders of pictures."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.io import imsave

from spiking_pvae.data import load
from spiking_pvae.data.photographs import LUMINANCE, luminance, read_pixels
from spiking_pvae.errors import InputError


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, array, check_contrast=False)


def test_photographs_of_any_kind_become_patches(tmp_path):
    folder = tmp_path / "Bilder – große"
    write(folder / "a.png", pixels(100, 120))
    write(folder / "b.JPG", pixels(120, 100, 3))
    write(folder / "c.tiff", pixels(110, 110, 3))
    (folder / "notes.txt").write_text("not a picture")
    dataset = load(folder, train_crops=100, validation_crops=50)
    assert dataset.shape == (1, 16, 16)
    assert (len(dataset.train), len(dataset.validation), dataset.test) == (100, 50, None)
    assert len(load(folder, train_crops=10, validation_crops=10, held_out="b.JPG", test_crops=30).test) == 30
    with pytest.raises(InputError, match="held_out"):
        load(folder, held_out="b.png")


def test_small_pictures_of_one_size_are_the_images(tmp_path):
    for index in range(20):
        write(tmp_path / f"{index:02}.png", pixels(12, 10, seed=index))
    dataset = load(tmp_path)
    assert (dataset.shape, len(dataset.train), len(dataset.validation)) == ((1, 12, 10), 16, 4)
    found = {image.tobytes() for split in ("train", "val") for image in dataset.split(split).images}
    assert found == {(pixels(12, 10, seed=index) / 255).astype(np.float32).tobytes() for index in range(20)}
    with pytest.raises(InputError, match="patch"):
        load(tmp_path, patch=8)


def test_small_pictures_keep_their_colours_where_all_have_them(tmp_path):
    for index in range(10):
        write(tmp_path / f"{index}.png", pixels(8, 8, 3, seed=index))
    assert load(tmp_path).shape == (3, 8, 8)
    write(tmp_path / "grey.png", pixels(8, 8))
    assert load(tmp_path).shape == (1, 8, 8)


def test_reading_scales_drops_alpha_and_weighs_colours(tmp_path):
    colour = pixels(9, 9, 4)
    write(tmp_path / "a.png", colour)
    found = read_pixels(tmp_path / "a.png")
    np.testing.assert_array_equal(found, colour[:, :, :3] / 255)
    np.testing.assert_allclose(luminance(found)[3, 4], (colour[3, 4, :3] / 255 * LUMINANCE).sum())
    assert LUMINANCE.sum() == pytest.approx(1)
    deep = np.arange(81, dtype=np.uint16).reshape(9, 9) * 800
    tifffile.imwrite(tmp_path / "deep.tif", deep)
    np.testing.assert_allclose(read_pixels(tmp_path / "deep.tif"), deep / 65535)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "I;16"])
def test_pillow_modes(tmp_path, mode):
    grey = pixels(40, 50) // 128 * 255
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    if mode == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(grey).convert(mode).save(path, **({"quality": 100} if mode == "CMYK" else {}))
    found = luminance(read_pixels(path))
    np.testing.assert_allclose(found, grey / 255, atol=0.05 if mode == "CMYK" else 1e-12)


def test_damaged_pictures_are_refused(tmp_path):
    write(tmp_path / "good.png", pixels(100, 100))
    content = (tmp_path / "good.png").read_bytes()
    for name, bad in {"cut.png": content[: len(content) // 2], "no.jpg": b"hello", "none.tif": b""}.items():
        folder = tmp_path / name.replace(".", "-")
        write(folder / "good.png", pixels(100, 100))
        (folder / name).write_bytes(bad)
        with pytest.raises(InputError, match=r"picture .*can't be read"):
            load(folder)


def test_pages_and_values_that_are_no_picture(tmp_path):
    tifffile.imwrite(tmp_path / "pages.tif", np.zeros((5, 60, 60), np.uint8), photometric="minisblack")
    with pytest.raises(InputError, match="one page"):
        load(tmp_path)
    tifffile.imwrite(tmp_path / "pages.tif", np.full((100, 100), np.nan, np.float32))
    with pytest.raises(InputError, match="NaN"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("shapes", "match"),
    [
        ([], "no picture"),
        ([(8, 8)] * 9, "at least 10"),
        ([(40, 40)], "image 'a0.png'"),
        ([(200, 20)], "image 'a0.png'"),
        ([(3, 300)], "image 'a0.png'"),
        ([(8, 8), (9, 9)], "image 'a0.png'"),
    ],
)
def test_folders_without_enough(tmp_path, shapes, match):
    for index, shape in enumerate(shapes):
        write(tmp_path / f"a{index}.png", pixels(*shape))
    with pytest.raises(InputError, match=match):
        load(tmp_path)


@pytest.mark.parametrize("side", [100, 8])
def test_constant_pictures_are_refused(tmp_path, side):
    for index in range(10):
        write(tmp_path / f"{index}.png", np.full((side, side), 30, np.uint8))
    with pytest.raises(InputError, match="constant"):
        load(tmp_path)


def test_a_held_out_image_must_hold_a_patch(tmp_path):
    write(tmp_path / "large.png", pixels(120, 120))
    write(tmp_path / "small.png", pixels(20, 20))
    with pytest.raises(InputError, match="held-out image"):
        load(tmp_path, held_out="small.png")
