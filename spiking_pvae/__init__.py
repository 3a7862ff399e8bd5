"""Poisson variational autoencoders, from images to joules.

Train a P-VAE, convert it to an integer spike-count network, simulate that network bit-exactly and estimate the
energy of an inference beside the metabolic (KL) term. Names are loaded on first use, so that importing the package
is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spiking_pvae.lazy import lazy_attributes
from spiking_pvae.version import __version__

if TYPE_CHECKING:
    from spiking_pvae import analysis, data, deploy, energy
    from spiking_pvae.checkpoint import load_run
    from spiking_pvae.config import ModelConfig, TrainConfig
    from spiking_pvae.evaluation import evaluate
    from spiking_pvae.model import VAE, PoissonVAE, build_model
    from spiking_pvae.training import fit

_HOME = {
    "analysis": "spiking_pvae.analysis",
    "data": "spiking_pvae.data",
    "deploy": "spiking_pvae.deploy",
    "energy": "spiking_pvae.energy",
    "load_run": "spiking_pvae.checkpoint",
    "ModelConfig": "spiking_pvae.config",
    "TrainConfig": "spiking_pvae.config",
    "evaluate": "spiking_pvae.evaluation",
    "PoissonVAE": "spiking_pvae.model",
    "VAE": "spiking_pvae.model",
    "build_model": "spiking_pvae.model",
    "fit": "spiking_pvae.training",
}

__all__ = [
    "VAE",
    "ModelConfig",
    "PoissonVAE",
    "TrainConfig",
    "__version__",
    "analysis",
    "build_model",
    "data",
    "deploy",
    "energy",
    "evaluate",
    "fit",
    "load_run",
]


__getattr__ = lazy_attributes(__name__, _HOME)
