"""A folder of pictures: patches of photographs, or small images as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.data.checks import known_options, seed_option, to_images
from spiking_pvae.data.fingerprint import file_hash, recipe_hash
from spiking_pvae.data.natural import natural_config, patches
from spiking_pvae.data.photographs import SUFFIXES, Photograph, luminance, read_pixels
from spiking_pvae.data.splits import split_images
from spiking_pvae.errors import InputError
from spiking_pvae.types import Dataset

LARGEST_SMALL = 32
"""Pictures up to this side in pixels, all of one size, are images themselves."""


def load_image_folder(folder: Path, options: Mapping[str, Any]) -> Dataset:
    """Load the pictures of a folder, in the order of their names; its subfolders are not searched.

    Pictures that are all of one size of at most 32 x 32 pixels are the images themselves, split 80/20 (in colour
    where all of them are). Others are photographs, and become patches as those of the natural set.

    Parameters
    ----------
    folder : Path
        PNG, JPEG or TIFF files; other files are left alone.
    options : mapping
        Small images: ``seed``. Photographs: the fields of `NaturalConfig`; ``held_out`` is a file's name.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        No, damaged, too few or too small pictures, or an unknown option.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise InputError(
            f"folder {folder}",
            given="no picture and no IDX file",
            allowed=f"files that end in {', '.join(SUFFIXES)}, or IDX files under the names of MNIST",
        )
    small = _small_images(paths)
    if small is None:
        config = natural_config(options, "a folder of photographs")
        photographs = [Photograph(path.name, path) for path in paths]
        return patches(str(folder), photographs, config, source=str(folder), licence="")
    known_options(options, ("seed",), "a folder of small images")
    seed = seed_option(options)
    images = to_images(small, str(folder))
    train, validation = split_images(images, None, seed)
    recipe = {"seed": seed, "files": [[path.name, file_hash(path)] for path in paths]}
    return Dataset(
        name=str(folder), train=train, validation=validation, source=str(folder), fingerprint=recipe_hash(recipe)
    )


def _small_images(paths: list[Path]) -> NDArray[np.float64] | None:
    pictures: list[NDArray[np.float64]] = []
    for path in paths:
        pixels = read_pixels(path)
        size = pixels.shape[:2]
        # Photographs are known by the first that is large, without a reading of them all.
        if max(size) > LARGEST_SMALL or (pictures and size != pictures[0].shape[:2]):
            return None
        pictures.append(pixels)
    if any(picture.ndim == 2 for picture in pictures):
        pictures = [luminance(picture) for picture in pictures]
    stack = np.stack(pictures)
    return stack[:, None] if stack.ndim == 3 else stack.transpose(0, 3, 1, 2)
