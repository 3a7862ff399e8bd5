"""The stand-in network is priced as the simulated one where activities are counts."""

import numpy as np
import pytest
import torch

from spiking_pvae.config import ModelConfig
from spiking_pvae.deploy import convert, simulate
from spiking_pvae.energy import estimate
from spiking_pvae.model import PoissonVAE
from spiking_pvae.sweep.standin import record_of, stand_in

HARDWARE = ("loihi_davies2018", "loihi_sanafe", "ann_mac_ac")
"""Presets that price messages whatever their payload is; lemaire2022 charges a reset a spike and the payload's bits."""


@pytest.fixture(scope="module")
def model(images):
    model = PoissonVAE(ModelConfig(latents=8), images.shape, seed=3)
    with torch.no_grad():
        model.prior_log_rate.fill_(-1.5)
    return model


def weights(model):
    encoder = next(module for module in model.encoder if isinstance(module, torch.nn.Linear)).weight
    return encoder.detach().double().numpy(), model.dictionary().detach().double().numpy()


@pytest.mark.parametrize("hardware", HARDWARE)
def test_equal_messages_cost_the_same(model, images, hardware):
    network = convert(model, images.calibration())
    tested = images.train.images[:50]
    record = simulate(network, tested, keep=(network.latent.name,))
    # Counts above 1 carry the same message; the account of events does not see the payload.
    counts = record.traces[network.latent.name].counts.astype(float)
    made = stand_in(*weights(model), images.shape, images.calibration())
    found = estimate(made, record_of(made, tested, np.minimum(counts, 1), np.zeros_like(counts)), hardware)
    wanted = estimate(network, record, hardware)
    assert found.event_synops == pytest.approx(wanted.event_synops, rel=1e-12)
    assert found.joules_per_inference.value == pytest.approx(wanted.joules_per_inference.value, rel=1e-12)
    assert found.latents.joules.sum() == pytest.approx(wanted.latents.joules.sum(), rel=1e-12)


def test_a_second_number_a_latent_doubles_the_encoder_alone(model, images):
    encoder, dictionary = weights(model)
    tested = images.train.images[:50]
    drawn = np.random.default_rng(0).integers(0, 2, (50, 8)).astype(float)
    nats = np.ones((50, 8))
    one, two = (
        estimate(made, record_of(made, tested, drawn, nats), "loihi_davies2018")
        for made in (
            stand_in(rows, dictionary, images.shape, images.calibration())
            for rows in (encoder, np.concatenate([encoder, encoder]))
        )
    )
    synops = {layer.name: int(layer.event_synops.sum()) for layer in one.ops.layers}
    doubled = {layer.name: int(layer.event_synops.sum()) for layer in two.ops.layers}
    assert doubled == {**synops, "encoder": 2 * synops["encoder"]}
    assert two.latents.joules.sum() == pytest.approx(one.latents.joules.sum(), rel=1e-12)
    assert two.kl_nats == one.kl_nats == 8
