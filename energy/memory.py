"""Bits that pass between memory and logic: weights, membranes and messages.

    synapses   event_synops (synapse bits + 2 membrane bits)     a weight is read, a membrane read and written back
    updates    (active + inactive) 2 membrane bits
    messages   2 message bits                                    written by the sender, read by the receiver

The scheme is that of Lemaire et al. (ICONIP 2022) with this network's own widths in place of their 32 bits, so that
fewer bits a weight move less; a listed synapse is read with the number of its target, a matrix that is read in full
without. A graded message is as wide as the largest count that its population can send (`spiking_pvae.deploy.ranges`),
a membrane as its 24-bit format. It takes every access to go to memory: a design that keeps membranes in registers
while it accumulates moves less.

References
----------
E. Lemaire et al., "An analytical estimation of spiking neural networks energy efficiency", arXiv 2210.13107.
"""

from __future__ import annotations

from spiking_pvae.deploy.ir import Network, Sparse, Synapse
from spiking_pvae.deploy.numerics import MEMBRANE, IntegerFormat
from spiking_pvae.deploy.ranges import payload_bits
from spiking_pvae.deploy.record import Schedule


def width(format_: IntegerFormat) -> int:
    """Return the bits that hold every integer of a range."""
    return max((-format_.low - 1).bit_length(), format_.high.bit_length()) + int(format_.low < 0)


MEMBRANE_BITS = width(MEMBRANE)


def synapse_bits(synapse: Synapse, *, skip_zero_weights: bool = True) -> int:
    """Return the bits that one synapse takes: its weight, and where a list is read its target.

    Zero weights that are not skipped are read as a matrix, in which the place of a weight says its target.
    """
    return synapse.bits + (synapse.index_bits if skip_zero_weights and isinstance(synapse, Sparse) else 0)


def message_bits(network: Network, schedule: Schedule) -> dict[str, int]:
    """Return the bits of a message's content by population: of its largest count, or of a single spike."""
    if schedule != "graded":
        return dict.fromkeys(("input", *(layer.name for layer in network.layers)), 1)
    return {name: max(1, bits) for name, bits in payload_bits(network).items()}
