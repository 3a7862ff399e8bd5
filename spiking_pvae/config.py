"""Settings of a model and its training, as frozen values.

The command line is made from these classes: a field's docstring is its help text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from spiking_pvae.errors import InputError

ModelKind = Literal["poisson"]
EncoderKind = Literal["linear"]
DecoderKind = Literal["linear"]
Estimator = Literal["exact"]


def _require(condition: bool, what: str, given: object, allowed: str, remedy: str = "") -> None:
    if not condition:
        raise InputError(what, given=given, allowed=allowed, remedy=remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """What a model is made of."""

    model: ModelKind = "poisson"
    """Latent distribution."""
    encoder: EncoderKind = "linear"
    """Encoder architecture."""
    decoder: DecoderKind = "linear"
    """Decoder architecture."""
    latents: int = 512
    """Number of latent neurons K."""
    beta: float = 1.0
    """Weight of the KL term in the objective."""
    clamp: float = 5.0
    """Upper soft clamp c of the log-residual: du -> c - softplus(c - du)."""
    bias: bool = False
    """Whether encoder and decoder have biases."""

    def __post_init__(self) -> None:
        _require(self.latents >= 1, "latents", self.latents, "an integer of at least 1")
        _require(math.isfinite(self.beta) and self.beta >= 0, "beta", self.beta, "a finite number of at least 0")
        _require(math.isfinite(self.clamp) and 0 < self.clamp <= 10, "clamp", self.clamp, "a number in (0, 10]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How a model is trained."""

    estimator: Estimator = "exact"
    """Gradient estimator; `exact` is the closed form of a linear decoder."""
    epochs: int = 15
    """Passes over the training images."""
    batch_size: int = 500
    """Images a step."""
    learning_rate: float = 0.01
    """Peak of the one-cycle learning rate of Adam."""
    beta_warmup: float = 0.3
    """Share of the steps over which beta rises linearly from 1e-4 of its value."""
    gradient_clip: float = 500.0
    """Largest allowed norm of the gradient."""
    seed: int = 0
    """Seed of initial weights, data order and augmentation."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:i."""

    def __post_init__(self) -> None:
        _require(self.epochs >= 1, "epochs", self.epochs, "an integer of at least 1")
        _require(self.batch_size >= 1, "batch_size", self.batch_size, "an integer of at least 1")
        _require(self.seed >= 0, "seed", self.seed, "an integer of at least 0")
        for name in ("learning_rate", "gradient_clip"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value > 0, name, value, "a finite number above 0")
        _require(0 <= self.beta_warmup <= 1, "beta_warmup", self.beta_warmup, "a share between 0 and 1")
