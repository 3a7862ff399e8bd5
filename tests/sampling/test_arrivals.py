"""The arrival-time sampler against closed forms, arrivals drawn one by one, Poisson probabilities, its plain form."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from spiking_pvae.errors import InputError
from spiking_pvae.philox import philox4x32, split_seed
from spiking_pvae.sampling.arrivals import relaxed_counts
from spiking_pvae.sampling.arrivals_numba import sample_numba
from spiking_pvae.sampling.arrivals_torch import sample_torch
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.sampling.indicators import LARGEST_RATE, indicate, moments, soft_window
from spiking_pvae.sampling.words import unit_words

INDICATORS = ["sigmoid", "linear", "cubic", "quintic", "cosine"]
RATES = torch.tensor([0.01, 0.1, 1.0, 7.0, 50.0], dtype=torch.float64)
ROWS = 40_000
DEVIATIONS = 5.0
"""With some 400 comparisons, a correct sampler passes 5 standard errors for 9998 seeds in 10,000; the seed is fixed."""


def integral(indicator, tau, power):
    """Integral over t >= 0 of h((1 - t) / tau)^power, by quadrature."""

    def value(t):
        return float(indicate(indicator, torch.tensor((1 - t) / tau, dtype=torch.float64))[0]) ** power

    kinks = [t for t in (1 - tau, 1.0, 1 + tau) if t > 0]
    return integrate.quad(value, 0, sum(soft_window(indicator, tau)), points=kinks, limit=200)[0]


@pytest.mark.parametrize("tau", [0.05, 0.4, 1.0])
@pytest.mark.parametrize("indicator", INDICATORS)
def test_closed_moments_against_quadrature(indicator, tau):
    mean, variance = moments(indicator, tau)
    assert mean == pytest.approx(integral(indicator, tau, 1), rel=3e-5)
    assert variance == pytest.approx(integral(indicator, tau, 2), rel=3e-5)


@pytest.mark.parametrize("tau", [0.05, 0.4, 1.0])
@pytest.mark.parametrize("indicator", INDICATORS)
def test_moments_and_gradients(indicator, tau):
    """Campbell: cumulant k of z is r times the integral of h^k; so E z = r m, Var z = r v, and their slopes in r."""
    rate = RATES.expand(ROWS, -1)
    z, slope = sample_numba(rate, temperature=tau, indicator=indicator, seed=11, first_sample=0, stream=0)
    m, v = moments(indicator, tau)
    root = math.sqrt(ROWS)
    assert ((z.mean(0) - RATES * m).abs() < DEVIATIONS * (RATES * v).sqrt() / root).all()
    fourth = RATES * integral(indicator, tau, 4)
    spread = ((fourth + 2 * (RATES * v) ** 2) / ROWS).sqrt()
    assert ((z.var(0) - RATES * v).abs() < DEVIATIONS * spread).all()
    assert ((slope.mean(0) - m).abs() < DEVIATIONS * slope.std(0) / root).all()
    second = 2 * z * slope  # d z^2 / dr; E z^2 = r v + r^2 m^2
    expected = v + 2 * RATES * m**2
    assert ((second.mean(0) - expected).abs() < DEVIATIONS * second.std(0) / root).all()


@pytest.mark.parametrize("rate", [0.01, 0.3, 3.0, 8.001, 50.0, 200.0, 3000.0])
def test_exact_counts_are_poisson(rate):
    counts, slope = sample_numba(
        torch.full((2000, 100), rate), temperature=0.0, indicator="cubic", seed=3, first_sample=0, stream=0
    )
    assert not slope.any()
    low, high = int(stats.poisson.ppf(1e-4, rate)), int(stats.poisson.isf(1e-4, rate))
    observed = np.bincount(np.clip(counts.flatten().numpy().astype(int), low, high) - low, minlength=high - low + 1)
    expected = stats.poisson.pmf(np.arange(low, high + 1), rate)
    expected[0], expected[-1] = stats.poisson.cdf(low, rate), stats.poisson.sf(high - 1, rate)
    assert stats.chisquare(observed, counts.numel() * expected).pvalue > 1e-3
    for shifted in (counts.roll(1, 1), counts.roll(4, 1), counts.roll(1, 0)):
        correlation = np.corrcoef(counts.flatten(), shifted.flatten())[0, 1]
        assert abs(correlation) < DEVIATIONS / math.sqrt(counts.numel())


def arrival_after_arrival(rate, indicator, tau, rows, generator):
    """Counts and slopes as they are defined, from gaps between arrivals; the slope by automatic differentiation."""
    gaps = torch.empty(rows, 60, dtype=torch.float64).exponential_(generator=generator)
    r = torch.full((rows, 1), rate, dtype=torch.float64, requires_grad=True)
    z = indicate(indicator, (1 - gaps.cumsum(1) / r) / tau)[0].sum(1)
    (slope,) = torch.autograd.grad(z.sum(), r)
    return z.detach(), slope.flatten()


@pytest.mark.parametrize("tau", [0.05, 0.5])
@pytest.mark.parametrize("indicator", INDICATORS)
def test_the_law_of_counts_and_slopes_is_that_of_arrival_after_arrival(indicator, tau):
    """A count and its slope are functions of the arrivals alone, so any exact way to draw these gives one joint law."""
    generator = torch.Generator().manual_seed(5)
    for rate in (0.7, 9.0):
        plain_z, plain_slope = arrival_after_arrival(rate, indicator, tau, 4000, generator)
        z, slope = sample_numba(
            torch.full((1, 4000), rate, dtype=torch.float64),
            temperature=tau, indicator=indicator, seed=6, first_sample=0, stream=0,
        )  # fmt: skip
        # Counts within 1e-4 of an integer are made equal to it: the sigmoid's lower cutoff moves them by up to 6.2e-6.
        pairs = [(plain_z, z[0]), (plain_slope, slope[0]), (plain_z * plain_slope, (z * slope)[0])]
        for plain, fused in pairs:
            near = [torch.where((v - v.round()).abs() < 1e-4, v.round(), v).numpy() for v in (plain, fused)]
            assert stats.ks_2samp(*near).pvalue > 1e-4


@pytest.mark.parametrize("tau", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("indicator", INDICATORS)
def test_fused_equals_plain(indicator, tau):
    generator = torch.Generator().manual_seed(0)
    rate = torch.exp(2 * torch.randn(9, 1237, generator=generator, dtype=torch.float64) - 1)
    rate[0, :5] = torch.tensor([0.0, 800.0, 1e5, math.inf, math.nan])
    settings = {"temperature": tau, "indicator": indicator, "seed": 2**62 + 17, "first_sample": 5, "stream": 3}
    for fused, plain in zip(sample_numba(rate, **settings), sample_torch(rate, **settings), strict=True):
        torch.testing.assert_close(fused, plain, rtol=1e-9, atol=1e-10, equal_nan=True)
    assert sample_numba(rate, **settings)[0][0, :5].isnan().tolist() == [False, False, True, True, True]


def test_draws_depend_on_their_place_alone():
    rate = torch.full((11, 70), 0.8)
    settings = {"temperature": 0.3, "indicator": "cubic", "seed": 4}
    whole = sample_numba(rate, **settings, first_sample=0, stream=0)[0]
    parts = [sample_numba(rate[low:high], **settings, first_sample=low, stream=0)[0] for low, high in ((0, 4), (4, 11))]
    assert torch.equal(whole, torch.cat(parts))
    narrower = sample_numba(rate[:, :33], **settings, first_sample=0, stream=0)[0]
    assert torch.equal(whole[:, :33], narrower)
    assert not torch.equal(whole, sample_numba(rate, **settings, first_sample=0, stream=1)[0])
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            assert torch.equal(whole, sample_numba(rate, **settings, first_sample=0, stream=0)[0])
    finally:
        torch.set_num_threads(threads)


def test_words_against_the_reference_generator():
    seed, samples, units = 2**40 + 9, 3, 10
    words = unit_words(samples, units, draw=1, seed=seed, first_sample=7, stream=2, device=torch.device("cpu"))
    for row in range(samples):
        for unit in range(units):
            counter = tuple(np.array([c], np.uint32) for c in (unit // 4, 1, 7 + row, 2))
            assert words[row, unit] == int(philox4x32(counter, split_seed(seed))[unit % 4][0])


def test_the_largest_rate_neither_underflows_nor_overflows():
    rate = torch.full((1, 300), LARGEST_RATE, dtype=torch.float64)
    settings = {"indicator": "cubic", "seed": 3, "first_sample": 0, "stream": 0}
    exact, _ = sample_numba(rate, temperature=0.0, **settings)
    assert abs(exact.mean() - LARGEST_RATE) < DEVIATIONS * math.sqrt(LARGEST_RATE / 300)
    assert abs(exact.var() / LARGEST_RATE - 1) < DEVIATIONS * math.sqrt(2 / 300)
    soft, slope = sample_numba(rate, temperature=0.05, **settings)
    assert abs(soft.mean() - LARGEST_RATE) < DEVIATIONS * math.sqrt(LARGEST_RATE / 300)
    assert abs(slope.mean() - 1) < DEVIATIONS * slope.std() / math.sqrt(300)


def test_uniform_and_normal_draws():
    draws = Draws(seed=1)
    uniform = draws.uniform(500, 400, torch.device("cpu")).flatten()
    assert stats.kstest(uniform.numpy(), "uniform").pvalue > 1e-3
    normal = draws.normal(500, 401, torch.device("cpu"))
    assert normal.shape == (500, 401)
    assert stats.kstest(normal.flatten().numpy(), "norm").pvalue > 1e-3
    assert abs(np.corrcoef(normal[:, :200].flatten(), normal[:, 201:].flatten())[0, 1]) < DEVIATIONS / math.sqrt(1e5)


def test_a_step_on_meta_and_mixed_precision():
    assert relaxed_counts(torch.ones(2, 3, device="meta"), 0.5, "cubic", Draws(seed=0)).device.type == "meta"
    half = torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)
    z = relaxed_counts(half, 0.5, "cubic", Draws(seed=0))
    assert z.dtype == torch.float32
    z.sum().backward()
    assert half.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("tau", [-0.1, 1.5, math.nan])
def test_temperatures_outside_of_the_closed_forms_are_refused(tau):
    with pytest.raises(InputError, match="between 0"):
        relaxed_counts(torch.ones(1, 1), tau, "cubic", Draws(seed=0))


def test_seeds_outside_of_the_counter_are_refused():
    with pytest.raises(InputError, match="seed"):
        Draws(seed=2**63)
    with pytest.raises(InputError, match="first_sample"):
        Draws(seed=0, first_sample=-1)
