"""A data set and a grid that take a second; also imported by the scripts that the tests kill."""

import numpy as np

from spiking_pvae.sweep.grid import SweepConfig
from spiking_pvae.types import Dataset, ImageSet


def tiny_images() -> Dataset:
    rng = np.random.default_rng(0)
    causes = rng.normal(size=(6, 16))
    data = (rng.poisson(0.5, (300, 6)) @ causes).astype(np.float32).reshape(-1, 1, 4, 4)
    return Dataset(
        name="made", train=ImageSet(images=data[:200]), validation=ImageSet(images=data[200:]), fingerprint="made 1"
    )


def tiny_grid() -> SweepConfig:
    return SweepConfig(
        models=("poisson", "grelu"),
        latents=(4, 8),
        betas=(0.1, 1.0, 4.0),
        first_epochs=2,
        next_epochs=1,
        cold_latents=(8,),
        cold_betas=(1.0,),
        cold_epochs=2,
        batch_size=50,
        samples=20,
    )
