"""Options of the natural-image recipe, one field a step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from spiking_pvae.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class NaturalConfig:
    """How photographs become patches.

    Raises
    ------
    InputError
        A value is outside its range.
    """

    whiten: bool = True
    """Multiply the spectrum by f exp(-(f/cutoff)^4)."""
    cutoff: float = 0.4
    """f0 in cycles a pixel: 200 cycles over 512 pixels in Olshausen and Field (1997)."""
    contrast_normalise: bool = True
    """Subtract the local mean, then divide by the local standard deviation."""
    window_sd: float = 3.0
    """Standard deviation in pixels of the Gaussian window, cut at 2 of them; 3 gives 13 x 13 pixels."""
    zscore: bool = True
    """Give each image zero mean and unit variance."""
    border: int = 4
    """Pixels cut from each edge, where the filters wrap around or mirror."""
    validation_share: float = 0.2
    """Share of each image's longer side that only validation crops come from: its last part."""
    gap: int = 16
    """Pixels between the two regions that no crop uses, so that no contrast window of one reaches into the other."""
    held_out: str | None = None
    """Image kept whole for the test split; the default is the set's own choice."""
    patch: int = 16
    """Side of a crop in pixels."""
    train_crops: int = 80_000
    """Training crops; fewer where the regions hold fewer positions."""
    validation_crops: int = 20_000
    """Validation crops; fewer where the regions hold fewer positions."""
    test_crops: int = 5_000
    """Crops of the held-out image; fewer where it holds fewer positions."""
    augment: Literal["none", "dihedral"] = "dihedral"
    """dihedral: training crops may be flipped and rotated in the 8 ways of a square."""
    seed: int = 0
    """Seed of the positions of the crops."""

    def __post_init__(self) -> None:
        for name in ("whiten", "contrast_normalise", "zscore"):
            self._require(name, isinstance(getattr(self, name), bool), "True or False")
        for name in ("cutoff", "window_sd"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and math.isfinite(value) and value > 0
            self._require(name, number, "a finite number above 0")
        share = self.validation_share
        self._require("validation_share", isinstance(share, float) and 0 < share < 1, "a share between 0 and 1")
        lowest = {"border": 0, "gap": 0, "seed": 0, "patch": 2, "train_crops": 10, "validation_crops": 10}
        for name, least in (lowest | {"test_crops": 1}).items():
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool)
            self._require(name, whole and value >= least, f"an integer of at least {least}")
        self._require("augment", self.augment in {"none", "dihedral"}, "none, dihedral")
        self._require("held_out", self.held_out is None or isinstance(self.held_out, str), "the name of an image")

    def _require(self, name: str, condition: bool, allowed: str) -> None:
        if not condition:
            raise InputError(name, given=repr(getattr(self, name)), allowed=allowed)
