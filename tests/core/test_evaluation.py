"""Metrics against plain loops and closed forms."""

import math

import numpy as np
import pytest
import sets
import torch

from spiking_pvae.config import ModelConfig
from spiking_pvae.evaluation import evaluate, sparseness
from spiking_pvae.model import PoissonVAE, evaluating
from spiking_pvae.training.judging import held_out
from spiking_pvae.types import ImageSet


@pytest.fixture(scope="module")
def model():
    built = PoissonVAE(ModelConfig(latents=20, beta=0.5, clamp=5.0, bias=True), (1, 6, 6), seed=1)
    with torch.no_grad():
        built.prior_log_rate.uniform_(-3, 0, generator=torch.Generator().manual_seed(0))
        built.encoder[1].bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(1))
        built.decoder[0].bias.uniform_(-1, 1, generator=torch.Generator().manual_seed(2))
    return built


def test_against_plain_numpy(model):
    images = sets.edges().validation
    result = evaluate(model, images, seed=3)
    x = images.images.reshape(len(images), -1).astype(np.float64)
    encoder, bias, base = (
        tensor.detach().double().numpy()
        for tensor in (model.encoder[1].weight, model.encoder[1].bias, model.decoder[0].bias)
    )
    phi = model.dictionary().detach().double().numpy()
    u0 = model.prior_log_rate.detach().double().numpy()
    du = 5.0 - np.log1p(np.exp(5.0 - x @ encoder.T - bias))
    rate = np.exp(u0 + du)
    kl = rate * du - rate + np.exp(u0)
    error = ((x - rate @ phi.T - base) ** 2).sum(1)
    mse = (error + rate @ (phi**2).sum(0)).mean()
    variance = ((x - x.mean(1, keepdims=True)) ** 2).sum(1)
    assert result.mse == pytest.approx(mse, rel=1e-5)
    assert result.kl == pytest.approx(kl.sum(1).mean(), rel=1e-4)
    assert result.nelbo == pytest.approx(mse + kl.sum(1).mean(), rel=1e-5)
    assert result.objective == pytest.approx(mse + 0.5 * kl.sum(1).mean(), rel=1e-5)
    assert result.metabolic_cost == pytest.approx(rate.mean(), rel=1e-5)
    assert result.spikes_per_inference == pytest.approx(rate.sum(1).mean(), rel=1e-5)
    assert result.mse_posterior_mean == pytest.approx(error.mean(), rel=1e-5)
    assert result.r2 == pytest.approx((1 - error / variance).mean(), rel=1e-4)
    assert result.active_latents == (kl.mean(0) > 0.01).sum()
    # One exact draw: its share of zeros has variance mean(p (1 - p)) / n with p = exp(-r).
    silent = np.exp(-rate)
    assert abs(result.proportion_zeros - silent.mean()) < 4.5 * math.sqrt((silent * (1 - silent)).sum()) / rate.size


def test_sparseness_limits():
    def of(responses):
        z = torch.tensor(responses, dtype=torch.float64)
        return sparseness(z.sum(1), z.square().sum(1), z.shape[1])

    assert of([[1.0, 1.0, 1.0, 1.0]]) == pytest.approx(0.0)
    assert of([[0.0, 3.0, 0.0, 0.0]]) == pytest.approx(1.0)
    assert of([[1.0, 1.0, 0.0, 0.0]]) == pytest.approx((1 - 4 / (4 * 2)) / (1 - 1 / 4))
    assert math.isnan(of([[0.0, 0.0]]))


def test_images_without_variance_are_left_out_of_r2(model):
    images = sets.edges().validation.images[:10].copy()
    images[0] = 2.0
    whole = evaluate(model, ImageSet(images=images))
    rest = evaluate(model, ImageSet(images=images[1:]))
    assert whole.r2 == pytest.approx(rest.r2)


def with_batch_norm():
    built = PoissonVAE(ModelConfig(latents=5, encoder="conv", decoder="conv", channels=2, depth=1), (1, 6, 6))
    with torch.no_grad():
        for name, buffer in built.named_buffers():
            if "running_mean" in name:
                buffer.fill_(0.3)
    return built


def test_a_model_in_training_is_evaluated_as_one_in_use_and_stays_as_it_is():
    images = sets.edges().validation
    expected = evaluate(with_batch_norm().eval(), images)
    built = with_batch_norm().train()
    before = {name: buffer.clone() for name, buffer in built.named_buffers()}
    assert any("running_var" in name for name in before)
    assert evaluate(built, images) == expected
    assert all(torch.equal(buffer, before[name]) for name, buffer in built.named_buffers())
    assert all(module.training for module in built.modules())


def test_every_part_returns_to_its_mode_also_after_an_error():
    built = with_batch_norm().train()
    built.decoder.eval()
    modes = [module.training for module in built.modules()]
    with pytest.raises(RuntimeError):
        held_out(built, torch.zeros(3, 2, 6, 6))  # two channels
    assert [module.training for module in built.modules()] == modes
    with evaluating(built):
        assert not any(module.training for module in built.modules())
    assert [module.training for module in built.modules()] == modes
