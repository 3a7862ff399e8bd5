"""Where tensors live, and whether they fit."""

from __future__ import annotations

import math
import os

import torch

from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.errors import InputError
from spiking_pvae.types import ImageShape


def choose_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:i`` into a device that is there.

    Raises
    ------
    InputError
        The name is unknown, or the device is not on this machine.
    """
    count = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    kind, _, index = name.partition(":")
    if kind == "cpu" and not index:
        return torch.device("cpu")
    if kind == "cuda" and (not index or index.isdigit()):
        if int(index or 0) < count:
            return torch.device(name)
        raise InputError("device", given=f"'{name}', with {count} CUDA devices here", allowed="auto, cpu")
    raise InputError("device", given=f"'{name}'", allowed="auto, cpu, cuda, cuda:0, cuda:1, ...")


def available_memory() -> int:
    """Bytes of main memory that are free for use now."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def free_memory(device: torch.device) -> int:
    """Bytes that are free on a device now."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()


def training_memory(model: ModelConfig, image_shape: ImageShape, train: TrainConfig) -> int:
    """Estimate the bytes that training needs beyond the data.

    Weights are held four times (value, gradient, two moments of Adam); a batch holds about eight values a latent and
    six a pixel for the backward pass.
    """
    pixels = math.prod(image_shape)
    weights = 2 * pixels * model.latents + model.latents
    activations = train.batch_size * (8 * model.latents + 6 * pixels)
    return 4 * (4 * weights + activations)


def require_memory(model: ModelConfig, image_shape: ImageShape, train: TrainConfig) -> None:
    """Refuse a model that can't be trained in the memory there is.

    Raises
    ------
    InputError
        The estimate exceeds the free memory.
    """
    needed, free = training_memory(model, image_shape, train), available_memory()
    if needed > free:
        raise InputError(
            "latents",
            given=f"{model.latents}, which needs about {needed / 2**30:.1f} GiB to train",
            allowed=f"a model that fits the {free / 2**30:.1f} GiB of free memory",
            remedy="Use fewer latents or a smaller batch.",
        )
