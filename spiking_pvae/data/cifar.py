"""Patches of CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from spiking_pvae.data.checks import known_options
from spiking_pvae.data.cifar_batch import read_batch
from spiking_pvae.data.filters import prepare
from spiking_pvae.data.fingerprint import file_hash, recipe_hash
from spiking_pvae.data.natural_config import NaturalConfig
from spiking_pvae.data.photographs import LUMINANCE
from spiking_pvae.errors import InputError
from spiking_pvae.types import Dataset, ImageSet

LICENCE = "no licence stated by its authors (A. Krizhevsky, 2009)"
SOURCE = "https://www.cs.toronto.edu/~kriz/cifar.html, python version"
CAVEAT = "The P-VAE paper's results on CIFAR patches are not reproduced here, nor were its patches compared with these."
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = "test_batch"
_SUBFOLDER = "cifar-10-batches-py"
_OPTIONS = ("whiten", "cutoff", "contrast_normalise", "window_sd", "zscore", "border", "patch", "augment", "seed")


def load_cifar16(options: Mapping[str, Any]) -> Dataset:
    """Load one random 16 x 16 patch of each CIFAR-10 image, in luminance and filtered as the natural set.

    The training batches are the training split, the test batch is the validation split. The results of the P-VAE paper
    on such patches are not reproduced here, nor were its patches compared with these.

    Parameters
    ----------
    options : mapping
        ``folder``: the folder of the batch files (or the one above it); needed. Those fields of `NaturalConfig` that
        are about filters, the patch and augmentation.

    Returns
    -------
    Dataset
        Images of shape (1, patch, patch), with labels.

    Raises
    ------
    InputError
        No folder, no or damaged batch files, an unknown option or a value out of its range.
    """
    known_options(options, ("folder", *_OPTIONS), "'cifar16'")
    config = NaturalConfig(**{key: value for key, value in options.items() if key != "folder"})
    inner = 32 - 2 * config.border
    if inner < config.patch:
        raise InputError(
            "patch and border",
            given=f"patch {config.patch}, border {config.border}",
            allowed="patch + 2 border of at most 32 pixels, the side of a CIFAR-10 image",
        )
    train, test = _batch_files(options.get("folder"))
    recipe = {"set": "cifar16", "version": 1, "options": {key: asdict(config)[key] for key in _OPTIONS}}
    return Dataset(
        name="cifar16",
        train=_patches(train, config, stream=0),
        validation=_patches([test], config, stream=1),
        augment=config.augment,
        source=f"{SOURCE}. {CAVEAT}",
        licence=LICENCE,
        fingerprint=recipe_hash({**recipe, "files": [file_hash(path) for path in [*train, test]]}),
    )


def _batch_files(folder: object) -> tuple[list[Path], Path]:
    if isinstance(folder, str | Path):
        chosen = Path(folder).expanduser()
        for root in (chosen, chosen / _SUBFOLDER):
            train = [root / name for name in _TRAIN if (root / name).is_file()]
            if train and (root / _TEST).is_file():
                return train, root / _TEST
    raise InputError(
        "folder of 'cifar16'",
        given="none" if folder is None else str(folder),
        allowed=f"a folder with {_TRAIN[0]} to 5 and {_TEST}",
        remedy="Unpack cifar-10-python.tar.gz and name the folder with the option folder.",
    )


def _patches(paths: list[Path], config: NaturalConfig, stream: int) -> ImageSet:
    rng = np.random.default_rng([config.seed, stream])
    patches, labels = [], []
    for path in paths:
        pixels, classes = read_batch(path)
        grey = np.einsum("nchw,c->nhw", pixels / 255.0, LUMINANCE)
        windows = sliding_window_view(prepare(grey, config), (config.patch, config.patch), axis=(1, 2))
        rows, columns = (rng.integers(0, size, len(pixels)) for size in windows.shape[1:3])
        patches.append(windows[np.arange(len(pixels)), rows, columns][:, None])
        labels.append(classes)
    return ImageSet(images=np.concatenate(patches), labels=np.concatenate(labels))
