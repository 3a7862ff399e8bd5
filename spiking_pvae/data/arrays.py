"""The user's own arrays in .npy and .npz files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.data.checks import known_options, seed_option, to_images, to_labels
from spiking_pvae.data.fingerprint import file_hash, recipe_hash
from spiking_pvae.data.splits import split_images
from spiking_pvae.errors import InputError
from spiking_pvae.types import Dataset

IMAGE_KEYS = ("images", "x", "data")
LABEL_KEYS = ("labels", "y")


def load_array_file(path: Path, options: Mapping[str, Any]) -> Dataset:
    """Load a .npy or .npz file, split 80/20 and stratified where there are labels.

    Parameters
    ----------
    path : Path
        ``.npy``: the images. ``.npz``: images under ``images``, ``x`` or ``data``, or as the only array besides the
        labels; labels, optional, under ``labels`` or ``y``. Pickled content is never loaded.
    options : mapping
        ``seed``: seed of the split.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        A damaged file or an array that is no set of images.
    """
    known_options(options, ("seed",), f"a {path.suffix} file")
    seed = seed_option(options)
    found = _read(path)
    labels_key = next((key for key in LABEL_KEYS if key in found), None)
    key = _image_key(path, [key for key in found if key != labels_key])
    images = to_images(found[key], str(path))
    labels = None if labels_key is None else to_labels(found[labels_key], len(images), str(path))
    train, validation = split_images(images, labels, seed)
    fingerprint = recipe_hash({"seed": seed, "file": file_hash(path)})
    return Dataset(name=str(path), train=train, validation=validation, source=str(path), fingerprint=fingerprint)


def _read(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        with path.open("rb") as file:  # left to itself, numpy.load keeps a damaged file open
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {IMAGE_KEYS[0]: loaded}
            with loaded:
                return {key: loaded[key] for key in loaded.files}
    # zipfile, zlib, struct and NumPy's header reader each have their own exceptions for damage.
    except Exception as error:
        # numpy speaks of pickles for any file that does not begin like an array, and advises to allow them.
        why = "no array, or one of Python objects" if "pickle" in str(error) else f"{type(error).__name__}: {error}"
        raise InputError(
            f"file {path}",
            given=f"content that can't be read ({why})",
            allowed="arrays of numbers as numpy.save or numpy.savez write them, without pickled objects",
            remedy="Save the images again as an array of uint8 or float32.",
        ) from error


def _image_key(path: Path, keys: list[str]) -> str:
    named = [key for key in IMAGE_KEYS if key in keys]
    if len(named) == 1:
        return named[0]
    if not named and len(keys) == 1:
        return keys[0]
    raise InputError(
        f"arrays in {path}",
        given=", ".join(keys) or "no array of images",
        allowed=f"images under one of {', '.join(IMAGE_KEYS)}, or a single array; "
        f"labels under {' or '.join(LABEL_KEYS)}",
    )
