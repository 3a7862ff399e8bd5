"""The same function without spikes: what its arithmetic costs, for networks that users would take instead.

A multiply-accumulate of a-bit by w-bit integers into a 32-bit sum is priced by the law of widths of the preset
`cmos45_horowitz` (`spiking_pvae.energy.widths`):

    mac(a, w) = 0.2 pJ a w / 64 + 0.1 pJ

Like every such figure it is arithmetic only, without memory.

The controls of the Poisson VAE have the same encoder with two outputs a latent (a mean and a log-scale) and the same
decoder. A rectified Gaussian is 0 with probability 1/2 at its prior, so that a decoder that skips zeros saves half.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.energy.band import Band
from spiking_pvae.energy.library import load_preset
from spiking_pvae.energy.synops import SynOps

RECTIFIED_ZEROS = 0.5
"""P(relu(z) = 0) of a Gaussian at its prior N(0, 1): exactly 1/2 (the plateau of trained ones)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """One alternative.

    Parameters
    ----------
    name : str
    macs : float
        Multiply-accumulates an inference that it performs.
    joules : Band
        An inference, arithmetic only.
    what : str
        In words, with the source of the price.
    """

    name: str
    macs: float
    joules: Band
    what: str

    def to_json(self) -> dict[str, object]:
        """Return JSON values."""
        return {"name": self.name, "macs": self.macs, **self.joules.to_json(), "what": self.what}


def integer_mac(activation_bits: int, weight_bits: int) -> float:
    """Return the joules of a multiply-accumulate of two integers into a 32-bit sum.

    Raises
    ------
    InputError
        A width is not in 1 .. 32.
    """
    price = load_preset("cmos45_horowitz").terms["dense_mac"]
    assert price.widths is not None
    at = price.widths.band(message=activation_bits, weight=weight_bits, total=32, multiplies=True)
    return price.si.value * (at.value / price.widths.whole)


def equivalent_bits(largest: int) -> int:
    """Return the bits of activations that tell counts 0 .. T apart, ceil(log2(T + 1)); at least 1."""
    return max(1, math.ceil(math.log2(largest + 1)))


def largest_count(network: Network, record: SpikeRecord) -> int:
    """Return the largest count T of a latent in an inference.

    It is exact in the unary schedule (its steps) and where a block of the record is one sample; else an upper bound,
    the largest sum over a block.
    """
    if record.schedule == "unary":
        return record.steps
    return int(record.tally(network.latent.name).spikes.max(initial=0))


def baselines(network: Network, ops: SynOps, *, largest_count: int) -> tuple[Baseline, ...]:
    """Price the alternatives to a network.

    Parameters
    ----------
    network : Network
    ops : SynOps
        Its counts; only the dense multiply-accumulates are used.
    largest_count : int
        Largest count T of a latent that the alternative has to tell apart.

    Returns
    -------
    tuple of Baseline
    """
    weight_bits = max(layer.synapse.bits for layer in network.layers)
    input_bits, latent_bits = network.input.bits, equivalent_bits(largest_count)
    encoder, decoder = ops.encoder_macs, ops.decoder_macs
    floating = load_preset("ann_mac_ac").terms["dense_mac"].si
    int8 = _exactly(integer_mac(8, 8))
    quantised = _exactly(
        encoder * integer_mac(input_bits, weight_bits) + decoder * integer_mac(latent_bits, weight_bits)
    )
    horowitz = "Horowitz, ISSCC 2014, Fig. 1.1.9, 45 nm"
    return (
        Baseline(
            name="float network",
            macs=encoder + decoder,
            joules=floating * (encoder + decoder),
            what=f"every synapse once, 32-bit floating point, 4.6 pJ a MAC ({horowitz})",
        ),
        Baseline(
            name="int8 network",
            macs=encoder + decoder,
            joules=int8 * (encoder + decoder),
            what=f"every synapse once, 8-bit integers, 0.3 pJ a MAC ({horowitz})",
        ),
        Baseline(
            name="quantised network",
            macs=encoder + decoder,
            joules=quantised,
            what=f"{input_bits}-bit inputs, {weight_bits}-bit weights and latents of ceil(log2(T + 1)) = {latent_bits} "
            f"bits for T = {largest_count} ({horowitz}, scaled by the product of the widths)",
        ),
        Baseline(
            name="Gaussian VAE",
            macs=2 * encoder + decoder,
            joules=floating * (2 * encoder + decoder),
            what=f"two encoder outputs a latent, dense decoder, 32-bit floating point ({horowitz})",
        ),
        Baseline(
            name="rectified Gaussian VAE",
            macs=2 * encoder + (1 - RECTIFIED_ZEROS) * decoder,
            joules=floating * (2 * encoder + (1 - RECTIFIED_ZEROS) * decoder),
            what=f"two encoder outputs a latent, decoder without its half of zeros, 32-bit floating point ({horowitz})",
        ),
    )


def _exactly(joules: float) -> Band:
    return Band(value=joules, low=joules, high=joules)
