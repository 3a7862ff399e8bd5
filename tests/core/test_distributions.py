"""Every posterior: KL, moments, zeros, draws against torch.distributions, quadrature and sampling."""

import math

import pytest
import torch
from scipy import integrate, stats
from torch.distributions import Categorical, Laplace, Normal, kl_divergence

from spiking_pvae.config import ModelConfig
from spiking_pvae.distributions.build import LATENTS, build_latents, encoder_outputs
from spiking_pvae.distributions.gaussian import GaussianPosterior
from spiking_pvae.distributions.grelu import ReluPosterior
from spiking_pvae.distributions.interface import Terms
from spiking_pvae.distributions.laplace import LaplacePosterior
from spiking_pvae.distributions.location_scale import LocationScale
from spiking_pvae.distributions.poisson import PoissonPosterior
from spiking_pvae.distributions.terms import PoissonTerms, ReluTerms
from spiking_pvae.sampling.draws import Draws

KINDS = list(LATENTS)
DRAWS = 100_000
DEVIATIONS = 5.0


def posterior(kind, rows=1, seed=0, latents=4):
    """A posterior in float64 with a learned, uneven prior; all rows alike."""
    generator = torch.Generator().manual_seed(seed)
    config = ModelConfig(model=kind, latents=latents, prior="learned")
    built = build_latents(config, generator).double()
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.randn(latents, generator=generator) * 0.5)
    features = torch.randn(encoder_outputs(config), generator=generator, dtype=torch.float64)
    return built(features.expand(rows, -1)), built.prior(rows)


def parameters(shift, log_ratio, location, log_scale):
    return LocationScale(*(torch.tensor([[value]], dtype=torch.float64) for value in (shift, log_ratio)), *(
        torch.tensor([value], dtype=torch.float64) for value in (location, log_scale)
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "theirs"), [(GaussianPosterior, Normal), (ReluPosterior, Normal), (LaplacePosterior, Laplace)]
)
@pytest.mark.parametrize(
    "values", [(0.7, -1.2, 0.0, 0.0), (-2.0, 0.4, 0.5, -0.7), (1e-4, 1e-4, 0.0, 0.0), (0.0, 0.0, 1.0, 2.0)]
)
def test_location_scale_kl_against_torch(kind, theirs, values):
    shift, log_ratio, location, log_scale = values
    q = theirs(
        torch.tensor(location + shift, dtype=torch.float64),
        torch.tensor(log_scale + log_ratio, dtype=torch.float64).exp(),
    )
    p = theirs(torch.tensor(location, dtype=torch.float64), torch.tensor(log_scale, dtype=torch.float64).exp())
    ours = kind(parameters(*values)).kl()
    assert ours.item() == pytest.approx(kl_divergence(q, p).item(), rel=1e-6, abs=1e-15)
    assert ours.item() >= 0


@pytest.mark.parametrize("u", [1e-5, -3e-4, 2e-3, -0.03])
@pytest.mark.parametrize("kind", ["poisson", "gaussian", "laplace"])
def test_kl_near_the_prior_in_single_precision(kind, u):
    """The absolute error is a few times eps |u|, not eps: a handful of roundings of numbers of the size of u."""
    given = torch.tensor([[u]])

    def kl(u):
        zero = torch.zeros_like(u)
        if kind == "poisson":
            return PoissonPosterior(u, zero[0]).kl()
        between = LocationScale(zero, u, zero[0], zero[0])
        return {"gaussian": GaussianPosterior, "laplace": LaplacePosterior}[kind](between).kl()

    error = float((kl(given).double() - kl(given.double())).abs())
    assert error <= 4 * torch.finfo(torch.float32).eps * abs(u)


def test_categorical_kl_against_torch():
    q, p = posterior("categorical", latents=9)
    theirs = kl_divergence(Categorical(logits=q.log_probability), Categorical(logits=p.log_probability))
    torch.testing.assert_close(q.kl().sum(1), theirs)
    assert (q.kl() >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_kl_by_sampling(kind):
    """KL = E [log q - log p]; for relu of the variable before it is rectified, which is the Gaussian's."""
    q, p = posterior(kind, DRAWS)
    judge_q, judge_p = (GaussianPosterior(d.parameters) if kind == "grelu" else d for d in (q, p))
    z = judge_q.sample(Draws(seed=2))
    ratios = (judge_q.log_prob(z) - judge_p.log_prob(z)).sum(1)
    error = ratios.std() / math.sqrt(DRAWS)
    assert abs(ratios.mean() - q.kl()[0].sum()) < DEVIATIONS * error


@pytest.mark.parametrize("kind", KINDS)
def test_moments_activity_and_zeros_by_sampling(kind):
    q, _ = posterior(kind, DRAWS, seed=1)
    z = q.sample(Draws(seed=3))
    assert torch.equal(z, q.sample(Draws(seed=3)))
    assert not z.requires_grad
    root = math.sqrt(DRAWS)
    for values, expected in (
        (z, q.mean[0]),
        (z.abs(), q.activity[0]),
        ((z == 0).double(), q.zeros[0]),
        ((z - q.mean).square(), q.variance[0]),
    ):
        assert ((values.mean(0) - expected).abs() <= DEVIATIONS * values.std(0) / root + 1e-12).all()
    dictionary = torch.randn(7, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    spread = (z @ dictionary.T - q.mean @ dictionary.T).square().sum(1)
    assert abs(spread.mean() - q.readout_variance(dictionary)[0]) < DEVIATIONS * spread.std() / root


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_sum_to_one(kind):
    """Sum over counts or classes; trapezoids over the density, with the weight of 0 where it has one."""
    if kind == "categorical":
        total = posterior(kind)[0].log_prob(torch.eye(4, dtype=torch.float64)).sum(1).exp().sum()
    elif kind == "poisson":
        counts = torch.arange(60, dtype=torch.float64)[:, None].expand(-1, 4)
        total = posterior(kind, 60)[0].log_prob(counts).exp().sum(0)
    else:
        rows = 200_001
        z = torch.linspace(-40, 40, rows, dtype=torch.float64)[:, None].expand(-1, 4)
        q, _ = posterior(kind, rows)
        density = torch.where((z > 0) | (torch.tensor(kind != "grelu")), q.log_prob(z).exp(), 0.0)
        total = torch.trapezoid(density, z, dim=0)
        if kind == "grelu":
            total = total + q.log_prob(torch.zeros_like(z))[0].exp()
    torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("mu", "sigma"), [(0.0, 1.0), (1.5, 0.5), (-2.0, 1.0), (-0.3, 3.0), (4.0, 0.2)])
def test_relu_moments_against_quadrature(mu, sigma):
    q = ReluPosterior(parameters(mu, math.log(sigma), 0.0, 0.0))
    first, second = (
        integrate.quad(lambda y, k=k: y**k * stats.norm.pdf(y, mu, sigma), 0, mu + 12 * sigma + 12)[0] for k in (1, 2)
    )
    assert q.mean.item() == pytest.approx(first, rel=1e-7)
    assert q.variance.item() == pytest.approx(second - first**2, rel=1e-6)
    assert q.zeros.item() == pytest.approx(stats.norm.cdf(-mu / sigma), rel=1e-9)


def test_relu_at_the_prior():
    """Mean 0.3989, variance 0.3408 and exactly half zeros: the plateau of the paper's figure."""
    prior = build_latents(ModelConfig(model="grelu", latents=3), torch.Generator()).prior(2)
    assert prior.mean.flatten().tolist() == pytest.approx([1 / math.sqrt(2 * math.pi)] * 6)
    assert prior.variance.flatten().tolist() == pytest.approx([0.5 - 1 / (2 * math.pi)] * 6)
    assert prior.zeros.flatten().tolist() == [0.5] * 6
    assert prior.kl().abs().max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_priors_cost_nothing_and_are_trained_when_asked(kind):
    _, prior = posterior(kind)
    assert prior.kl().abs().max() < 1e-12
    for choice, learned in (("usual", kind == "poisson"), ("fixed", False), ("learned", True)):
        config = ModelConfig(model=kind, latents=3, prior=choice)
        built = build_latents(config, torch.Generator().manual_seed(0))
        assert bool(list(built.parameters())) == learned
        assert len(built.state_dict()) == (2 if kind in ("grelu", "gaussian", "laplace") else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_terms_and_their_gradient_are_those_taken_one_by_one(kind):
    generator = torch.Generator().manual_seed(2)
    config = ModelConfig(model=kind, latents=4, prior="learned")
    latents = build_latents(config, generator).double()
    features = torch.randn(7, encoder_outputs(config), generator=generator, dtype=torch.float64)
    dictionary = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    inputs = [features, dictionary, *latents.parameters()]
    for tensor in inputs:
        tensor.requires_grad_(True)
    weights = [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((7, 4), (7,), (7,))]

    def gradients(of):
        terms = of(latents(features))
        values = (terms.mean, terms.readout_variance, terms.kl)
        total = sum((weight * value).sum() for weight, value in zip(weights, values, strict=True))
        return values, torch.autograd.grad(total, inputs)

    one_by_one = gradients(lambda q: Terms(q.mean, q.readout_variance(dictionary), q.kl().sum(1)))
    together = gradients(lambda q: q.terms(dictionary))
    for ours, theirs in zip(together, one_by_one, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", ["grelu", "gaussian", "laplace"])
def test_the_divergence_of_16_bit_features_is_taken_in_32(kind):
    generator = torch.Generator().manual_seed(4)
    config = ModelConfig(model=kind, latents=4)
    latents = build_latents(config, generator)
    features = torch.randn(7, encoder_outputs(config), generator=generator).to(torch.bfloat16)
    found = latents(features).terms(torch.eye(4)).kl
    exact = latents.double()(features.double()).kl().sum(1)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("function", "batches"), [(PoissonTerms, 1), (ReluTerms, 2)])
def test_gradient_against_finite_differences(function, batches):
    generator = torch.Generator().manual_seed(3)
    shapes = [(5, 3)] * batches + [(3,)] * batches
    inputs = [torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(function.apply, inputs)


def test_the_terms_of_a_nearly_silent_batch_are_finite_in_single_precision():
    log_residual = torch.tensor([[-200.0, -90.0, 0.0, 4.9]], requires_grad=True)
    prior = torch.full((4,), -12.0, requires_grad=True)
    rate, kl = PoissonTerms.apply(log_residual, prior)
    (rate.sum() + kl.sum()).backward()
    assert torch.isfinite(log_residual.grad).all()
    assert torch.isfinite(prior.grad).all()
    expected = math.exp(-12) * (2 + 1 + math.exp(4.9) * 3.9)
    assert kl.item() == pytest.approx(expected, rel=1e-5)
    assert rate[0, 0] == 0
