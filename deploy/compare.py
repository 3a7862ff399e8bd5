"""The first difference between what a backend computed and what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from spiking_pvae.deploy.exporters.traces import QUANTITIES, Traces


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two values that should be one.

    Parameters
    ----------
    layer : str
        The first layer, in the order of the flow, in which anything differs.
    quantity : {"accumulator", "rate", "spike", "count", "synops", "packets", "hops"}
        The first quantity of that layer that differs.
    sample, step, neuron : int
        Where; the step within the layer's firing phase, 0 where there is only one.
    expected, got : int
    """

    layer: str
    quantity: str
    sample: int
    step: int
    neuron: int
    expected: int
    got: int

    def __str__(self) -> str:
        return (
            f"layer '{self.layer}', {self.quantity} of neuron {self.neuron}, step {self.step}, sample {self.sample}: "
            f"expected {self.expected}, got {self.got}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the members as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Sums over what was compared.

    Parameters
    ----------
    samples : int
    compared : int
        Values compared.
    mismatches : int
        Values that differ.
    first : Difference, optional
    """

    samples: int = 0
    compared: int = 0
    mismatches: int = 0
    first: Difference | None = None


def compare(expected: Traces, got: Traces, *, first_sample: int = 0) -> Comparison:
    """Compare every quantity that both sides have, in the order of the flow.

    Raises
    ------
    ValueError
        A layer is missing, has another shape, or has nothing to compare: a fault of the reader.
    """
    compared = mismatches = samples = 0
    first: Difference | None = None
    for layer, quantities in expected.items():
        common = [quantity for quantity in QUANTITIES if quantity in quantities and quantity in got.get(layer, {})]
        if not common:
            raise ValueError(f"nothing to compare in layer '{layer}'")
        for quantity in common:
            ours, theirs = quantities[quantity], got[layer][quantity]
            if ours.shape != theirs.shape:
                raise ValueError(f"{quantity} of layer '{layer}': shapes {ours.shape} and {theirs.shape}")
            samples = len(ours)
            compared += ours.size
            differs = ours != theirs
            if not differs.any():
                continue
            mismatches += int(differs.sum())
            if first is None:
                place = np.unravel_index(int(np.argmax(differs)), differs.shape)
                first = Difference(
                    layer=layer,
                    quantity=quantity,
                    sample=first_sample + int(place[0]),
                    step=int(place[1]) if len(place) == 3 else 0,
                    neuron=int(place[-1]),
                    expected=int(ours[place]),
                    got=int(theirs[place]),
                )
    return Comparison(samples=samples, compared=compared, mismatches=mismatches, first=first)


def _earlier(first: Difference | None, other: Difference | None, layers: list[str]) -> Difference | None:
    """Return the difference in the earlier layer; the first one where it is the same."""
    if first is None or other is None:
        return first or other
    return other if layers.index(other.layer) < layers.index(first.layer) else first


def combine(parts: Iterable[Comparison], layers: list[str]) -> Comparison:
    """Add comparisons of successive samples up."""
    total = Comparison()
    for part in parts:
        total = Comparison(
            samples=total.samples + part.samples,
            compared=total.compared + part.compared,
            mismatches=total.mismatches + part.mismatches,
            first=_earlier(total.first, part.first, layers),
        )
    return total
