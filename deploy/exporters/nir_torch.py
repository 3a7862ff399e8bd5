"""The exact NIR profile executed by nirtorch: the mappers its own map lacks, and a loop over the steps.

nirtorch 2.6 has no I, Threshold and Scale. Its mapper of Affine leaves the bias at its random initial value, that of
Conv2d swaps the numbers of channels, and that of Flatten counts dimensions with the batch where NIR counts them
without: all three are replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import nir
import nirtorch
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Float64 = NDArray[np.float64]


class Integrator(nn.Module):
    """v <- v + r x."""

    r: Tensor

    def __init__(self, node: nir.I) -> None:
        super().__init__()
        self.register_buffer("r", torch.from_numpy(node.r))

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the membrane as output and as state."""
        v = self.r * x if state is None else state + self.r * x
        return v, v


class Heaviside(nn.Module):
    """1 where x > theta."""

    threshold: Tensor

    def __init__(self, node: nir.Threshold) -> None:
        super().__init__()
        self.register_buffer("threshold", torch.from_numpy(node.threshold))

    def forward(self, x: Tensor) -> Tensor:
        """Compare."""
        return (x > self.threshold).to(x.dtype)


class Multiply(nn.Module):
    """s * x."""

    scale: Tensor

    def __init__(self, node: nir.Scale) -> None:
        super().__init__()
        self.register_buffer("scale", torch.from_numpy(node.scale))

    def forward(self, x: Tensor) -> Tensor:
        """Scale."""
        return self.scale * x


def _affine(node: nir.Affine) -> nn.Linear:
    module = nn.Linear(node.weight.shape[1], node.weight.shape[0])
    module.weight.data = torch.from_numpy(node.weight)
    module.bias = nn.Parameter(torch.from_numpy(node.bias))
    return module


def _pair(sides: Sequence[int]) -> tuple[int, int]:
    return int(sides[0]), int(sides[1])


def _conv2d(node: nir.Conv2d) -> nn.Conv2d:
    outputs, depth, *kernel = node.weight.shape
    module = nn.Conv2d(
        depth * int(node.groups),
        outputs,
        _pair(kernel),
        stride=_pair(node.stride),
        padding=_pair(node.padding),
        dilation=_pair(node.dilation),
        groups=int(node.groups),
    )
    module.weight.data = torch.from_numpy(node.weight)
    module.bias = nn.Parameter(torch.from_numpy(node.bias))
    return module


def _flatten(node: nir.Flatten) -> nn.Flatten:
    start, end = int(node.start_dim), int(node.end_dim)
    return nn.Flatten(start + 1 if start >= 0 else start, end + 1 if end >= 0 else end)


MAP = {
    nir.I: Integrator,
    nir.Threshold: Heaviside,
    nir.Scale: Multiply,
    nir.Affine: _affine,
    nir.Conv2d: _conv2d,
    nir.Flatten: _flatten,
}


def execute(graph: nir.NIRGraph, steps: Iterator[Float64]) -> Iterator[Mapping[str, Float64]]:
    """Run a graph in nirtorch, in double precision; same contract as the package's interpreter."""
    module = nirtorch.nir_to_torch(graph, MAP, dtype=torch.float64)
    values: dict[str, Float64] = {}

    def keep(name: str, _: nn.Module, __: object, output: Tensor | tuple[Tensor, Tensor]) -> None:
        values[name] = (output[0] if isinstance(output, tuple) else output).numpy().copy()

    for name, child in module.named_children():
        child.register_forward_hook(partial(keep, name))
    state = None
    with torch.no_grad():
        for entering in steps:
            _, state = module(torch.from_numpy(entering), state)
            yield dict(values)
