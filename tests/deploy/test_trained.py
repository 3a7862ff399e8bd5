"""Trained networks: the same counts from the reference and the compiled backend, whatever batch, threads, schedule."""

from functools import cache

import numpy as np
import oracle
import pytest

from spiking_pvae import data
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.deploy import QuantizeConfig, convert, simulate
from spiking_pvae.deploy.ir import Conv2d, Network
from spiking_pvae.deploy.simulate import runner
from spiking_pvae.model import PoissonVAE
from spiking_pvae.training import fit

SAMPLES = 300
MODELS = {
    "linear": ModelConfig(latents=70, beta=1.0),
    "mlp": ModelConfig(encoder="mlp", decoder="mlp", width=24, latents=24, beta=0.5),
    "conv": ModelConfig(encoder="conv", decoder="conv", channels=4, latents=24, beta=0.5),
}


@cache
def trained(name: str, bits: int = 8) -> Network:
    """Train on real digits of 8 x 8 pixels for a moment, and convert."""
    dataset = data.load("digits")
    model = PoissonVAE(MODELS[name], dataset.shape)
    fit(model, dataset, TrainConfig(epochs=4, batch_size=100, device="cpu"))
    return convert(model, dataset.calibration(), QuantizeConfig(weight_bits=bits))


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("name", MODELS)
def test_counts_of_trained_networks_are_those_of_rational_arithmetic(name, bits):
    """Every layer's counts and charges, in Python's integers and fractions, on real images."""
    network = trained(name, bits)
    messages = network.input.encode(data.load("digits").validation.images[:4])
    outputs = runner(network, "reference")(messages, seed=3, first_sample=7, schedule="graded", steps=1)
    for output, (counts, charges) in zip(outputs, oracle.run(network, messages, seed=3, first_sample=7), strict=True):
        assert output.counts.tolist() == counts
        assert output.charge.tolist() == charges
    hidden = [o for o, layer in zip(outputs, network.layers, strict=True) if hasattr(layer.neuron, "theta")]
    assert len(hidden) == (0 if name == "linear" else 4)
    assert all(output.counts.any() for output in hidden)


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
