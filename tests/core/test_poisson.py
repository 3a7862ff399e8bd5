"""The Poisson posterior and its KL against torch.distributions, closed forms and sampling."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Poisson, kl_divergence

from spiking_pvae.distributions.poisson import PoissonPosterior, divergence, soft_clamp
from spiking_pvae.sampling.draws import Draws


@given(st.floats(-8, 2), st.floats(-8, 4))
def test_kl_against_torch(prior_log_rate, log_residual):
    u0 = torch.tensor([prior_log_rate], dtype=torch.float64, requires_grad=True)
    du = torch.tensor([[log_residual]], dtype=torch.float64, requires_grad=True)
    ours = PoissonPosterior(du, u0).kl()
    theirs = kl_divergence(Poisson((u0 + du).exp()), Poisson(u0.exp()))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    for ours_grad, their_grad in zip(
        torch.autograd.grad(ours.sum(), (u0, du), retain_graph=True),
        torch.autograd.grad(theirs.sum(), (u0, du)),
        strict=True,
    ):
        torch.testing.assert_close(ours_grad, their_grad, rtol=1e-9, atol=1e-12)


def test_kl_by_brute_force_sum():
    """Sum p(n) log p(n) / p0(n) over counts, from the definition."""
    rate, prior = 1.7, 0.3
    total = 0.0
    for n in range(80):
        log_p = n * math.log(rate) - rate - math.lgamma(n + 1)
        log_p0 = n * math.log(prior) - prior - math.lgamma(n + 1)
        total += math.exp(log_p) * (log_p - log_p0)
    log_residual = torch.tensor([[math.log(rate / prior)]], dtype=torch.float64)
    posterior = PoissonPosterior(log_residual, torch.tensor([math.log(prior)], dtype=torch.float64))
    assert posterior.kl().item() == pytest.approx(total, rel=1e-10)


def test_divergence_limits():
    def f(u):
        return divergence(torch.tensor(u, dtype=torch.float64)).item()

    assert f(0.0) == 0.0
    assert f(1e-5) == pytest.approx(0.5e-10, rel=1e-3)  # u^2 / 2: no cancellation
    assert f(-40.0) == pytest.approx(1.0)  # silence costs the prior rate
    assert f(12.0) == pytest.approx(1 + math.exp(12) * 11)


def test_downward_push_on_the_baseline():
    """d KL / d u0 at fixed du equals the KL itself."""
    u0 = torch.tensor([-1.0, -3.0], dtype=torch.float64, requires_grad=True)
    kl = PoissonPosterior(torch.tensor([[0.7, -2.0]], dtype=torch.float64), u0).kl()
    (push,) = torch.autograd.grad(kl.sum(), u0)
    torch.testing.assert_close(push, kl[0].detach())


@given(st.floats(-50, 50), st.floats(0.5, 10))
def test_soft_clamp(value, ceiling):
    clamped = soft_clamp(torch.tensor(value, dtype=torch.float64), ceiling).item()
    gap = ceiling - value
    # torch's softplus is linear beyond 20, where it is off by e^-20 = 2e-9
    assert clamped == pytest.approx(ceiling - math.log1p(math.exp(-abs(gap))) - max(gap, 0.0), abs=3e-9)
    assert clamped <= min(ceiling, value) + 1e-13  # ceiling - (ceiling - value) rounds


def test_draws_are_exact_and_seeded():
    rate = torch.tensor([[0.05, 1.0, 20.0]])
    posterior = PoissonPosterior(rate.log().expand(200_000, 3), torch.zeros(3))
    counts = posterior.sample(Draws(seed=0))
    assert torch.equal(counts, posterior.sample(Draws(seed=0)))
    assert torch.equal(counts, counts.round())
    error = (rate[0] / len(counts)).sqrt()
    assert ((counts.mean(0) - rate[0]).abs() < 4.5 * error).all()
    # Var of the sample variance of a Poisson variable is about (r + 2 r^2) / n.
    spread = ((rate[0] + 2 * rate[0] ** 2) / len(counts)).sqrt()
    assert ((counts.var(0) - rate[0]).abs() < 4.5 * spread).all()
