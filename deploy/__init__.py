"""From a trained model to an integer spike-count network, and its simulation on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiking_pvae.lazy import lazy_attributes

if TYPE_CHECKING:
    from spiking_pvae.deploy.convert import convert, prepare
    from spiking_pvae.deploy.fidelity import Fidelity, fidelity
    from spiking_pvae.deploy.files import load_network, load_recording, save_network, save_recording
    from spiking_pvae.deploy.ir import (
        ConstantThreshold,
        Conv2d,
        Dense,
        ExponentialThreshold,
        InputPort,
        Layer,
        Network,
        Readout,
    )
    from spiking_pvae.deploy.lower import lower, lower_parts
    from spiking_pvae.deploy.quantize import QuantizeConfig, quantize
    from spiking_pvae.deploy.record import SpikeRecord, Tally
    from spiking_pvae.deploy.simulate import simulate

_HOME = {
    "convert": "spiking_pvae.deploy.convert",
    "prepare": "spiking_pvae.deploy.convert",
    "Fidelity": "spiking_pvae.deploy.fidelity",
    "fidelity": "spiking_pvae.deploy.fidelity",
    "load_network": "spiking_pvae.deploy.files",
    "load_recording": "spiking_pvae.deploy.files",
    "save_network": "spiking_pvae.deploy.files",
    "save_recording": "spiking_pvae.deploy.files",
    "ConstantThreshold": "spiking_pvae.deploy.ir",
    "Conv2d": "spiking_pvae.deploy.ir",
    "Dense": "spiking_pvae.deploy.ir",
    "ExponentialThreshold": "spiking_pvae.deploy.ir",
    "InputPort": "spiking_pvae.deploy.ir",
    "Layer": "spiking_pvae.deploy.ir",
    "Network": "spiking_pvae.deploy.ir",
    "Readout": "spiking_pvae.deploy.ir",
    "lower": "spiking_pvae.deploy.lower",
    "lower_parts": "spiking_pvae.deploy.lower",
    "QuantizeConfig": "spiking_pvae.deploy.quantize",
    "quantize": "spiking_pvae.deploy.quantize",
    "SpikeRecord": "spiking_pvae.deploy.record",
    "Tally": "spiking_pvae.deploy.record",
    "simulate": "spiking_pvae.deploy.simulate",
}

__all__ = [
    "ConstantThreshold",
    "Conv2d",
    "Dense",
    "ExponentialThreshold",
    "Fidelity",
    "InputPort",
    "Layer",
    "Network",
    "QuantizeConfig",
    "Readout",
    "SpikeRecord",
    "Tally",
    "convert",
    "fidelity",
    "load_network",
    "load_recording",
    "lower",
    "lower_parts",
    "prepare",
    "quantize",
    "save_network",
    "save_recording",
    "simulate",
]

__getattr__ = lazy_attributes(__name__, _HOME)
