"""Writes the sigma-delta form of a network as lava-dl's HDF5 exchange files (``.net``); needs h5py alone.

Everything is a data set under ``layer/<i>/``, without attributes. Weights are stored as float32 that hold integers.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from spiking_pvae.deploy.exporters.netx_latents import scaled_latents
from spiking_pvae.deploy.exporters.poisson import write_latents
from spiking_pvae.deploy.exporters.sdnn import SdnnHalf, run_sdnn, sdnn
from spiking_pvae.deploy.exporters.segments import segments
from spiking_pvae.deploy.exporters.traces import Int64, Traces
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule


def write_net(half: SdnnHalf, path: Path) -> None:
    """Write one half of a network.

    Parameters
    ----------
    half : SdnnHalf
    path : Path
        Of the ``.net`` file.
    """
    with h5py.File(path, "w") as file:
        for place, layer in enumerate(half.layers):
            group = file.create_group(f"layer/{place}")
            outputs, inputs = layer.weight.shape
            group["type"] = np.array([b"dense"], "S10")
            group["shape"] = np.array([outputs], np.int64)
            group["inFeatures"], group["outFeatures"] = inputs, outputs
            group["weight"] = layer.weight.astype(np.float32)
            neuron = group.create_group("neuron")
            neuron["type"] = np.array([b"SDNN"], "S10")
            neuron["vThMant"] = np.array([0], np.int64)
            neuron["refDelay"], neuron["iDecay"], neuron["vDecay"] = 1, 4096, 4096
            neuron["gradedSpike"] = True
            neuron["activation"] = np.array([b"relu"], "S10")
            if place + 1 == len(half.layers):
                neuron["sigma_output"] = True
            else:
                group["bias"] = layer.bias.astype(np.float32)
        # What a summing layer can't hold: added by whoever reads its output.
        file["offset"] = half.offset
        file["scale"] = half.scale


def write(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> None:
    """Write both halves and the latents, whose gain takes the scale of the encoder's accumulators.

    Raises
    ------
    LimitError
        A layer has no form in netx.
    """
    for segment in segments(network, schedule, steps):
        half = sdnn(segment)
        write_net(half, folder / f"{segment.name}.net")
        if segment.name == "encoder":
            write_latents(scaled_latents(network, half.scale), folder)


def difference(network: Network, messages: Int64, wanted: Traces) -> dict[str, float]:
    """Measure how far the form is from the network's rates, every image presented from rest.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
    wanted : Traces
        Of the network itself.

    Returns
    -------
    dict of str to float
        Mean absolute difference of the latents' rates, relative to their mean; and the largest, in spikes.
    """
    encoder, _ = (sdnn(segment) for segment in segments(network, "graded", 1))
    neuron = scaled_latents(network, encoder.scale)
    sums = np.concatenate([run_sdnn(encoder, row[None]) for row in messages]) + encoder.offset
    rate, true = (
        np.ldexp(q.astype(np.float64), -neuron.fraction)
        for q in (neuron.charge(sums), wanted[network.latent.name]["rate"])
    )
    return {
        "latent_rate_relative": float(np.abs(rate - true).mean() / max(true.mean(), 1e-30)),
        "latent_rate_largest": float(np.abs(rate - true).max()),
    }
