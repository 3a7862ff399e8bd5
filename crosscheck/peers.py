"""The same layers for other tools: torch modules with this network's integers as weights."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch

import numpy as np
import torch
from torch import nn

from spiking_pvae.deploy import simulate
from spiking_pvae.deploy.ir import Conv2d, Dense, Network, Sparse
from spiking_pvae.types import FloatArray


@singledispatch
def torch_layer(synapse: object) -> nn.Module:
    """Build the torch layer of a synapse, without bias."""
    raise TypeError(type(synapse).__name__)


@torch_layer.register(Dense)
@torch_layer.register(Sparse)
def _(synapse: Dense | Sparse) -> nn.Module:
    layer = nn.Linear(synapse.inputs, synapse.outputs, bias=False)
    layer.weight.data = torch.from_numpy(synapse.weight.astype(np.float32))
    return layer


@torch_layer.register
def _(synapse: Conv2d) -> nn.Module:
    outputs, _, *kernel = synapse.weight.shape
    layer = nn.Conv2d(
        synapse.input_shape[0],
        outputs,
        tuple(kernel),
        stride=synapse.stride,
        padding=synapse.padding,
        dilation=synapse.dilation,
        groups=synapse.groups,
        bias=False,
    )
    layer.weight.data = torch.from_numpy(synapse.weight.astype(np.float32))
    return layer


def layer_inputs(
    network: Network, images: FloatArray, schedule: str, steps: int
) -> Iterator[tuple[nn.Module, torch.Tensor]]:
    """Yield every layer with the counts that arrive at it, shaped for torch: (samples, ...)."""
    names = [layer.name for layer in network.layers]
    record = simulate(network, images, schedule=schedule, steps=steps, keep=names)  # type: ignore[arg-type]
    arriving = network.input.encode(images)
    for layer in network.layers:
        shape = getattr(layer.synapse, "input_shape", (layer.synapse.inputs,))
        yield torch_layer(layer.synapse), torch.from_numpy(arriving.astype(np.float32)).reshape(-1, *shape)
        arriving = record.traces[layer.name].counts


def unary_trains(counts: torch.Tensor) -> torch.Tensor:
    """Write counts as single spikes in consecutive steps; (samples, ...) to (steps, samples, ...)."""
    steps = max(1, int(counts.abs().max()))
    return torch.stack([(counts.abs() > step).float() for step in range(steps)])
