"""Smooth indicators h of an arrival before the end of the window, and the moments they give.

An arrival at time t counts h((1 - t) / tau). With w = clip((x + 1) / 2, 0, 1):

    sigmoid   1 / (1 + e^-x)              mean / rate  1 + tau log(1 + e^(-1/tau))
    linear    w
    cubic     3 w^2 - 2 w^3
    quintic   6 w^5 - 15 w^4 + 10 w^3
    cosine    (1 - cos(pi w)) / 2         mean / rate  1 for the four of them

for tau <= 1. All but the sigmoid are constant outside of -1 <= x <= 1.

References
----------
"A hitchhiker's guide to Poisson gradient estimation", ICML 2026. The moments follow from Campbell's theorem: for
arrivals of rate r the mean is r times the integral of h over t >= 0, the variance r times that of h^2.
"""

from __future__ import annotations

import math
from typing import assert_never

import torch
from torch import Tensor
from torch.nn.functional import softplus

from spiking_pvae.config import Indicator
from spiking_pvae.errors import InputError

SIGMOID_CUTOFF = 12.0
"""Arrivals before 1 - 12 tau count 1 and those after 1 + 12 tau nothing: the sigmoid is within 6.2e-6 of it."""

CODES: dict[Indicator, int] = {"sigmoid": 0, "linear": 1, "cubic": 2, "quintic": 3, "cosine": 4}
"""Indicators as numbers, for compiled kernels."""
LARGEST_RATE = 65536.0
"""Larger rates, as of a training that diverges, give NaN: following so many arrivals would seem to hang."""


def require_temperature(temperature: float) -> None:
    """Refuse temperatures outside of 0 .. 1, where the moments would not hold."""
    if not 0 <= temperature <= 1:
        raise InputError("temperature", given=temperature, allowed="a number between 0 (exact counts) and 1")


def soft_window(indicator: Indicator, temperature: float) -> tuple[float, float]:
    """Return start and length of the window in which an arrival counts neither exactly 1 nor exactly 0."""
    reach = (SIGMOID_CUTOFF if indicator == "sigmoid" else 1.0) * temperature
    start = max(0.0, 1 - reach)
    return start, 1 + reach - start


def indicate(indicator: Indicator, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return h(x) and h'(x); same shape."""
    if indicator == "sigmoid":
        h = torch.sigmoid(x)
        return h, h * (1 - h)
    w = ((x + 1) / 2).clamp(0, 1)
    match indicator:
        case "linear":
            return w, 0.5 * (x.abs() < 1).to(x.dtype)
        case "cubic":
            return w * w * (3 - 2 * w), 3 * w * (1 - w)
        case "quintic":
            return w**3 * (10 - 15 * w + 6 * w * w), 15 * (w * (1 - w)) ** 2
        case "cosine":
            return (1 - torch.cos(math.pi * w)) / 2, (math.pi / 4) * torch.sin(math.pi * w)
        case _:
            assert_never(indicator)


def moments(indicator: Indicator, temperature: float) -> tuple[float, float]:
    """Return mean / rate and variance / rate of the relaxed count in closed form.

    Parameters
    ----------
    indicator : Indicator
    temperature : float
        tau, 0 .. 1.
    """
    require_temperature(temperature)
    tau = temperature
    if tau == 0:
        return 1.0, 1.0
    match indicator:
        case "sigmoid":
            inverse = torch.tensor(1 / tau, dtype=torch.float64)
            mean = 1 + tau * math.log1p(math.exp(-1 / tau))
            return mean, tau * float(softplus(inverse) - torch.sigmoid(inverse))
        case "linear":
            return 1.0, 1 - tau / 3
        case "cubic":
            return 1.0, 1 - 9 * tau / 35
        case "quintic":
            return 1.0, 1 - 50 * tau / 231
        case "cosine":
            return 1.0, 1 - tau / 4
        case _:
            assert_never(indicator)
