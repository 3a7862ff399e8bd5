"""Lowering and quantisation in one call."""

from __future__ import annotations

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.lower import lower
from spiking_pvae.deploy.quantize import QuantizeConfig, quantize
from spiking_pvae.model import PoissonVAE
from spiking_pvae.types import FloatArray


def convert(model: PoissonVAE, images: FloatArray, config: QuantizeConfig | None = None) -> Network:
    """Convert a trained model to an integer spike-count network.

    Parameters
    ----------
    model : PoissonVAE
    images : ndarray of float32, shape (samples, channels, height, width)
        Calibration data, from the training set.
    config : QuantizeConfig, optional

    Returns
    -------
    Network
    """
    return quantize(lower(model), images, config)
