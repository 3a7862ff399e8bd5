"""From a trained model to an integer spike-count network, and its simulation on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiking_pvae.lazy import lazy_attributes

if TYPE_CHECKING:
    from spiking_pvae.deploy.check import Budget, check
    from spiking_pvae.deploy.chips import Chip, load_chip
    from spiking_pvae.deploy.convert import convert, prepare
    from spiking_pvae.deploy.fidelity import Fidelity, fidelity
    from spiking_pvae.deploy.files import load_network, load_recording, save_network, save_recording
    from spiking_pvae.deploy.finetune import FinetuneConfig, finetune
    from spiking_pvae.deploy.ir import (
        ConstantThreshold,
        Conv2d,
        Dense,
        ExponentialThreshold,
        InputPort,
        Layer,
        Network,
        Readout,
        Sparse,
    )
    from spiking_pvae.deploy.lower import lower, lower_parts
    from spiking_pvae.deploy.proof import Proof, prove
    from spiking_pvae.deploy.quantize import QuantizeConfig, quantize
    from spiking_pvae.deploy.record import SpikeRecord, Tally
    from spiking_pvae.deploy.simulate import simulate
    from spiking_pvae.deploy.sparsity import compact, written_out
    from spiking_pvae.deploy.traces import load_raster
    from spiking_pvae.deploy.transient import Transient, steps_for, transient

_HOME = {
    "Budget": "spiking_pvae.deploy.check",
    "check": "spiking_pvae.deploy.check",
    "Chip": "spiking_pvae.deploy.chips",
    "load_chip": "spiking_pvae.deploy.chips",
    "convert": "spiking_pvae.deploy.convert",
    "prepare": "spiking_pvae.deploy.convert",
    "Fidelity": "spiking_pvae.deploy.fidelity",
    "fidelity": "spiking_pvae.deploy.fidelity",
    "FinetuneConfig": "spiking_pvae.deploy.finetune",
    "finetune": "spiking_pvae.deploy.finetune",
    "Proof": "spiking_pvae.deploy.proof",
    "prove": "spiking_pvae.deploy.proof",
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
    "Sparse": "spiking_pvae.deploy.ir",
    "lower": "spiking_pvae.deploy.lower",
    "lower_parts": "spiking_pvae.deploy.lower",
    "QuantizeConfig": "spiking_pvae.deploy.quantize",
    "quantize": "spiking_pvae.deploy.quantize",
    "compact": "spiking_pvae.deploy.sparsity",
    "written_out": "spiking_pvae.deploy.sparsity",
    "SpikeRecord": "spiking_pvae.deploy.record",
    "Tally": "spiking_pvae.deploy.record",
    "simulate": "spiking_pvae.deploy.simulate",
    "load_raster": "spiking_pvae.deploy.traces",
    "Transient": "spiking_pvae.deploy.transient",
    "steps_for": "spiking_pvae.deploy.transient",
    "transient": "spiking_pvae.deploy.transient",
}

__all__ = [
    "Budget",
    "Chip",
    "ConstantThreshold",
    "Conv2d",
    "Dense",
    "ExponentialThreshold",
    "Fidelity",
    "FinetuneConfig",
    "InputPort",
    "Layer",
    "Network",
    "Proof",
    "QuantizeConfig",
    "Readout",
    "Sparse",
    "SpikeRecord",
    "Tally",
    "Transient",
    "check",
    "compact",
    "convert",
    "fidelity",
    "finetune",
    "load_chip",
    "load_network",
    "load_raster",
    "load_recording",
    "lower",
    "lower_parts",
    "prepare",
    "prove",
    "quantize",
    "save_network",
    "save_recording",
    "simulate",
    "steps_for",
    "transient",
    "written_out",
]

__getattr__ = lazy_attributes(__name__, _HOME)
