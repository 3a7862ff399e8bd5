"""Natural-image patches: photographs, filtered, cut in regions, cropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from spiking_pvae.data import cache
from spiking_pvae.data.checks import known_options
from spiking_pvae.data.crops import random_crops, split_regions
from spiking_pvae.data.filters import prepare
from spiking_pvae.data.fingerprint import file_hash, recipe_hash
from spiking_pvae.data.natural_config import NaturalConfig
from spiking_pvae.data.photographs import Photograph, bundled_photographs, luminance, read_pixels
from spiking_pvae.errors import InputError
from spiking_pvae.types import Dataset, FloatArray, ImageSet

HELD_OUT = "chelsea"
"""The smallest of the bundled photographs: the test of unseen images costs the training least."""
SOURCE = (
    "8 images of the scikit-image wheel (astronaut, camera, chelsea, coffee, rocket, brick, grass, gravel) and 2 of "
    "the scikit-learn wheel (china by danielbuechele, flower by vultilion, both from Flickr)"
)
LICENCE = "CC0 or public domain; china and flower CC BY 2.0"
_FILTERS = ("whiten", "cutoff", "contrast_normalise", "window_sd", "zscore", "border")
_VERSION = 1
"""Raised when the same options come to mean other images."""


def natural_config(options: Mapping[str, Any], what: str) -> NaturalConfig:
    """Make a recipe of options.

    Raises
    ------
    InputError
        An option that `NaturalConfig` does not have, or a value out of its range.
    """
    known_options(options, (field.name for field in fields(NaturalConfig)), what)
    return NaturalConfig(**options)


def load_natural(options: Mapping[str, Any]) -> Dataset:
    """Load patches of the bundled photographs.

    Parameters
    ----------
    options : mapping
        Fields of `NaturalConfig`. The photograph held out for the test split is `HELD_OUT` by default.

    Returns
    -------
    Dataset
        Images of shape (1, patch, patch); `test` holds crops of the held-out photograph.

    Raises
    ------
    InputError
        An unknown option, a value out of its range, or an incomplete installation.
    """
    config = natural_config({"held_out": HELD_OUT, **options}, "'natural'")
    return patches("natural", bundled_photographs(), config, source=SOURCE, licence=LICENCE)


def patches(
    name: str, photographs: Sequence[Photograph], config: NaturalConfig, *, source: str, licence: str
) -> Dataset:
    """Turn photographs into a data set of patches.

    Parameters
    ----------
    name : str
        Name of the data set.
    photographs : sequence of Photograph
        At least one besides the one held out.
    config : NaturalConfig
        The recipe.
    source, licence : str
        Provenance.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        A picture is damaged or too small, all are constant, or the held-out name is not among them.
    """
    names = [photograph.name for photograph in photographs]
    if config.held_out is not None and (config.held_out not in names or len(names) == 1):
        allowed = f"one of {', '.join(names)}, and at least one other image"
        raise InputError("held_out", given=repr(config.held_out), allowed=allowed)
    sources = [[photograph.name, file_hash(photograph.path)] for photograph in photographs]
    options = asdict(config)
    filters = {key: options[key] for key in _FILTERS}
    key = recipe_hash({"version": _VERSION, "filters": filters, "sources": sources})
    images = cache.read(key)
    if images is None:
        images = _prepare_all(photographs, config)
        cache.write(key, images)

    regions = [
        split_regions(image, config, label)
        for label, image in zip(names, images, strict=True)
        if label != config.held_out
    ]
    # A stream for each split: the number of training crops does not move the validation crops.
    streams = [np.random.default_rng([config.seed, stream]) for stream in range(3)]
    train = random_crops([pair[0] for pair in regions], config.patch, config.train_crops, streams[0])
    validation = random_crops([pair[1] for pair in regions], config.patch, config.validation_crops, streams[1])
    test = None
    if config.held_out is not None:
        whole = images[names.index(config.held_out)]
        if min(whole.shape) < config.patch:
            given = f"{whole.shape[0]} x {whole.shape[1]} pixels after the border"
            allowed = f"at least {config.patch} in both directions"
            raise InputError(f"held-out image '{config.held_out}'", given=given, allowed=allowed)
        test = ImageSet(images=random_crops([whole], config.patch, config.test_crops, streams[2]))
    return Dataset(
        name=name,
        train=ImageSet(images=train),
        validation=ImageSet(images=validation),
        test=test,
        augment=config.augment,
        source=source,
        licence=licence,
        fingerprint=recipe_hash({"version": _VERSION, "options": options, "sources": sources}),
    )


def _prepare_all(photographs: Sequence[Photograph], config: NaturalConfig) -> tuple[FloatArray, ...]:
    pictures = [luminance(read_pixels(photograph.path)) for photograph in photographs]
    if all(picture.min() == picture.max() for picture in pictures):
        raise InputError(
            "images",
            given="images that are all constant (zero variance)",
            allowed="images that show something",
        )
    return tuple(prepare(picture, config) for picture in pictures)
