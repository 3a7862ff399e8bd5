"""Gradient estimators against the exact gradient of a linear decoder; every combination of parts trains."""

import itertools
from typing import get_args

import pytest
import torch

from spiking_pvae.config import DecoderKind, EncoderKind, Estimator, Indicator, ModelConfig
from spiking_pvae.distributions.build import LATENTS
from spiking_pvae.errors import InputError
from spiking_pvae.model import PoissonVAE, build_model
from spiking_pvae.objective import elbo
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.sampling.indicators import moments

KINDS = list(LATENTS)
SHAPE = (1, 2, 2)
REPEATS = 4000
DEVIATIONS = 5.0


def small(kind):
    """Three latents that are active enough to matter."""
    model = build_model(ModelConfig(model=kind, latents=3, prior="learned"), SHAPE, seed=2).double()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name))) * 0.3)
    return model


def images(count, seed=0):
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def gradients(model, estimator, blocks=20, **settings):
    """Mean gradient over many draws for one image, and its standard error from `blocks` independent blocks."""
    parameters = list(model.parameters())
    means = []
    for block in range(blocks):
        repeated = images(1).expand(REPEATS, -1, -1, -1)
        loss = elbo(model, repeated, estimator, draws=Draws(seed=block), **settings).objective(0.7)
        flat = [gradient.flatten() for gradient in torch.autograd.grad(loss, parameters)]
        means.append(torch.cat(flat))
    stacked = torch.stack(means)
    return stacked.mean(0), stacked.std(0) / blocks**0.5


def exact_gradient(model):
    loss = elbo(model, images(1), "exact", draws=Draws(seed=0)).objective(0.7)
    return torch.cat([gradient.flatten() for gradient in torch.autograd.grad(loss, list(model.parameters()))])


@pytest.mark.parametrize(
    ("kind", "estimator"),
    [(kind, "score") for kind in KINDS] + [(kind, "pathwise") for kind in ("gaussian", "grelu", "laplace")],
)
def test_unbiased_estimators(kind, estimator):
    model = small(kind)
    mean, error = gradients(model, estimator)
    # 20 blocks give a t-like tail: 7 estimated standard errors, and rounding where the error vanishes.
    assert ((mean - exact_gradient(model)).abs() < 7 * error + 1e-9).all()


@pytest.mark.parametrize("indicator", get_args(Indicator))
def test_eat_has_the_gradient_of_its_own_moments(indicator):
    """With a linear decoder E |x - Phi z|^2 = |x - m Phi r|^2 + v sum_i r_i |phi_i|^2, from the relaxed moments."""
    tau = 0.6
    model = small("poisson")
    m, v = moments(indicator, tau)
    posterior = model.posterior(images(1))
    spread = v * posterior.rate @ model.dictionary().square().sum(0)
    error = (images(1) - model.decode(m * posterior.rate)).square().sum()
    loss = error + spread.sum() + 0.7 * posterior.kl().sum()
    expected = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])
    mean, standard_error = gradients(model, "eat", temperature=tau, indicator=indicator)
    assert ((mean - expected).abs() < 7 * standard_error + 1e-3 * expected.abs()).all()


def test_gumbel_counts_approach_the_exact_loss():
    model = small("poisson")
    repeated = images(1).expand(20_000, -1, -1, -1)
    exact = elbo(model, images(1), "exact", draws=Draws(seed=0)).reconstruction.item()
    relaxed = elbo(model, repeated, "gumbel", draws=Draws(seed=0), temperature=0.02).reconstruction
    assert abs(relaxed.mean() - exact) < 5 * relaxed.std() / 20_000**0.5 + 0.02 * exact


def test_straight_through_is_exact_forward_and_follows_the_mean_backward():
    model = small("poisson")
    terms = elbo(model, images(3), "straight-through", draws=Draws(seed=4))
    posterior = model.posterior(images(3))
    counts = posterior.sample(Draws(seed=4))
    error = (images(3) - model.decode(counts)).square().flatten(1).sum(1)
    torch.testing.assert_close(terms.reconstruction, error)
    rate = posterior.rate
    (ours,) = torch.autograd.grad(terms.reconstruction.sum(), model.encoder[1].weight)
    residual = -2 * (images(3) - model.decode(counts)).flatten(1).detach() @ model.dictionary().detach()
    (expected,) = torch.autograd.grad((residual * rate).sum(), model.encoder[1].weight)
    torch.testing.assert_close(ours, expected)


def test_leave_one_out_lowers_the_variance_below_a_plain_score():
    model = small("poisson")
    _, error = gradients(model, "score", blocks=10)
    parameters = [model.encoder[1].weight]
    plain = []
    for block in range(10):
        posterior = model.posterior(images(1).expand(4 * REPEATS, -1, -1, -1))
        z = posterior.sample(Draws(seed=block))
        value = (images(1) - model.decode(z)).square().flatten(1).sum(1).detach()
        plain.append(torch.autograd.grad((value * posterior.log_prob(z).sum(1)).mean(), parameters)[0].flatten())
    names = [name for name, _ in model.named_parameters()]
    sizes = [parameter.numel() for parameter in model.parameters()]
    place = sum(sizes[: names.index("encoder.1.weight")])
    ours = error[place : place + parameters[0].numel()]
    assert ours.mean() < 0.8 * (torch.stack(plain).std(0) / 10**0.5).mean()


@pytest.mark.parametrize(
    ("kind", "encoder", "decoder"), list(itertools.product(KINDS, get_args(EncoderKind), get_args(DecoderKind)))
)
def test_every_combination_trains(kind, encoder, decoder):
    """Twenty steps on one batch lower its objective, and every parameter has a finite gradient."""
    config = ModelConfig(model=kind, encoder=encoder, decoder=decoder, latents=10, width=12, channels=3, bias=True)
    model = build_model(config, (2, 5, 6), seed=1)
    batch = 2 * torch.randn(16, 2, 5, 6, generator=torch.Generator().manual_seed(3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    values = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = elbo(model, batch, draws=Draws(seed=9), temperature=0.5).objective(0.1)  # the same draws
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.97 * values[0]


@pytest.mark.parametrize(
    ("kind", "decoder", "estimator", "message"),
    [
        ("poisson", "mlp", "exact", "linear decoder"),
        ("gaussian", "mlp", "eat", "Poisson latents"),
        ("poisson", "mlp", "pathwise", "continuous latents"),
        ("laplace", "linear", "gumbel", "categorical"),
    ],
)
def test_estimators_that_do_not_fit_are_refused(kind, decoder, estimator, message):
    model = build_model(ModelConfig(model=kind, decoder=decoder, latents=3, width=4), SHAPE)
    with pytest.raises(InputError, match=message):
        elbo(model, images(2).float(), estimator, draws=Draws(seed=0))


def test_estimators_are_all_tried_here():
    assert set(get_args(Estimator)) == {"auto", "exact", "eat", "gumbel", "straight-through", "score", "pathwise"}


def test_a_poisson_vae_holds_counts():
    with pytest.raises(InputError, match="build_model"):
        PoissonVAE(ModelConfig(model="gaussian"))
    with pytest.raises(InputError, match="linear decoder"):
        build_model(ModelConfig(decoder="mlp")).dictionary()
