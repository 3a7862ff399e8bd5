"""Event inputs: values near 0 stay silent.

An encoder's synaptic operations are counted a message, and a dense image sends one from nearly every pixel. With a
threshold, |x| < threshold sends nothing; what is above is sent as it is. It is a property of the input port, so that
every backend sees the same messages.
"""

from __future__ import annotations

import math
from dataclasses import replace

from spiking_pvae.deploy.ir import Network
from spiking_pvae.errors import InputError


def with_event_inputs(network: Network, threshold: float) -> Network:
    """Silence the inputs below a threshold.

    Parameters
    ----------
    network : Network
    threshold : float
        In the units of an image; rounded up to whole counts of the input port.

    Returns
    -------
    Network

    Raises
    ------
    InputError
        The threshold is negative or not finite, or silences the whole range of the input.
    """
    if not (math.isfinite(threshold) and threshold >= 0):
        raise InputError("input threshold", given=threshold, allowed="a finite number of at least 0")
    port = network.input
    counts = math.ceil(threshold / port.scale)
    if counts > port.format.high:
        raise InputError(
            "input threshold",
            given=threshold,
            allowed=f"at most {port.format.high * port.scale:.4g}, the largest value of the input port",
        )
    return replace(network, input=replace(port, threshold=counts))
