"""From torch modules to float layers, one rule a type of module.

Every rule takes the chain built so far and returns the longer one. A module without a rule, or with a forward or a
hook of its own, is refused: nothing is ever dropped in silence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import singledispatch
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from spiking_pvae.batch_norm import BatchNorm
from spiking_pvae.deploy.floatnet import FloatLayer, Identity, Rectify
from spiking_pvae.deploy.ir import Shape
from spiking_pvae.deploy.maps import MOST_WEIGHTS, ConvMap, DenseMap, LinearMap, ScaleMap
from spiking_pvae.errors import UnsupportedError
from spiking_pvae.types import ImageShape

SUPPORTED = (
    "nn.Sequential of nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.AvgPool2d, "
    "nn.AdaptiveAvgPool2d, nn.Upsample, nn.ReLU, nn.Flatten, nn.Unflatten, nn.Dropout, nn.Identity"
)
NEAREST: dict[str, str] = {
    **dict.fromkeys(
        ("SiLU", "GELU", "ELU", "SELU", "CELU", "LeakyReLU", "PReLU", "Softplus", "Mish", "Hardswish", "ReLU6"),
        "nn.ReLU, trained in its place",
    ),
    **dict.fromkeys(("Sigmoid", "Tanh", "Hardtanh", "Softmax"), "no activation at the end, nn.ReLU elsewhere"),
    **dict.fromkeys(
        ("LayerNorm", "GroupNorm", "InstanceNorm1d", "InstanceNorm2d", "RMSNorm"),
        "nn.BatchNorm1d or nn.BatchNorm2d, which fold into the weights",
    ),
    **dict.fromkeys(("MaxPool2d", "AdaptiveMaxPool2d", "LPPool2d"), "nn.AvgPool2d or a strided nn.Conv2d"),
    **dict.fromkeys(("Conv1d", "Conv3d", "LazyConv2d"), "nn.Conv2d"),
    **dict.fromkeys(("LazyLinear", "Bilinear"), "nn.Linear"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chain:
    """Layers built so far, and the shape of what leaves the last one."""

    shape: Shape
    layers: tuple[FloatLayer, ...] = ()

    def add(self, name: str, linear: LinearMap, shape: Shape, bias: NDArray[np.float64] | None = None) -> Chain:
        """Return the chain with one more linear layer."""
        layer = FloatLayer(name=name, shape=shape, linear=linear, bias=bias, activation=Identity())
        return Chain(shape=shape, layers=(*self.layers, layer))


def array(tensor: Tensor) -> NDArray[np.float64]:
    """Return a tensor as float64 on the host."""
    return tensor.detach().cpu().double().numpy()


def unsupported(module: nn.Module, name: str, why: str = "") -> UnsupportedError:
    """Build the error of a module that has no form on the hardware."""
    kind = type(module).__name__
    return UnsupportedError(
        f"module '{name}' of type {kind}{f' ({why})' if why else ''}", nearest=NEAREST.get(kind, SUPPORTED)
    )


@singledispatch
def lower_module(module: nn.Module, name: str, chain: Chain) -> Chain:
    """Append one module to a chain. Open: register further types of module.

    Raises
    ------
    UnsupportedError
        The module's type or setting has no form on the hardware.
    """
    raise unsupported(module, name)


def append(module: nn.Module, name: str, chain: Chain) -> Chain:
    """Append a module after making sure that its type's rule is what it does."""
    rule: Any = next(kind for kind in type(module).__mro__ if kind in lower_module.registry)
    if rule is not object and type(module).forward is not rule.forward:
        raise unsupported(module, name, f"a {rule.__name__} with a forward of its own")
    if module._forward_hooks or module._forward_pre_hooks:
        raise unsupported(module, name, "it carries a forward hook, whose effect is unknown")
    return lower_module(module, name, chain)


@lower_module.register
def _(module: nn.Sequential, name: str, chain: Chain) -> Chain:
    # named_children leaves out a module that is used twice.
    for place, child in module._modules.items():
        assert child is not None
        chain = append(child, f"{name}.{place}", chain)
    return chain


@lower_module.register
def _(module: nn.Linear, name: str, chain: Chain) -> Chain:
    if len(chain.shape) != 1:
        raise unsupported(module, name, f"on maps of shape {chain.shape}; put an nn.Flatten before it")
    bias = None if module.bias is None else array(module.bias)
    return chain.add(name, DenseMap(weight=array(module.weight)), (module.out_features,), bias)


@lower_module.register
def _(module: nn.Conv2d, name: str, chain: Chain) -> Chain:
    shape = _maps(module, name, chain)
    if module.padding_mode != "zeros":
        raise unsupported(module, name, f"padding mode '{module.padding_mode}'; only 'zeros' is")
    (rows, columns), (dy, dx) = module.kernel_size, module.dilation
    padding = module.padding
    if padding == "valid":
        padding = (0, 0)
    elif padding == "same":
        if (dy * (rows - 1)) % 2 or (dx * (columns - 1)) % 2:
            raise unsupported(module, name, "padding 'same' of an even kernel is lopsided; use an odd kernel")
        padding = (dy * (rows - 1) // 2, dx * (columns - 1) // 2)
    assert not isinstance(padding, str)
    linear = ConvMap(
        weight=array(module.weight),
        input_shape=shape,
        stride=(module.stride[0], module.stride[1]),
        padding=(padding[0], padding[1]),
        dilation=(dy, dx),
        groups=module.groups,
    )
    bias = None if module.bias is None else _spread(array(module.bias), linear.output_shape)
    return chain.add(name, linear, linear.output_shape, bias)


@lower_module.register
def _(module: nn.BatchNorm1d, name: str, chain: Chain) -> Chain:
    return _batch_norm(module, name, chain, dimensions=1)


@lower_module.register(nn.BatchNorm2d)
@lower_module.register(BatchNorm)
def _(module: nn.BatchNorm2d, name: str, chain: Chain) -> Chain:
    return _batch_norm(module, name, chain, dimensions=3)


def _batch_norm(module: nn.BatchNorm1d | nn.BatchNorm2d, name: str, chain: Chain, *, dimensions: int) -> Chain:
    if len(chain.shape) != dimensions:
        raise unsupported(module, name, f"on a population of shape {chain.shape}")
    if module.running_mean is None or module.running_var is None:
        raise unsupported(module, name, "without running statistics; train it with track_running_stats=True")
    gain = 1 / np.sqrt(array(module.running_var) + module.eps)
    if module.weight is not None:
        gain = gain * array(module.weight)
    shift = -array(module.running_mean) * gain
    if module.bias is not None:
        shift = shift + array(module.bias)
    return chain.add(name, ScaleMap(gain=_spread(gain, chain.shape)), chain.shape, _spread(shift, chain.shape))


@lower_module.register
def _(module: nn.AvgPool2d, name: str, chain: Chain) -> Chain:
    shape = _maps(module, name, chain)
    kernel, stride, padding = (_pair(size) for size in (module.kernel_size, module.stride, module.padding))
    if module.ceil_mode or (padding != (0, 0) and not module.count_include_pad):
        return _by_response(module, name, chain)
    share = 1 / (module.divisor_override or math.prod(kernel))
    linear = ConvMap(
        weight=np.full((shape[0], 1, *kernel), share),
        input_shape=shape,
        stride=stride,
        padding=padding,
        groups=shape[0],
    )
    return chain.add(name, linear, linear.output_shape)


@lower_module.register(nn.AdaptiveAvgPool2d)
@lower_module.register(nn.ConvTranspose2d)
def _(module: nn.Module, name: str, chain: Chain) -> Chain:
    return _by_response(module, name, chain)


@lower_module.register
def _(module: nn.Upsample, name: str, chain: Chain) -> Chain:
    return _by_response(module, name, chain)


@torch.no_grad()
def _by_response(module: nn.Module, name: str, chain: Chain) -> Chain:
    """Lower an affine module by its responses to unit inputs."""
    shape = _maps(module, name, chain)
    inputs = math.prod(shape)
    parameter = next(module.parameters(), torch.zeros((), dtype=torch.float32))
    probe = torch.zeros((1, *shape), dtype=parameter.dtype, device=parameter.device)
    silent = module(probe)
    out = (int(silent.shape[1]), int(silent.shape[2]), int(silent.shape[3]))
    if inputs * math.prod(out) > MOST_WEIGHTS:
        raise unsupported(module, name, f"a map of {inputs} to {math.prod(out)} neurons is too large to write out")
    unit = torch.eye(inputs, dtype=parameter.dtype, device=parameter.device).view(inputs, *shape)
    response = array((module(unit) - silent).flatten(1))
    bias = array(silent.flatten())
    linear = DenseMap(weight=np.ascontiguousarray(response.T))
    return chain.add(name, linear, out, bias if bias.any() else None)


@lower_module.register
def _(module: nn.ReLU, name: str, chain: Chain) -> Chain:
    if not chain.layers:
        # A rectifier right behind the input or the latents is a layer of its own, one synapse a neuron.
        chain = chain.add(name, ScaleMap(gain=np.ones(math.prod(chain.shape))), chain.shape)
    last = replace(chain.layers[-1], activation=Rectify())
    return replace(chain, layers=(*chain.layers[:-1], last))


@lower_module.register
def _(module: nn.Flatten, name: str, chain: Chain) -> Chain:
    if module.start_dim != 1 or module.end_dim not in (-1, len(chain.shape)):
        raise unsupported(module, name, f"dimensions {module.start_dim} .. {module.end_dim}; only 1 .. -1 is")
    return replace(chain, shape=(math.prod(chain.shape),))


@lower_module.register
def _(module: nn.Unflatten, name: str, chain: Chain) -> Chain:
    # The constructor accepts a list, a tuple or a torch.Size.
    sizes = tuple(int(size) for size in module.unflattened_size)
    if module.dim != 1 or len(chain.shape) != 1 or len(sizes) != 3:
        raise unsupported(module, name, f"to {sizes} from a population of shape {chain.shape}")
    if -1 in sizes:
        rest = chain.shape[0] // -math.prod(sizes)
        sizes = tuple(rest if size == -1 else size for size in sizes)
    return replace(chain, shape=sizes)


@lower_module.register(nn.Identity)
@lower_module.register(nn.Dropout)
@lower_module.register(nn.Dropout2d)
def _(module: nn.Module, name: str, chain: Chain) -> Chain:
    # Dropout does nothing once training is over.
    return chain


def _maps(module: nn.Module, name: str, chain: Chain) -> ImageShape:
    if len(chain.shape) != 3:
        raise unsupported(module, name, f"on a population of shape {chain.shape}; put an nn.Unflatten before it")
    channels, height, width = chain.shape
    return channels, height, width


def _pair(size: int | tuple[int, ...]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _spread(by_channel: NDArray[np.float64], shape: Shape) -> NDArray[np.float64]:
    """Repeat one value a channel over the channel's places."""
    return by_channel.repeat(math.prod(shape[1:]))
