"""Proof that no sum leaves the membrane, for any input in range and any order of arrival.

Interval arithmetic (`spiking_pvae.deploy.ranges`) bounds every partial sum of every layer. Where all bounds lie within
the membrane, no input can overflow it. Where one does not, the network is refused, and a search tells whether that is
real (`spiking_pvae.deploy.adversary`): along the slope of the neuron's sum from corner to corner of the input range,
then pixel by pixel; an input that overflows is returned, or the statement that none was found and the bound may be
loose. For the first layer the bound is tight: the signs of the weights give the input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.adversary import attack
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.ranges import LayerRange, ranges
from spiking_pvae.errors import LimitError

Int64 = NDArray[np.int64]

SWEEPS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Refusal:
    """A layer whose sums are not proven to fit.

    Parameters
    ----------
    layer : str
    neuron : int
        The one with the largest bound.
    bound : int
        Its largest partial sum by interval arithmetic, in magnitude.
    reached : int
        The largest magnitude that the search reached.
    messages : ndarray of int64, shape (inputs,), optional
        Input that overflows, where one was found.
    """

    layer: str
    neuron: int
    bound: int
    reached: int
    messages: Int64 | None

    @property
    def tight(self) -> bool:
        """Whether an input that overflows is known."""
        return self.messages is not None

    @property
    def statement(self) -> str:
        """What is known, in a sentence."""
        found = (
            "an input that overflows was found"
            if self.tight
            else f"no input found overflows (the largest sum reached is {self.reached}): the bound may be loose"
        )
        return f"layer '{self.layer}', neuron {self.neuron}: sums up to {self.bound} exceed {MEMBRANE}; {found}."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proof:
    """Bounds of every layer, and the first layer that is not proven to fit; it holds where there is none."""

    bounds: tuple[LayerRange, ...]
    refusals: tuple[Refusal, ...]

    @property
    def holds(self) -> bool:
        """Whether no input in range can overflow the membrane."""
        return not self.refusals


def prove(network: Network) -> Proof:
    """Prove that no sum of a network can leave the membrane, or say where that fails and whether it is real.

    Parameters
    ----------
    network : Network

    Returns
    -------
    Proof
        The search looks at the first layer that fails; bounds behind it mean nothing.
    """
    bounds = ranges(network)
    for place, bound in enumerate(bounds):
        over = np.maximum(bound.sums.high - MEMBRANE.high, MEMBRANE.low - bound.sums.low)
        if over.max() <= 0:
            continue
        neuron = int(over.argmax())
        try:
            reached, messages = attack(network, place, neuron, sweeps=SWEEPS)
        except LimitError as error:
            raise AssertionError("a layer that was proven to fit overflowed") from error
        overflows = reached > MEMBRANE.high
        refusal = Refusal(
            layer=bound.name,
            neuron=neuron,
            bound=max(int(bound.sums.high[neuron]), -int(bound.sums.low[neuron])),
            reached=reached,
            messages=messages if overflows else None,
        )
        return Proof(bounds=bounds, refusals=(refusal,))
    return Proof(bounds=bounds, refusals=())
