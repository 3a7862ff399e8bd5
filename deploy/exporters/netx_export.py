"""Writes a network as lava-dl's HDF5 exchange files (``.net``); needs h5py alone.

Everything is a data set under ``layer/<i>/``, without attributes. Weights are stored as float32 that hold integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from spiking_pvae.deploy.exporters.cuba import CubaHalf
from spiking_pvae.deploy.exporters.netx_latents import rate_difference, scaled_latents
from spiking_pvae.deploy.exporters.poisson import write_latents
from spiking_pvae.deploy.exporters.sdnn import SdnnHalf, run_sdnn, sdnn
from spiking_pvae.deploy.exporters.segments import segments
from spiking_pvae.deploy.exporters.traces import Int64, Traces
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule


def write_layer(group: h5py.Group, weight: Int64) -> h5py.Group:
    """Write a dense layer's weights; returns the group of its neurons, pure integrators without a threshold so far."""
    outputs, inputs = weight.shape
    group["type"] = np.array([b"dense"], "S10")
    group["shape"] = np.array([outputs], np.int64)
    group["inFeatures"], group["outFeatures"] = inputs, outputs
    group["weight"] = weight.astype(np.float32)
    neuron = group.create_group("neuron")
    neuron["refDelay"], neuron["iDecay"] = 1, 4096
    return neuron


def make_sdnn(neuron: h5py.Group, *, sums: bool) -> None:
    """Make neurons send rounded differences of their rectified sum, or where they sum, the sum itself."""
    neuron["type"] = np.array([b"SDNN"], "S10")
    neuron["vThMant"] = np.array([0], np.int64)
    neuron["vDecay"], neuron["gradedSpike"] = 4096, True
    neuron["activation"] = np.array([b"relu"], "S10")
    if sums:
        neuron["sigma_output"] = True


def write_sdnn(half: SdnnHalf, file: h5py.File) -> None:
    """Write one half of a network in its sigma-delta form."""
    for place, layer in enumerate(half.layers):
        group = file.create_group(f"layer/{place}")
        sums = place + 1 == len(half.layers)
        make_sdnn(write_layer(group, layer.weight), sums=sums)
        if not sums:
            group["bias"] = layer.bias.astype(np.float32)


def write_cuba(half: CubaHalf, file: h5py.File) -> None:
    """Write one half of a network in its hard-reset form."""
    for place, layer in enumerate(half.layers):
        group = file.create_group(f"layer/{place}")
        neuron = write_layer(group, layer.weight)
        neuron["type"] = np.array([b"CUBA"], "S10")
        neuron["vThMant"] = np.array([layer.threshold], np.int64)
        neuron["vDecay"], neuron["gradedSpike"] = 0, False
        group["bias"] = layer.bias.astype(np.float32)
    make_sdnn(write_layer(file.create_group(f"layer/{len(half.layers)}"), half.weight), sums=True)


def write_halves(network: Network, halves: Sequence[SdnnHalf | CubaHalf], folder: Path) -> None:
    """Write both halves and the latents, whose gain takes the scale of the encoder's accumulators."""
    encoder, decoder = halves
    for name, half in (("encoder", encoder), ("decoder", decoder)):
        with h5py.File(folder / f"{name}.net", "w") as file:
            match half:
                case SdnnHalf():
                    write_sdnn(half, file)
                case CubaHalf():
                    write_cuba(half, file)
            # What a summing layer can't hold: added by whoever reads its output.
            file["offset"], file["scale"] = half.offset, half.scale
    write_latents(scaled_latents(network, encoder.scale), folder)


def write(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> None:
    """Write the sigma-delta form.

    Raises
    ------
    LimitError
        A layer has no form in netx.
    """
    write_halves(network, [sdnn(segment) for segment in segments(network, schedule, steps)], folder)


def difference(network: Network, messages: Int64, wanted: Traces, *, steps: int) -> dict[str, float]:
    """Measure how far the form is from the network's rates, every image presented from rest.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
    wanted : Traces
        Of the network itself, in the graded schedule.
    steps : int
        Unused.

    Returns
    -------
    dict of str to float
        As `rate_difference`.
    """
    encoder, _ = (sdnn(segment) for segment in segments(network, "graded", 1))
    sums = np.concatenate([run_sdnn(encoder, row[None]) for row in messages]) + encoder.offset
    return rate_difference(network, scaled_latents(network, encoder.scale), sums, wanted)
