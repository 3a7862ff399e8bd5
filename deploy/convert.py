"""Lowering, preparation and quantisation in one call."""

from __future__ import annotations

from spiking_pvae.deploy.floatnet import FloatNetwork, flatten
from spiking_pvae.deploy.fold import equalise, peaks
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.lower import lower
from spiking_pvae.deploy.quantize import QuantizeConfig, quantize
from spiking_pvae.model import VAE
from spiking_pvae.types import FloatArray


def prepare(network: FloatNetwork, images: FloatArray, config: QuantizeConfig) -> FloatNetwork:
    """Rewrite a float network for quantisation without changing what it computes.

    Parameters
    ----------
    network : FloatNetwork
        Lowered: linear layers are folded already.
    images : ndarray of float32, shape (samples, channels, height, width)
        Calibration data.
    config : QuantizeConfig
    """
    if not config.equalisation:
        return network
    return equalise(network, peaks(network, flatten(images)))


def convert(model: VAE, images: FloatArray, config: QuantizeConfig | None = None) -> Network:
    """Convert a trained model to an integer spike-count network.

    Parameters
    ----------
    model : VAE
    images : ndarray of float32, shape (samples, channels, height, width)
        Calibration data, from the training set.
    config : QuantizeConfig, optional

    Returns
    -------
    Network
    """
    config = config or QuantizeConfig()
    return quantize(prepare(lower(model), images, config), images, config)
