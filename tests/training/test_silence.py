"""The default recipe is never beaten by the model that answers nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from spiking_pvae import data
from spiking_pvae.data import statistics
from spiking_pvae.model import PoissonVAE
from spiking_pvae.recipes import find_recipe
from spiking_pvae.training import fit
from spiking_pvae.types import Dataset

# The objective of a silent model is the images' mean square; its prior rates and so its KL are 0.


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPIKING_PVAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        return data.load("natural", train_crops=16_000, validation_crops=4_000)


@pytest.mark.slow
@pytest.mark.parametrize("latents", [64, 512])
@pytest.mark.parametrize("beta", [0.01, 1.0, 8.0])
def test_the_default_is_better_than_silence(latents: int, beta: float, patches: Dataset, tmp_path: Path) -> None:
    recipe = find_recipe("default")
    model = PoissonVAE(replace(recipe.model, latents=latents, beta=beta), patches.shape)
    last = fit(model, patches, replace(recipe.train, epochs=10, device="cpu")).history[-1]
    assert last["val_objective"] < statistics(patches).validation_sum_of_squares
