"""What the streaming schedule gets wrong against the graded one at each T, and the T that an accuracy needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import ExponentialThreshold, Network, Readout
from spiking_pvae.deploy.reference import LayerOutput
from spiking_pvae.deploy.simulate import runner
from spiking_pvae.deploy.streaming import period
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray

MOST_STEPS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Transient:
    """Error of the streaming schedule at one T.

    Parameters
    ----------
    steps : int
        T.
    layers : dict of str to float
        Relative error of each layer against the graded schedule: sum |n_T - n| / sum n of hidden counts (n_T X / T
        before the latents, where counts are rates), sum |r_T - r| / sum r of the latents' rates, and the root mean
        squared difference of the readout over its root mean square (one draw with the same thresholds in both).
    rate_error : float
        That of the latents, which does not depend on draws.
    rate_bias : float
        sum (r_T - r) / sum r.
    """

    steps: int
    layers: dict[str, float]
    rate_error: float
    rate_bias: float

    def to_json(self) -> dict[str, Any]:
        """Return the members by name."""
        return {
            "steps": self.steps,
            "rate_error": self.rate_error,
            "rate_bias": self.rate_bias,
            "layers": self.layers,
        }


def _share(difference: NDArray[Any], whole: NDArray[Any]) -> float:
    total = float(np.abs(whole).sum(dtype=np.float64))
    return float(difference.sum(dtype=np.float64)) / total if total > 0 else 0.0


def _compare(network: Network, graded: tuple[LayerOutput, ...], run: tuple[LayerOutput, ...], steps: int) -> Transient:
    errors: dict[str, float] = {}
    scale = period(network) / steps
    rate_error = rate_bias = 0.0
    for layer, ours, theirs in zip(network.layers, run, graded, strict=True):
        charge = ours.charge.astype(np.float64) - theirs.charge
        match layer.neuron:
            case ExponentialThreshold():
                scale = 1.0
                rate_error = errors[layer.name] = _share(np.abs(charge), theirs.charge)
                rate_bias = _share(charge, theirs.charge)
            case Readout():
                # Scales differ by channel: compare real values.
                power = float(np.square(theirs.charge * layer.scale).sum())
                errors[layer.name] = float(np.sqrt(np.square(charge * layer.scale).sum() / power)) if power else 0.0
            case _:
                errors[layer.name] = _share(np.abs(ours.counts * scale - theirs.counts), theirs.counts)
    return Transient(steps=steps, layers=errors, rate_error=rate_error, rate_bias=rate_bias)


def transient(network: Network, images: FloatArray, steps: Sequence[int], *, seed: int = 0) -> tuple[Transient, ...]:
    """Measure the transient error at several T.

    Parameters
    ----------
    network : Network
    images : ndarray of float32, shape (samples, channels, height, width)
    steps : sequence of int
        Values of T, at least one.
    seed : int
        Seed of the thresholds, the same in both schedules.

    Raises
    ------
    InputError
        A T is below 1.
    """
    if min(steps) < 1:
        raise InputError("steps", given=min(steps), allowed="at least 1")
    run = runner(network)
    messages = network.input.encode(images)
    graded = run(messages, seed=seed, first_sample=0, schedule="graded", steps=1)
    return tuple(
        _compare(network, graded, run(messages, seed=seed, first_sample=0, schedule="streaming", steps=t), t)
        for t in steps
    )


def steps_for(network: Network, images: FloatArray, accuracy: float, *, seed: int = 0) -> Transient:
    """Find the T that a wanted accuracy of the latents' rates needs.

    T is doubled until the error is small enough, then bisected; the error falls with T but for small fluctuations, so
    that a slightly smaller T may do as well.

    Parameters
    ----------
    network : Network
    images : ndarray of float32, shape (samples, channels, height, width)
    accuracy : float
        Largest allowed `rate_error`.
    seed : int

    Returns
    -------
    Transient
        At the T found.

    Raises
    ------
    InputError
        The accuracy is not between 0 and 1, or `MOST_STEPS` steps are not enough.
    """
    if not 0 < accuracy < 1:
        raise InputError("accuracy", given=accuracy, allowed="a share between 0 and 1")
    low, steps = 0, 1
    (found,) = transient(network, images, (steps,), seed=seed)
    while found.rate_error > accuracy:
        low, steps = steps, 2 * steps
        if steps > MOST_STEPS:
            raise InputError(
                "accuracy",
                given=f"{accuracy}, with an error of {found.rate_error:.3g} after {low} steps",
                allowed=f"what {MOST_STEPS} steps reach",
                remedy="Use the unary or the graded schedule, whose sums are exact.",
            )
        (found,) = transient(network, images, (steps,), seed=seed)
    while steps - low > 1:
        middle = (low + steps) // 2
        (tried,) = transient(network, images, (middle,), seed=seed)
        low, steps, found = (low, middle, tried) if tried.rate_error <= accuracy else (middle, steps, found)
    return found
