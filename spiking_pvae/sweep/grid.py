"""The grid: which points there are, and which of them are trained one from another."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, assert_never

from spiking_pvae.config import ModelConfig
from spiking_pvae.errors import InputError

Family = Literal["poisson", "grelu", "grelu-learned"]
Start = Literal["first", "continued", "cold"]
PresetName = Literal["quick", "metabolic-cost"]

CLAMP = 5.0
"""Of every point: along a curve beta alone may change."""
PAPER_BETAS = (0.01, 0.1, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0)
PAPER_LATENTS = (32, 64, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepConfig:
    """What a sweep goes through, and how long it trains."""

    models: tuple[Family, ...] = ("poisson", "grelu", "grelu-learned")
    """Families: the P-VAE, and the rectified Gaussian with a fixed and with a learned prior."""
    latents: tuple[int, ...] = (64, 256, 512)
    """Numbers of latent neurons K."""
    betas: tuple[float, ...] = PAPER_BETAS
    """Weights of the KL; a curve goes through them in rising order, each point starting from the one before."""
    seeds: tuple[int, ...] = (0,)
    """Seeds of initial weights, data order and augmentation."""
    first_epochs: int = 10
    """Epochs of a curve's first point."""
    next_epochs: int = 4
    """Epochs of each further point."""
    last_epochs: int | None = None
    """Epochs of a curve's last point, as many as of the others if None: the largest beta ends next to silence, and with
    too few epochs above it."""
    cold_latents: tuple[int, ...] = (256,)
    """Numbers of latents whose points are also trained from scratch, as a check of the continuation."""
    cold_betas: tuple[float, ...] = (1.0,)
    """Betas at which that is done."""
    cold_epochs: int = 15
    """Epochs of a check."""
    batch_size: int = 500
    """Images a step."""
    samples: int = 1000
    """Held-out images that the integer network is simulated with."""
    hardware: str = "loihi_davies2018"
    """Name of an energy preset (spiking-pvae hardware) or path of a TOML file."""

    def __post_init__(self) -> None:
        for name in ("models", "latents", "betas", "seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise InputError(name, given=values, allowed="at least one value, none of them twice")
        for name in ("first_epochs", "next_epochs", "last_epochs", "cold_epochs", "batch_size", "samples"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InputError(name, given=getattr(self, name), allowed="an integer of at least 1")
        if min(self.latents) < 1 or not all(math.isfinite(beta) and beta > 0 for beta in self.betas):
            raise InputError(
                "latents, betas",
                given=f"{self.latents}, {self.betas}",
                allowed="integers of at least 1, numbers above 0",
            )
        if min(self.seeds) < 0:
            raise InputError("seeds", given=self.seeds, allowed="integers of at least 0")
        for name, values, grid in (
            ("cold_latents", self.cold_latents, self.latents),
            ("cold_betas", self.cold_betas, self.betas),
        ):
            if not set(values) <= set(grid):
                raise InputError(name, given=values, allowed=f"values of the grid, {grid}")


PRESETS: dict[PresetName, SweepConfig] = {
    "quick": SweepConfig(last_epochs=6),
    "metabolic-cost": SweepConfig(
        latents=PAPER_LATENTS,
        first_epochs=15,
        next_epochs=5,
        last_epochs=8,
        cold_latents=(64, 512),
        cold_betas=(0.1, 1.0, 8.0),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One model of the grid.

    Parameters
    ----------
    model : str
        Family.
    latents : int
        K.
    beta : float
    seed : int
    start : {"first", "continued", "cold"}
        From scratch as the head of a curve, from the point before, or from scratch as a check.
    """

    model: Family
    latents: int
    beta: float
    seed: int
    start: Start

    @property
    def folder(self) -> str:
        """Path of its run folder inside the sweep's."""
        check = "-cold" if self.start == "cold" else ""
        return f"points/{self.model}-K{self.latents}-seed{self.seed}/beta{self.beta:g}{check}"

    def config(self) -> ModelConfig:
        """Return the settings of its model: no biases, as in the papers' sweep, and one clamp for the whole curve."""
        plain = ModelConfig(latents=self.latents, beta=self.beta, clamp=CLAMP, bias=False)
        match self.model:
            case "poisson":
                return plain
            case "grelu":
                return replace(plain, model="grelu", prior="fixed")
            case "grelu-learned":
                return replace(plain, model="grelu", prior="learned")
            case _:
                assert_never(self.model)

    def epochs(self, sweep: SweepConfig) -> int:
        """Return the epochs it is trained for."""
        match self.start:
            case "first":
                return sweep.first_epochs
            case "continued":
                last = sweep.last_epochs if self.beta == max(sweep.betas) else None
                return sweep.next_epochs if last is None else last
            case "cold":
                return sweep.cold_epochs
            case _:
                assert_never(self.start)


Curve = tuple[Point, ...]


def curves(config: SweepConfig) -> tuple[Curve, ...]:
    """Cut the grid into chains of points that can be trained independently, the longest work first.

    Returns
    -------
    tuple of tuple of Point
        One curve along beta for each family, K and seed, and one of a single point for each cold-started check.
    """
    betas = sorted(config.betas)
    chains: list[Curve] = []
    for latents in sorted(config.latents, reverse=True):
        for model in config.models:
            for seed in config.seeds:

                def point(beta: float, start: Start, at: tuple[Family, int, int] = (model, latents, seed)) -> Point:
                    return Point(model=at[0], latents=at[1], seed=at[2], beta=beta, start=start)

                chains.append(tuple(point(beta, "continued" if i else "first") for i, beta in enumerate(betas)))
                if latents in config.cold_latents:
                    chains += [(point(beta, "cold"),) for beta in sorted(config.cold_betas)]
    return tuple(chains)


def points(config: SweepConfig) -> tuple[Point, ...]:
    """Return all points in the order of the results table: family, K, seed, beta, checks last."""
    every = [point for curve in curves(config) for point in curve]
    order = {model: index for index, model in enumerate(config.models)}
    return tuple(sorted(every, key=lambda p: (p.start == "cold", order[p.model], p.latents, p.seed, p.beta)))
