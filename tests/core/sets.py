"""A small data set for tests: oriented edges with noise, which a few latents can explain."""

import numpy as np

from spiking_pvae.types import Dataset, ImageSet


def edges(samples=400, side=6, seed=0, augment="none"):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side - 0.5
    angle, phase = rng.uniform(0, np.pi, (2, samples, 1, 1))
    images = np.sin(6 * (x * np.cos(angle) + y * np.sin(angle)) + phase) + 0.1 * rng.normal(size=(samples, side, side))
    images = images[:, None].astype(np.float32)
    cut = samples * 3 // 4
    return Dataset(
        name="edges",
        train=ImageSet(images=images[:cut]),
        validation=ImageSet(images=images[cut:]),
        augment=augment,
        fingerprint=f"edges {samples} {side} {seed}",
    )
