"""Where and how the steps run: alone in 32 bits, or through Lightning Fabric.

The plain runtime serves one process in 32 bits; it spares the import of Fabric, which takes longer than that of the
rest of the package. Everything else (mixed precision, several processes started by torchrun) goes through Fabric. Both
run the same loop.
"""

from __future__ import annotations

import os
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from spiking_pvae.config import Precision, TrainConfig
from spiking_pvae.devices import choose_device
from spiking_pvae.errors import InputError

FABRIC_PRECISION: dict[Precision, str] = {"32": "32-true", "tf32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


class Runtime(Protocol):
    """What the loop asks of it."""

    device: torch.device
    rank: int
    world: int

    def setup(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
        """Wrap the training step and its optimiser."""

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients, averaged over the processes."""

    def clip(self, module: Any, optimizer: Any, largest: float) -> Tensor:
        """Scale the gradients down to norm `largest`; return their norm before."""

    def total(self, value: Tensor) -> Tensor:
        """Sum a value over the processes."""

    def scaler_state(self) -> dict[str, Tensor]:
        """State of the gradient scaler of fp16; empty otherwise."""

    def restore_scaler(self, state: dict[str, Tensor]) -> None:
        """Put back what `scaler_state` gave."""


class PlainRuntime:
    """One process, 32 bits.

    Parameters
    ----------
    device : torch.device
        Where the steps run.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.rank, self.world = 0, 1

    def setup(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, torch.optim.Optimizer]:
        """Leave both as they are."""
        return module.to(self.device), optimizer

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients."""
        loss.backward()  # type: ignore[no-untyped-call]

    def clip(self, module: nn.Module, optimizer: torch.optim.Optimizer, largest: float) -> Tensor:
        """Scale the gradients down to norm `largest`; return their norm before."""
        return nn.utils.clip_grad_norm_(module.parameters(), largest)

    def total(self, value: Tensor) -> Tensor:
        """Return the value: there is one process."""
        return value

    def scaler_state(self) -> dict[str, Tensor]:
        """Nothing is scaled in 32 bits."""
        return {}

    def restore_scaler(self, state: dict[str, Tensor]) -> None:
        """Nothing is scaled in 32 bits."""


class FabricRuntime:
    """Lightning Fabric: mixed precision, and as many processes as torchrun started.

    Parameters
    ----------
    device : torch.device
        Kind of the device; with several processes each takes the one of its local rank.
    precision : {"32", "tf32", "bf16", "fp16"}
    """

    def __init__(self, device: torch.device, precision: Precision) -> None:
        from lightning_fabric import Fabric

        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        local = int(os.environ.get("LOCAL_WORLD_SIZE", str(self.world)))
        cuda = device.type == "cuda"
        if self.world > 1:
            devices: Any = local
        else:
            devices = [device.index or 0] if cuda else 1
        self.fabric = Fabric(
            accelerator="cuda" if cuda else "cpu",
            devices=devices,
            num_nodes=max(1, self.world // local),
            strategy="ddp" if self.world > 1 else "auto",
            precision=FABRIC_PRECISION[precision],  # type: ignore[arg-type]
        )
        self.fabric.launch()
        self.device = self.fabric.device
        self.rank = self.fabric.global_rank

    def setup(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
        """Wrap both; parameters stay the same objects."""
        wrapped, its_optimizer = self.fabric.setup(module, optimizer)
        return wrapped, its_optimizer

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients, averaged over the processes."""
        self.fabric.backward(loss)

    def clip(self, module: Any, optimizer: Any, largest: float) -> Tensor:
        """Scale the gradients down to norm `largest`; return their norm before."""
        norm = self.fabric.clip_gradients(module, optimizer, max_norm=largest, error_if_nonfinite=False)
        assert norm is not None  # it is for max_norm
        return norm

    def total(self, value: Tensor) -> Tensor:
        """Sum a value over the processes."""
        summed = self.fabric.all_reduce(value, reduce_op="sum") if self.world > 1 else value
        assert isinstance(summed, Tensor)  # a tensor in, a tensor out
        return summed

    def scaler_state(self) -> dict[str, Tensor]:
        """State of the gradient scaler of fp16; empty otherwise."""
        state = self.fabric.strategy.precision.state_dict()
        return {name: torch.tensor(float(value), dtype=torch.float64) for name, value in state.items()}

    def restore_scaler(self, state: dict[str, Tensor]) -> None:
        """Put back what `scaler_state` gave."""
        if state:
            values: dict[str, Any] = {name: value.item() for name, value in state.items()}
            counters = ("_growth_tracker", "growth_interval")
            values |= {name: int(values[name]) for name in counters if name in values}
            self.fabric.strategy.precision.load_state_dict(values)


def build_runtime(config: TrainConfig) -> Runtime:
    """Choose the runtime that the settings and torchrun's environment ask for.

    Raises
    ------
    InputError
        The device is not there, or can't do the precision.
    """
    device = choose_device(config.device)
    if config.precision in ("fp16", "tf32") and device.type != "cuda":
        raise InputError("precision", given=f"{config.precision} on {device}", allowed="32 or bf16 on the CPU")
    if config.precision == "tf32":
        torch.set_float32_matmul_precision("high")
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 and config.precision in ("32", "tf32"):
        return PlainRuntime(device)
    return FabricRuntime(device, config.precision)
