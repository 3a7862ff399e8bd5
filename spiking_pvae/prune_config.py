"""Settings of pruning, as a frozen value; a field's docstring is the help text of its option."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spiking_pvae.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneConfig:
    """How much is taken away, and how long the rest may learn."""

    encoder_keep: float = 0.1
    """Share of the encoder's weights that stay."""
    decoder_keep: float = 1.0
    """Share of the decoder's weights that stay."""
    epochs: int = 15
    """Passes over the training images while pruning and after it."""
    ramp: float = 0.5
    """Share of these epochs over which the weights are taken away."""
    learning_rate: float = 0.01
    """Peak of the one-cycle learning rate."""

    def __post_init__(self) -> None:
        for name in ("encoder_keep", "decoder_keep"):
            if not 0 < getattr(self, name) <= 1:
                raise InputError(name, given=getattr(self, name), allowed="a share above 0, at most 1")
        if not 0 <= self.ramp < 1:
            raise InputError("ramp", given=self.ramp, allowed="a share of at least 0, below 1")
        if self.epochs < 1:
            raise InputError("epochs", given=self.epochs, allowed="an integer of at least 1")
        if not (math.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError("learning_rate", given=self.learning_rate, allowed="a finite number above 0")
