"""Writes the hard-reset form of a network as lava-dl's HDF5 exchange files (``.net``); needs h5py alone."""

from __future__ import annotations

from pathlib import Path

from spiking_pvae.deploy.exporters.cuba import cuba, run_cuba
from spiking_pvae.deploy.exporters.netx_export import write_halves
from spiking_pvae.deploy.exporters.netx_latents import rate_difference, scaled_latents
from spiking_pvae.deploy.exporters.segments import segments
from spiking_pvae.deploy.exporters.traces import Int64, Traces
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule


def write(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> None:
    """Write the hard-reset form.

    Raises
    ------
    LimitError
        A layer has no form in netx.
    """
    write_halves(network, [cuba(segment, steps) for segment in segments(network, "graded", steps)], folder)


def difference(network: Network, messages: Int64, wanted: Traces, *, steps: int) -> dict[str, float]:
    """Measure how far the form is from the network's rates.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
    wanted : Traces
        Of the network itself, in the graded schedule.
    steps : int
        T.
    """
    encoder, _ = (cuba(segment, steps) for segment in segments(network, "graded", steps))
    return rate_difference(network, scaled_latents(network, encoder.scale), run_cuba(encoder, messages), wanted)
