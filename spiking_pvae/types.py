"""Frozen values that travel between the rooms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.errors import InputError

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.int64]
ImageShape = tuple[int, int, int]
Split = Literal["train", "val", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSet:
    """Images of one split.

    Parameters
    ----------
    images : ndarray of float32, shape (samples, channels, height, width)
        Finite values, at least one sample.
    labels : ndarray of int64, shape (samples,), optional
        Class of each image, where the set has classes.
    """

    images: FloatArray
    labels: IntArray | None = None

    def __post_init__(self) -> None:
        if self.images.ndim != 4 or self.images.dtype != np.float32:
            raise InputError(
                "images",
                given=f"shape {self.images.shape}, dtype {self.images.dtype}",
                allowed="float32 of shape (samples, channels, height, width)",
            )
        if self.labels is not None and self.labels.shape != self.images.shape[:1]:
            raise InputError(
                "labels",
                given=f"shape {self.labels.shape}",
                allowed=f"one label an image, shape {self.images.shape[:1]}",
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width of one image."""
        _, channels, height, width = self.images.shape
        return channels, height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A data set with its splits and where it comes from.

    Parameters
    ----------
    name : str
        Name or path under which it was loaded.
    train, validation : ImageSet
        Splits that share no pixel.
    test : ImageSet, optional
        Images of a source that neither of the others saw.
    augment : {"none", "dihedral"}
        ``dihedral``: the 8 flips and rotations may be applied to training images.
    source, licence : str
        Provenance, for reports.
    fingerprint : str
        Hash of the recipe or of the content; recorded in run folders.
    """

    name: str
    train: ImageSet
    validation: ImageSet
    test: ImageSet | None = None
    augment: Literal["none", "dihedral"] = "none"
    source: str = ""
    licence: str = ""
    fingerprint: str = ""

    @property
    def shape(self) -> ImageShape:
        """Channels, height and width of one image."""
        return self.train.shape

    def split(self, name: Split) -> ImageSet:
        """Return the split called `name`.

        Raises
        ------
        InputError
            The data set has no such split.
        """
        splits = {"train": self.train, "val": self.validation, "test": self.test}
        found = splits.get(name)
        if found is None:
            have = ", ".join(key for key, value in splits.items() if value is not None)
            raise InputError(f"split of '{self.name}'", given=repr(name), allowed=have)
        return found

    def calibration(self, samples: int = 2000, seed: int = 0) -> FloatArray:
        """Draw training images for the calibration of a conversion.

        Parameters
        ----------
        samples : int
            How many; fewer where the set is smaller.
        seed : int
            Seed of the draw.

        Returns
        -------
        ndarray of float32, shape (samples, channels, height, width)
        """
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(self.train), size=min(samples, len(self.train)), replace=False)
        return self.train.images[np.sort(chosen)]
