"""How the price of an operation follows the widths of its operands, where its source says so.

Horowitz (ISSCC 2014, Fig. 1.1.9) prices integer operations at several widths: an add takes 0.03, 0.05 and 0.1 pJ at 8,
16 and 32 bits, a multiply 0.2 and 3.1 pJ at 8 and 32 bits. Between them an add grows as its width and a multiply as the
product of the widths of its factors, which is also what counting gates gives (an n-bit adder takes 5 n - 3 of them, an
n-bit multiplier n - 1 adders of n bits: Dong, Kuipers, Oberman, "EuclidNets", 2022), so that

    price(a, w, s) = multiply a w / 64 + add s / 32 + fixed

for an a-bit message, a w-bit weight and an s-bit sum. At 8, 8 and 32 bits it is the published price. The published
points lie within 17% of the law; below 8 bits it rests on the count of gates alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.energy.memory import MEMBRANE_BITS, message_bits
from spiking_pvae.errors import InputError

MULTIPLY_AT, ADD_AT = 64, 32
"""Product of the factors' widths, and width of the sum, at which a price is published."""


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

    def factor(self, *, message: int, weight: int, total: int) -> float:
        """Return the price at these widths as a multiple of the published one.

        Raises
        ------
        InputError
            A width is not in 1 .. 32, the range that the source reaches.
        """
        for name, bits in (("message bits", message), ("weight bits", weight), ("bits of the sum", total)):
            if not 1 <= bits <= 32:
                raise InputError(name, given=bits, allowed="1 .. 32")
        return (self.multiply * message * weight / MULTIPLY_AT + self.add * total / ADD_AT + self.fixed) / self.whole


def factors(network: Network, widths: dict[str, Widths], schedule: Schedule) -> dict[tuple[str, str], float]:
    """Return what the widths of a network make of the prices of its synaptic operations.

    Parameters
    ----------
    network : Network
    widths : dict of str to Widths
        By the term whose price they split.
    schedule : {"graded", "unary", "streaming"}
        Graded messages are as wide as the format that carries them.

    Returns
    -------
    dict of (str, str) to float
        By layer that holds the synapses, and term.
    """
    found = {}
    source = "input"
    for layer in network.layers:
        message = message_bits(network, source, schedule)
        for term, split in widths.items():
            found[layer.name, term] = split.factor(message=message, weight=layer.synapse.bits, total=MEMBRANE_BITS)
        source = layer.name
    return found
