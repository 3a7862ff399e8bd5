from __future__ import annotations

import numpy as np
import pytest

from spiking_pvae.types import Dataset, ImageSet


def tiny_dataset(train: int = 53, validation: int = 17, side: int = 4, seed: int = 0) -> Dataset:
    """Images with structure: sparse mixtures of a few fixed pictures."""
    rng = np.random.default_rng(seed)
    pictures = rng.normal(size=(6, side * side))
    counts = rng.poisson(0.5, size=(train + validation, 6))
    images = (counts @ pictures).astype(np.float32).reshape(-1, 1, side, side)
    return Dataset(
        name="tiny",
        train=ImageSet(images=images[:train]),
        validation=ImageSet(images=images[train:]),
        augment="dihedral",
        fingerprint="tiny",
    )


@pytest.fixture
def tiny() -> Dataset:
    return tiny_dataset()
