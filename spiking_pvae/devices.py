"""Where tensors live, and how much room there is."""

from __future__ import annotations

import os

import torch

from spiking_pvae.errors import InputError


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
