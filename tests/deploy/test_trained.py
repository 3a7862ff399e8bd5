"""Trained networks: the same counts from the reference and the compiled backend, whatever batch, threads, schedule."""

from functools import cache

import numpy as np
import pytest

from spiking_pvae import data
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.deploy import convert, simulate
from spiking_pvae.deploy.ir import Conv2d, Network
from spiking_pvae.model import PoissonVAE
from spiking_pvae.training import fit

SAMPLES = 300
MODELS = {
    "linear": ModelConfig(latents=70, beta=1.0),
    "conv": ModelConfig(encoder="conv", decoder="conv", channels=4, latents=24, beta=0.5),
}


@cache
def trained(name: str) -> Network:
    """Train on real digits of 8 x 8 pixels for a moment, and convert."""
    dataset = data.load("digits")
    model = PoissonVAE(MODELS[name], dataset.shape)
    fit(model, dataset, TrainConfig(epochs=4, batch_size=100, device="cpu"))
    return convert(model, dataset.calibration())


@pytest.mark.parametrize("schedule", ["graded", "unary", "streaming"])
@pytest.mark.parametrize("name", MODELS)
def test_hash_of_trained_networks(name, schedule):
    network = trained(name)
    assert any(isinstance(layer.synapse, Conv2d) for layer in network.layers) == (name == "conv")
    images = data.load("digits").validation.images[:SAMPLES]
    options = {"seed": 11, "schedule": schedule, "steps": 6, "keep": (network.readout.name,)}
    expected = simulate(network, images, backend_name="reference", **options)
    spikes = expected.tally(network.latent.name).spikes.sum(0)
    assert np.count_nonzero(spikes) > len(spikes) / 4  # the latents are alive
    for batch in (1, 7, 256):
        for threads in (1, 2):
            record = simulate(network, images, backend_name="numba", batch=batch, threads=threads, **options)
            assert record.counts_sha256 == expected.counts_sha256
            for ours, theirs in zip(record.tallies, expected.tallies, strict=True):
                assert (ours.spikes == theirs.spikes).all()
                assert (ours.events == theirs.events).all()
                assert (ours.active == theirs.active).all()
            ours, theirs = (one.traces[network.readout.name].charge for one in (record, expected))
            assert (ours == theirs).all()
            np.testing.assert_allclose(record.latent.kl, expected.latent.kl, rtol=1e-9)
