"""Integer formats of the hardware, and the few roundings the package uses.

The widths are those of Loihi's neuron core [1]_ and its public Lava model: weights of up to 8 bits with a shared
exponent, biases with a 13-bit mantissa, 24-bit membranes and currents, thresholds with a 17-bit mantissa shifted by 6,
and graded payloads of 24 bits (Loihi 2).

References
----------
.. [1] M. Davies et al., "Loihi: a neuromorphic manycore processor with on-chip learning", IEEE Micro 38(1), 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.errors import InputError, LimitError

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class IntegerFormat:
    """A named integer range.

    Parameters
    ----------
    name : str
        Name used in errors.
    low, high : int
        Smallest and largest value, both allowed.
    """

    name: str
    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.name} [{self.low}, {self.high}]"

    def check(self, values: NDArray[np.integer] | int, *, layer: str, remedy: str) -> None:
        """Raise `LimitError` unless every value lies in the range."""
        array = np.asarray(values)
        if array.size == 0:
            return
        smallest, largest = int(array.min()), int(array.max())
        if smallest < self.low or largest > self.high:
            worst = smallest if smallest < self.low else largest
            raise LimitError(layer, limit=str(self), value=worst, remedy=remedy)


WEIGHT_BITS = (2, 4, 6, 8)
INPUT_BITS = (1, 4, 6, 8)
"""1 bit: ON/OFF spikes, -1, 0 or 1 where images have negative values and 0 or 1 where they have not."""
ACTIVATION_BITS = (4, 6, 8)
BIAS_MANTISSA = IntegerFormat("13-bit bias mantissa", -(2**12), 2**12 - 1)
MEMBRANE = IntegerFormat("24-bit membrane", -(2**23), 2**23 - 1)
THRESHOLD_SHIFT = 6
THRESHOLD_MANTISSA = IntegerFormat("17-bit threshold mantissa", 1, 2**17 - 1)
LARGEST_SHIFT = 62
"""A right shift by more would leave nothing of a 64-bit product, and is not defined beyond 63."""
BIAS_EXPONENT = IntegerFormat("bias exponent", 0, 23)
COUNT = IntegerFormat("24-bit count of a graded message", 1, 2**23 - 1)
PAYLOAD = IntegerFormat("24-bit graded payload", -(2**23), 2**23 - 1)


def weight_format(bits: int) -> IntegerFormat:
    """Return the symmetric signed format of weights with `bits` bits (8 bits: -127 .. 127).

    Raises
    ------
    InputError
        The width is not one of `WEIGHT_BITS`.
    """
    if bits not in WEIGHT_BITS:
        raise InputError("weight bits", given=bits, allowed=", ".join(map(str, WEIGHT_BITS)))
    limit = 2 ** (bits - 1) - 1
    return IntegerFormat(f"{bits}-bit weight", -limit, limit)


def input_format(bits: int, *, signed: bool) -> IntegerFormat:
    """Return the format of input counts: symmetric where `signed`, else 0 .. 2^bits - 1.

    Raises
    ------
    InputError
        The width is not one of `INPUT_BITS`.
    """
    if bits not in INPUT_BITS:
        raise InputError("input bits", given=bits, allowed=", ".join(map(str, INPUT_BITS)))
    if signed:
        limit = max(1, 2 ** (bits - 1) - 1)
        return IntegerFormat(f"{bits}-bit signed input", -limit, limit)
    return IntegerFormat(f"{bits}-bit unsigned input", 0, 2**bits - 1)


def round_shift(values: Int64, shift: Int64 | int) -> Int64:
    """Divide by 2^shift and round half up, in integers; `shift` of at least 1."""
    return np.right_shift(values + np.left_shift(np.int64(1), np.asarray(shift, np.int64) - 1), shift)


def mantissa_exponent(values: NDArray[np.float64], bits: int) -> tuple[Int64, Int64]:
    """Write positive numbers as mantissa * 2^-exponent with a mantissa of exactly `bits` bits.

    Parameters
    ----------
    values : ndarray of float64
        Positive, finite.
    bits : int
        Width of the unsigned mantissa; its top bit is always set.

    Returns
    -------
    mantissa, exponent : ndarray of int64
        The relative error is at most 2^-bits.
    """
    fraction, power = np.frexp(values)
    mantissa = np.rint(np.ldexp(fraction, bits)).astype(np.int64)
    carried = mantissa == 2**bits
    mantissa = np.where(carried, 2 ** (bits - 1), mantissa)
    exponent = bits - power.astype(np.int64) - carried.astype(np.int64)
    return mantissa, exponent
