"""Batch norm over the whole batch, also where several processes each hold a part of it.

    y = (x - m) / sqrt(v + eps) * weight + bias,     m, v: mean and variance of a channel over batch and pixels

PyTorch's own takes m and v over the part of its process; its synchronised one exists for CUDA alone. In a batch of
fewer images than processes some work on a copy of its first image, which then counts more than once.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


def _total(value: Tensor) -> Tensor:
    """Sum a value over the processes, with its gradient."""
    summed: Tensor = all_reduce(value)  # type: ignore[no-untyped-call]
    return summed


class BatchNorm(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` whose statistics, and their gradient, are those of all processes together."""

    def forward(self, images: Tensor) -> Tensor:
        """Normalise each channel; shape (batch, channels, height, width)."""
        if not (self.training and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(images)
        over = (0, 2, 3)
        count: Tensor = images.new_tensor(float(images.numel() // images.shape[1]))
        dist.all_reduce(count)
        mean = _total(images.sum(over)) / count
        centred = images - mean[:, None, None]
        variance = _total(centred.square().sum(over)) / count
        with torch.no_grad():
            assert self.running_mean is not None  # statistics are tracked
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            assert self.momentum is not None
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            unbiased = variance * (count / (count - 1))
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normalised: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normalised
