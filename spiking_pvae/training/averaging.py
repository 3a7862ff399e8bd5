"""Exponential moving average of the weights.

    a <- d_t a + (1 - d_t) w,     d_t = min(decay, (1 + t) / (10 + t))

so that the first, random weights are forgotten quickly. Buffers that are not floating point are copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@torch.no_grad()
def update_average(average: dict[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """Move the average in place towards the model's weights after step `step` (counted from 0)."""
    kept = min(decay, (1 + step) / (10 + step))
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - kept)
        else:
            average[name].copy_(value)


def copied(model: nn.Module) -> dict[str, Tensor]:
    """Copy weights and buffers by name."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@contextmanager
def holding(model: nn.Module, weights: dict[str, Tensor] | None) -> Iterator[None]:
    """Let the model hold other weights, if any, within the block."""
    if weights is None:
        yield
        return
    own = copied(model)
    model.load_state_dict(weights)
    try:
        yield
    finally:
        model.load_state_dict(own)
