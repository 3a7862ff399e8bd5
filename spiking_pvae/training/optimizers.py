"""Optimisers and their state as named tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

import torch
from torch import Tensor, nn

from spiking_pvae.config import TrainConfig

ADAM_BETAS = (0.9, 0.99)
ADAMAX_BETAS = (0.9, 0.999)


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Build the optimiser that `config` names, over all parameters in one group; the schedule sets its learning rate.

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", arXiv 1412.6980 (Adam and Adamax).
    """
    parameters = list(model.parameters())
    match config.optimizer:
        case "adam":
            fused = parameters[0].device.type in ("cpu", "cuda")
            return torch.optim.Adam(parameters, betas=ADAM_BETAS, fused=fused)
        case "adamax":
            return torch.optim.Adamax(parameters, betas=ADAMAX_BETAS)
        case _:
            assert_never(config.optimizer)


def optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Name the moments and step counts ``<parameter>/<moment>``."""
    return {
        f"{name}/{moment}": value
        for name, parameter in model.named_parameters()
        for moment, value in optimizer.state[parameter].items()
    }


def restore_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimizer_tensors` named."""
    state: dict[int, dict[str, Tensor]] = {}
    index = {name: place for place, (name, _) in enumerate(model.named_parameters())}
    for key, value in tensors.items():
        name, moment = key.rsplit("/", 1)
        state.setdefault(index[name], {})[moment] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
