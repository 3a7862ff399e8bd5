"""How the price of an operation follows the widths of its operands, where its source says so.

Horowitz (ISSCC 2014, Fig. 1.1.9) prices integer operations at several widths: an add takes 0.03, 0.05 and 0.1 pJ at 8,
16 and 32 bits, a multiply 0.2 and 3.1 pJ at 8 and 32 bits. Between them an add grows as its width and a multiply as the
product of the widths of its factors, which is also what counting gates gives (an n-bit adder takes 5 n - 3 of them, an
n-bit multiplier n - 1 adders of n bits: Dong, Kuipers, Oberman, "EuclidNets", 2022), so that

    value(a, w, s) = multiply a w / 64 + add s / 32 + fixed

for an a-bit message, a w-bit weight and an s-bit sum. At 8, 8 and 32 bits it is the published price. The published
points lie within 17% of the law; below 8 bits it rests on the count of gates alone.

The published band of such a price is its spread over widths, so it ends where the widths are known, and is not scaled:

    low  = add s / 32 + fixed     a message of count 1 needs no multiply
    high = value                  a is the width of the largest message that can arrive

A dense multiply-accumulate always multiplies: low = value = high.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.energy.band import Band
from spiking_pvae.energy.memory import MEMBRANE_BITS, message_bits
from spiking_pvae.errors import InputError

MULTIPLY_AT, ADD_AT = 64, 32
"""Product of the factors' widths, and width of the sum, at which a price is published."""
DENSE = "dense_mac"
FOLLOW = ("synop", "synop_graded", DENSE)
"""Terms with operands: a message, a weight and a sum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """The parts of a price that follow widths; together they are the price.

    Parameters
    ----------
    multiply : float
        Of an 8-bit by 8-bit multiply; 0 where there is none.
    add : float
        Of adds of 32 bits.
    fixed : float
        What no width changes.
    source : str
        Who says so.
    """

    multiply: float
    add: float
    fixed: float
    source: str

    def __post_init__(self) -> None:
        for name in ("multiply", "add", "fixed"):
            number = getattr(self, name)
            if not (math.isfinite(number) and number >= 0):
                raise InputError(f"widths {name}", given=number, allowed="a finite number of at least 0")
        if not self.multiply + self.add + self.fixed > 0:
            raise InputError("widths", given="nothing but zeros", allowed="at least one part above 0")

    @property
    def whole(self) -> float:
        """The price at 8, 8 and 32 bits."""
        return self.multiply + self.add + self.fixed

    def band(self, *, message: int, weight: int, total: int, multiplies: bool) -> Band:
        """Return the price at these widths, in the unit of the parts.

        Parameters
        ----------
        message, weight, total : int
            Bits of the largest message, of a weight and of the sum.
        multiplies : bool
            Whether every operation multiplies, that of a message of count 1 too.

        Raises
        ------
        InputError
            A width is not in 1 .. 32, the range that the source reaches.
        """
        for name, bits in (("message bits", message), ("weight bits", weight), ("bits of the sum", total)):
            if not 1 <= bits <= 32:
                raise InputError(name, given=bits, allowed="1 .. 32")
        least = self.add * total / ADD_AT + self.fixed
        value = self.multiply * message * weight / MULTIPLY_AT + least
        return Band(value=value, low=value if multiplies else least, high=value)


def prices_at_widths(
    network: Network, widths: Mapping[str, Widths], prices: Mapping[str, Band], schedule: Schedule
) -> dict[tuple[str, str], Band]:
    """Return what the operations of each layer cost at the network's own widths.

    Parameters
    ----------
    network : Network
    widths : mapping of str to Widths
        By the term whose price they split.
    prices : mapping of str to Band
        Published prices, in joules; a term that is absent here stays absent.
    schedule : {"graded", "unary", "streaming"}
        How counts travel: a graded message is as wide as the largest count that its population can send, and a single
        spike has 1 bit. The dense function has no spikes and takes whole counts in every schedule.

    Returns
    -------
    dict of (str, str) to Band
        By layer that holds the synapses, and term; joules.
    """
    sources = ("input", *(layer.name for layer in network.layers))
    found = {}
    for term, split in widths.items():
        if term not in prices:
            continue
        bits = message_bits(network, "graded" if term == DENSE else schedule)
        unit = prices[term].value / split.whole
        for source, layer in zip(sources, network.layers, strict=False):
            at = split.band(
                message=bits[source], weight=layer.synapse.bits, total=MEMBRANE_BITS, multiplies=term == DENSE
            )
            found[layer.name, term] = at * unit
    return found
