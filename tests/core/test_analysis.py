"""Tools that look into a model, against plain NumPy on a linear one and against definitions on others."""

import math

import numpy as np
import pytest
import sets
import torch

from spiking_pvae import analysis, data
from spiking_pvae.config import ModelConfig
from spiking_pvae.distributions.build import LATENTS
from spiking_pvae.errors import InputError
from spiking_pvae.evaluation import evaluate
from spiking_pvae.model import build_model
from spiking_pvae.neighbours import neighbour_accuracy


@pytest.fixture(scope="module")
def images():
    return sets.edges().validation


@pytest.fixture(scope="module")
def model():
    built = build_model(ModelConfig(latents=20, clamp=5.0, bias=True), (1, 6, 6), seed=1)
    with torch.no_grad():
        built.prior_log_rate.uniform_(-3, 0, generator=torch.Generator().manual_seed(0))
        built.encoder[1].weight[:4] = 0  # du = 0 but for the clamp: these tell nothing
        built.encoder[1].bias[4:] = -0.5
        built.decoder[0].bias.fill_(0.3)
    return built


def numpy_posterior(model, images):
    x = images.images.reshape(len(images), -1).astype(np.float64)
    encoder = model.encoder[1]
    drive = x @ encoder.weight.detach().double().numpy().T + encoder.bias.detach().double().numpy()
    du = 5.0 - np.log1p(np.exp(5.0 - drive))
    u0 = model.prior_log_rate.detach().double().numpy()
    return x, np.exp(u0 + du), np.exp(u0) * (1 + np.exp(du) * (du - 1))


def test_against_plain_numpy(model, images):
    x, rate, kl = numpy_posterior(model, images)
    phi = model.dictionary().detach().double().numpy()
    np.testing.assert_allclose(analysis.codes(model, images.images), rate, rtol=1e-4)
    np.testing.assert_allclose(analysis.mean_kl(model, images.images), kl.mean(0), rtol=1e-3, atol=1e-8)
    rebuilt = analysis.reconstruct(model, images.images).reshape(len(images), -1)
    np.testing.assert_allclose(rebuilt, rate @ phi.T + 0.3, rtol=1e-4, atol=1e-5)
    assert analysis.dead_latents(model, images.images).tolist() == np.flatnonzero(kl.mean(0) <= 0.01).tolist()
    assert set(range(4)) <= set(analysis.dead_latents(model, images.images).tolist())
    found = analysis.dictionary(model, images.images)
    assert (np.diff(found.kl) <= 0).all()
    np.testing.assert_allclose(found.atoms.reshape(20, -1), phi.T[found.latents], atol=1e-6)
    silenced = [int(found.latents[0]), int(found.latents[1])]
    kept = np.where(np.isin(np.arange(20), silenced), 0.0, 1.0)
    expected = ((x - (rate * kept) @ phi.T - 0.3) ** 2).sum(1) + (rate * kept) @ (phi**2).sum(0)
    assert analysis.ablate(model, images.images, silenced) == pytest.approx(expected.mean(), rel=1e-5)
    assert analysis.ablate(model, images.images, []) == pytest.approx(evaluate(model, images).mse, rel=1e-6)


def test_a_drawn_reconstruction_averages_to_that_of_the_mean(model, images):
    drawn = np.stack([analysis.reconstruct(model, images.images[:5], seed=seed) for seed in range(400)])
    error = drawn.std(0) / math.sqrt(len(drawn))
    mean = analysis.reconstruct(model, images.images[:5])
    assert (np.abs(drawn.mean(0) - mean) < 5 * error + 1e-6).all()


@pytest.mark.parametrize("kind", list(LATENTS))
@pytest.mark.parametrize("decoder", ["linear", "mlp"])
def test_every_model(kind, decoder, images):
    built = build_model(ModelConfig(model=kind, decoder=decoder, latents=6, width=5), (1, 6, 6), seed=3)
    drawn = analysis.sample_prior(built, 9, seed=4)
    assert drawn.shape == (9, 1, 6, 6)
    assert np.array_equal(drawn, analysis.sample_prior(built, 9, seed=4))
    found = analysis.dictionary(built, images.images)
    assert found.atoms.shape == (6, 1, 6, 6)
    assert math.isfinite(analysis.ablate(built, images.images, [0, 5]))
    whole = evaluate(built, images)
    assert whole.latents == 6
    assert whole.kl >= 0
    assert built.training  # as it was given


def test_prior_samples_have_the_moments_of_the_prior(model):
    drawn = analysis.sample_prior(model, 20_000, seed=1).reshape(20_000, -1)
    rate = model.prior_log_rate.exp().detach().numpy()
    phi = model.dictionary().detach().numpy()
    error = drawn.std(0) / math.sqrt(len(drawn))
    assert (np.abs(drawn.mean(0) - phi @ rate - 0.3) < 5 * error).all()


def test_wrong_latents_are_refused(model, images):
    with pytest.raises(InputError, match="0 to 19"):
        analysis.ablate(model, images.images, [20])


def test_neighbours_see_the_classes():
    dataset = data.load("digits")
    model = build_model(ModelConfig(latents=40), dataset.shape, seed=0)
    few, many = neighbour_accuracy(model, dataset, (50, 1000))
    assert 0.3 < few.accuracy < many.accuracy < 1
    assert few.labels == 50
    assert few.spread > 0
    with pytest.raises(InputError, match="training images"):
        neighbour_accuracy(model, dataset, (10**6,))
    with pytest.raises(InputError, match="without labels"):
        neighbour_accuracy(build_model(ModelConfig(latents=4), (1, 6, 6)), sets.edges(), (10,))
