"""Batch norm over the whole batch, also where several processes each hold a part of it.

    y = (x - m) / sqrt(v + eps) * weight + bias,     m, v: mean and variance of a channel over batch and pixels

PyTorch's own takes m and v over the part of its process; its synchronised one exists for CUDA alone. In a batch of
fewer images than processes some work on a copy of its first image, which then counts more than once. Under mixed
precision images come in 16 bits, which hold neither their number nor their sums: all is computed in 32.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


def _over_processes(value: Tensor) -> Tensor:
    """Sum a value over the processes; the value stays as it is."""
    summed = value.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(summed)
    return summed


class _Total(torch.autograd.Function):
    """Sum of a value over the processes, S = sum_p x_p, which each of them uses: dL/dx_p = sum_q dL_q/dS."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        """Return the sum."""
        return _over_processes(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the gradient of this process's value."""
        return _over_processes(gradients[0])


def _total(value: Tensor) -> Tensor:
    """Sum a value over the processes, with its gradient."""
    summed: Tensor = _Total.apply(value)  # type: ignore[no-untyped-call]
    return summed


class BatchNorm(nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` whose statistics, and their gradient, are those of all processes together."""

    def forward(self, images: Tensor) -> Tensor:
        """Normalise each channel; shape (batch, channels, height, width)."""
        if not (self.training and dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
            return super().forward(images)
        over = (0, 2, 3)
        exact = images if images.dtype == torch.float64 else images.float()
        count = _over_processes(exact.new_tensor(float(images.numel() // images.shape[1])))
        mean = _total(exact.sum(over)) / count
        centred = exact - mean[:, None, None]
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
        return normalised.to(images.dtype)
