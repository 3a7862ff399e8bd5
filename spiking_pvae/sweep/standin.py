"""A network and a record for activities that are not counts, so that one account of energy prices every model.

A linear model whose encoder gives D numbers a latent (2 for a mean and a log-sigma) runs on event-driven hardware as
K D neurons that integrate the input, of which K send a graded message where the activity is not zero. The stand-in has
those populations, the model's weights on the integer grid and the messages of an exact draw; the D - 1 silent neurons
of a latent send none. A message's payload is not a count, so it stands for one spike.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.accounting import active_updates, population
from spiking_pvae.deploy.floatnet import FloatLayer, FloatNetwork, Identity, PoissonRate
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.maps import DenseMap
from spiking_pvae.deploy.quantize import quantize
from spiking_pvae.deploy.record import LatentTally, SpikeRecord, Tally
from spiking_pvae.types import FloatArray, ImageShape

Float64 = NDArray[np.float64]


def stand_in(encoder: Float64, dictionary: Float64, shape: ImageShape, calibration: FloatArray) -> Network:
    """Build the network.

    Parameters
    ----------
    encoder : ndarray, shape (D latents, pixels)
        Its first `latents` rows belong to the neurons that send messages.
    dictionary : ndarray, shape (pixels, latents)
    shape : tuple of int
        Channels, height and width of an image.
    calibration : ndarray of float32
        Images that set the scale of the input.
    """
    neurons, latents = len(encoder), dictionary.shape[1]
    decoder = np.pad(dictionary, ((0, 0), (0, neurons - latents)))
    rate = PoissonRate(prior_log_rate=np.zeros(neurons), clamp=5.0)
    layers = (
        FloatLayer(name="encoder", shape=(neurons,), linear=DenseMap(weight=encoder), bias=None, activation=rate),
        FloatLayer(name="decoder", shape=shape, linear=DenseMap(weight=decoder), bias=None, activation=Identity()),
    )
    return quantize(FloatNetwork(shape=shape, layers=layers, beta=1.0), calibration)


def record_of(network: Network, images: FloatArray, activity: Float64, kl: Float64) -> SpikeRecord:
    """Build the record of drawn activities.

    Parameters
    ----------
    network : Network
        Of `stand_in`.
    images : ndarray of float32, shape (samples, channels, height, width)
    activity, kl : ndarray, shape (samples, latents)
        Drawn activities, and divergences in nats.
    """
    samples, latents = activity.shape
    silent = ((0, 0), (0, network.latent.neurons - latents))
    sent = np.pad((activity != 0).astype(np.int64), silent)
    nothing = np.zeros((samples, network.layers[-1].neurons), np.int64)
    populations = [network.input.encode(images), sent, nothing]
    did = [population(counts, "graded", 1) for counts in populations]
    tallies = []
    for index, (name, own) in enumerate(zip(["input", "encoder", "decoder"], did, strict=True)):
        active = (
            active_updates(network.layers[index - 1].neurons, did[index - 1], own, "graded", 1)
            if index
            else np.zeros(samples, np.int64)
        )
        tallies.append(Tally(name=name, spikes=own.spikes, events=own.events, steps=min(index, 1), active=active))
    return SpikeRecord(
        schedule="graded",
        steps=1,
        seed=0,
        block_samples=np.ones(samples, np.int64),
        tallies=tuple(tallies),
        latent=LatentTally(rate=np.pad(activity, silent), kl=np.pad(kl, silent)),
        counts_sha256="",
    )
