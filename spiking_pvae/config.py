"""Settings of a model and its training, as frozen values.

The command line is made from these classes: a field's docstring is its help text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from spiking_pvae.errors import InputError

ModelKind = Literal["poisson", "grelu", "gaussian", "laplace", "categorical"]
EncoderKind = Literal["linear", "mlp", "conv"]
DecoderKind = Literal["linear", "mlp", "conv"]
Nonlinearity = Literal["relu", "gelu", "silu"]
Prior = Literal["usual", "fixed", "learned"]
Estimator = Literal["auto", "exact", "eat", "gumbel", "straight-through", "score", "pathwise"]
Indicator = Literal["sigmoid", "linear", "cubic", "quintic", "cosine"]
OptimizerKind = Literal["adam", "adamax"]
ScheduleKind = Literal["one-cycle", "warmup-cosine"]
Precision = Literal["32", "tf32", "bf16", "fp16"]
Auto = Literal["auto"]

LOWEST_CLAMP, HIGHEST_CLAMP = 2.5, 5.0
"""Range of the clamp that is chosen by beta."""
EXACT_LEARNING_RATE, SAMPLED_LEARNING_RATE = 0.01, 0.003
"""Peaks of the learning rate with a linear decoder and with others, which the larger one silences."""


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
    clamp: float | Auto = "auto"
    """Upper soft clamp c of the log-residual: du -> c - softplus(c - du); `auto`: 4 + 1.5 log10(beta), at least
    2.5 and at most 5."""
    bias: bool = True
    """Whether the last layers of encoder and decoder have biases; hidden layers always have them."""
    prior: Prior = "usual"
    """Whether the prior is trained; `usual`: learned for poisson, fixed for the others."""
    depth: int = 2
    """Hidden layers of an mlp or conv encoder or decoder."""
    width: int = 256
    """Units of each hidden layer of an mlp."""
    channels: int = 16
    """Channels of a conv's first layer; an encoder doubles them and halves the image at each layer."""
    activation: Nonlinearity = "relu"
    """Nonlinearity of hidden layers; only relu can be converted to spiking neurons."""
    batch_norm: bool = True
    """Whether hidden convolutions are followed by batch norm; conversion folds it into them."""

    def __post_init__(self) -> None:
        _require(self.latents >= 1, "latents", self.latents, "an integer of at least 1")
        _require(math.isfinite(self.beta) and self.beta >= 0, "beta", self.beta, "a finite number of at least 0")
        for name in ("depth", "width", "channels"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "an integer of at least 1")
        if self.clamp != "auto":
            _require(math.isfinite(self.clamp) and 0 < self.clamp <= 10, "clamp", self.clamp, "auto or in (0, 10]")

    @property
    def ceiling(self) -> float:
        """The clamp as a number."""
        if self.clamp != "auto":
            return self.clamp
        if self.beta == 0:
            return LOWEST_CLAMP
        return min(HIGHEST_CLAMP, max(LOWEST_CLAMP, 4.0 + 1.5 * math.log10(self.beta)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How a model is trained."""

    estimator: Estimator = "auto"
    """Gradient estimator; `auto`: exact for a linear decoder, otherwise eat for counts, pathwise for continuous latents
    and gumbel for categorical ones."""
    indicator: Indicator = "cubic"
    """Indicator of the arrival-time estimator, eat."""
    temperature: float = 0.05
    """Final temperature of eat and gumbel; it falls linearly from 1."""
    temperature_warmup: float = 0.5
    """Share of the steps over which the temperature falls."""
    optimizer: OptimizerKind = "adam"
    """adam (betas 0.9, 0.99) or adamax (0.9, 0.999)."""
    schedule: ScheduleKind = "one-cycle"
    """Learning rate: one-cycle, or a linear warm-up and a cosine down to 1e-5."""
    epochs: int = 20
    """Passes over the training images."""
    batch_size: int = 500
    """Images a step, over all processes together."""
    learning_rate: float | Auto = "auto"
    """Peak of the learning rate; `auto`: 0.01 with a linear decoder, 0.003 with others."""
    warmup_epochs: int = 5
    """Epochs of linear warm-up of the warmup-cosine schedule."""
    beta_warmup: float = 0.3
    """Share of the steps over which beta rises linearly from 1e-4 to its value."""
    gradient_clip: float = 500.0
    """Largest allowed norm of the gradient."""
    average: float = 0.0
    """Decay of an exponential moving average of the weights, which then is the result; 0 for none."""
    patience: int = 0
    """Stop after so many epochs without a better objective on the held-out training images; 0 to never stop early."""
    held_out: float = 0.05
    """Share of the training images held out to decide when to stop, where patience is not 0."""
    seed: int = 0
    """Seed of initial weights, data order, augmentation and draws."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:i."""
    precision: Precision = "32"
    """32, tf32 (matrix products on CUDA), bf16 or fp16 (mixed)."""
    compile: bool = False
    """Compile the training step with torch.compile."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "an integer of at least 1")
        _require(0 <= self.seed < 2**63, "seed", self.seed, "an integer of at least 0 and below 2**63")
        for name in ("warmup_epochs", "patience"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "an integer of at least 0")
        chosen = () if self.learning_rate == "auto" else ("learning_rate",)
        for name in (*chosen, "gradient_clip"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value > 0, name, value, "a finite number above 0")
        for name in ("beta_warmup", "temperature_warmup"):
            _require(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share between 0 and 1")
        _require(0 < self.temperature <= 1, "temperature", self.temperature, "a number above 0 and at most 1")
        _require(0 <= self.average < 1, "average", self.average, "a decay of at least 0 and below 1")
        _require(0 < self.held_out < 1, "held_out", self.held_out, "a share between 0 and 1, both excluded")

    def peak(self, decoder: DecoderKind) -> float:
        """Return the peak of the learning rate as a number, for a model with this decoder."""
        if self.learning_rate != "auto":
            return self.learning_rate
        return EXACT_LEARNING_RATE if decoder == "linear" else SAMPLED_LEARNING_RATE
