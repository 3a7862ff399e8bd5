"""Named recipes: a model and its training, frozen.

`default` is ours. `paper` is the one of the sweep in Vafaii & Yates, arXiv 2602.13421, as their public training logs
give it: Adamax, 5 epochs of warm-up and a cosine to 1e-5, batches of 1000, 3000 epochs, gradient norm up to 500, beta
rising over the first half from 1e-4, the log-residual clamped at 10, no biases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.errors import InputError

RecipeName = Literal["default", "paper"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings that belong together.

    Parameters
    ----------
    name : str
        Name to ask for it by.
    model : ModelConfig
        What is trained.
    train : TrainConfig
        How.
    """

    name: RecipeName
    model: ModelConfig
    train: TrainConfig


RECIPES = (
    Recipe(name="default", model=ModelConfig(), train=TrainConfig()),
    Recipe(
        name="paper",
        model=ModelConfig(clamp=10.0, bias=False),
        train=TrainConfig(
            estimator="eat",
            indicator="sigmoid",
            temperature=0.05,
            temperature_warmup=0.5,
            optimizer="adamax",
            schedule="warmup-cosine",
            learning_rate=0.005,
            warmup_epochs=5,
            epochs=3000,
            batch_size=1000,
            gradient_clip=500.0,
            beta_warmup=0.5,
            seed=0,
        ),
    ),
)


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises
    ------
    InputError
        There is none.

    Examples
    --------
    >>> find_recipe("paper").train.epochs
    3000
    """
    for recipe in RECIPES:
        if recipe.name == name:
            return recipe
    raise InputError("recipe", given=f"'{name}'", allowed=", ".join(recipe.name for recipe in RECIPES))
