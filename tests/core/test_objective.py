"""The exact expectation of a linear decoder against brute-force sampling, value and gradient."""

import pytest
import torch

from spiking_pvae.config import ModelConfig
from spiking_pvae.model import PoissonVAE
from spiking_pvae.objective import elbo, squared_error
from spiking_pvae.sampling.draws import Draws


def exact_elbo(model, images):
    return elbo(model, images, "exact", draws=Draws(seed=0))


@pytest.fixture
def model():
    torch.manual_seed(0)
    built = PoissonVAE(ModelConfig(latents=5, bias=True), (1, 3, 3), seed=3).double()
    with torch.no_grad():
        built.prior_log_rate.uniform_(-1.0, 0.5, generator=torch.Generator().manual_seed(1))
        for parameter in [*built.encoder.parameters(), *built.decoder.parameters()]:
            parameter.mul_(6)
    return built


def test_exact_reconstruction_against_sampling(model):
    images = torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    exact = exact_elbo(model, images).reconstruction
    draws = 40_000
    repeated = images.repeat(draws, 1, 1, 1)
    counts = model.posterior(repeated).sample(Draws(seed=5))
    errors = squared_error(repeated, model.decode(counts)).view(draws, 4).detach()
    mean = errors.mean(0)
    standard_error = errors.std(0) / draws**0.5
    assert ((mean - exact).abs() < 4.5 * standard_error).all()


def test_gradient_against_the_exact_sum_over_counts(model):
    """d/d(encoder weight) of the expectation, with the expectation summed over all counts of two latents."""
    small = PoissonVAE(ModelConfig(latents=2), (1, 2, 2), seed=1).double()
    with torch.no_grad():
        small.prior_log_rate.fill_(-0.5)
        small.encoder[1].weight.mul_(5)
    images = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    rate = small.posterior(images).rate
    expected = torch.zeros(3, dtype=torch.float64)
    for first in range(30):
        for second in range(30):
            n = torch.tensor([first, second], dtype=torch.float64)
            probability = (n * rate.log() - rate - torch.lgamma(n + 1)).sum(1).exp()
            expected = expected + probability * squared_error(images, small.decode(n.expand(3, 2)))
    exact = exact_elbo(small, images).reconstruction
    torch.testing.assert_close(exact, expected, rtol=1e-9, atol=1e-9)
    parameters = list(small.parameters())
    for ours, brute in zip(
        torch.autograd.grad(exact.sum(), parameters, retain_graph=True),
        torch.autograd.grad(expected.sum(), parameters),
        strict=True,
    ):
        torch.testing.assert_close(ours, brute, rtol=1e-8, atol=1e-9)


def test_objective_weighs_the_kl(model):
    images = torch.randn(4, 1, 3, 3, dtype=torch.float64)
    terms = exact_elbo(model, images)
    kl = model.posterior(images).kl().sum(1)
    assert terms.objective(2.5).item() == pytest.approx((terms.reconstruction + 2.5 * kl).mean().item())
