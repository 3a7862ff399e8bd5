"""Batch norm over several processes, here one that is told it has another beside it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist

from spiking_pvae.batch_norm import BatchNorm


@pytest.fixture
def as_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sums run over one process; the size alone is another, so that they are taken at all."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    yield
    monkeypatch.undo()
    dist.destroy_process_group()


@pytest.mark.usefixtures("as_two")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_statistics_are_those_of_torch_in_32_bits(dtype: torch.dtype) -> None:
    """More pixels than fp16 has numbers for: their count would be infinite, their mean rounded."""
    generator = torch.Generator().manual_seed(0)
    images = (torch.randn(2, 2, 260, 130, generator=generator) + 3).to(dtype)
    assert images.numel() / 2 > 65504
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    weights = torch.randn(images.shape, generator=generator).to(dtype).to(exact)
    ours, torchs = BatchNorm(2).to(exact), torch.nn.BatchNorm2d(2).to(exact)
    given, wide = images.clone().requires_grad_(), images.to(exact).requires_grad_()
    found, expected = ours(given), torchs(wide)
    assert found.dtype == dtype
    (found.to(exact) * weights).sum().backward()
    (expected * weights).sum().backward()
    assert given.grad is not None
    assert wide.grad is not None
    torch.testing.assert_close(found, expected.to(dtype))
    torch.testing.assert_close(given.grad, wide.grad.to(dtype))
    assert ours.running_mean is not None
    assert ours.running_mean.dtype == exact
    torch.testing.assert_close(ours.running_mean, torchs.running_mean)
    torch.testing.assert_close(ours.running_var, torchs.running_var)
