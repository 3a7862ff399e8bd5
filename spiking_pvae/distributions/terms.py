"""Mean, variance and KL of a batch at once, with their joint gradient in closed form.

The exact objective of a linear decoder needs these three and nothing else. Taken one by one, autograd stores and walks
a dozen arrays of (batch, latents) for them; written together they share their exponentials, and the gradient is a few
products of what the forward pass has at hand.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

ROOT_TWO_PI = math.sqrt(2 * math.pi)


class PoissonTerms(torch.autograd.Function):
    """Rate r = exp(u0 + du) and the summed KL, sum_i (r du - r + r0)_i, with r0 = exp(u0).

    The gradient: dr/ddu = r, dKL/ddu = r du, dr/du0 = r, dKL/du0 = KL.
    """

    @staticmethod
    def forward(ctx: Any, log_residual: Tensor, prior_log_rate: Tensor) -> tuple[Tensor, Tensor]:
        """Return the rates, (batch, latents), and the KL, (batch,)."""
        rate = (prior_log_rate + log_residual).exp_()
        weighted = rate * log_residual
        prior = prior_log_rate.exp()
        ctx.save_for_backward(log_residual, rate, prior)
        return rate, weighted.sub_(rate).add_(prior).sum(1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of log-residuals and prior log-rates."""
        by_rate, by_kl = gradients
        log_residual, rate, prior = ctx.saved_tensors
        weight = by_kl[:, None]
        steered = by_rate * rate
        by_prior = steered.sum(0)
        divergence = (rate * log_residual).mul_(weight)
        by_prior = by_prior + divergence.sum(0) - by_kl @ rate + prior * by_kl.sum()
        return steered.add_(divergence), by_prior


class ReluTerms(torch.autograd.Function):
    """Mean and variance of relu(y), y ~ N(mu, sigma^2), and the summed KL of y.

    With mu = m0 + d, sigma = exp(s0 + v), a = mu / sigma, density phi(a) and distribution function Phi(a):

        m = mu Phi + sigma phi,      Var = sigma^2 [Phi + (m / sigma) (a - m / sigma)]
        KL = 1/2 [d^2 e^(-2 s0) + e^(2 v) - 1 - 2 v]

    The gradient: dm/dmu = Phi, dm/dsigma = phi, dVar/dmu = 2 m (1 - Phi), dVar/dsigma = 2 (sigma Phi - m phi).
    """

    @staticmethod
    def forward(
        ctx: Any, shift: Tensor, log_ratio: Tensor, location: Tensor, log_scale: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean and variance, (batch, latents), and the KL, (batch,)."""
        sigma = (log_ratio + log_scale).exp_()
        a = (shift + location).div_(sigma)
        cdf = torch.special.ndtr(a)
        density = a.square().mul_(-0.5).exp_().div_(ROOT_TWO_PI)
        standard = torch.addcmul(density, a, cdf)  # m / sigma
        variance = a.sub_(standard).mul_(standard).add_(cdf).clamp_min_(0).mul_(sigma).mul_(sigma)
        precision = torch.exp(-2 * log_scale)
        twice = 2 * log_ratio
        kl = torch.expm1(twice).sub_(twice).addcmul_(shift.square(), precision).sum(1).mul_(0.5)
        mean = standard.mul_(sigma)
        ctx.save_for_backward(shift, log_ratio, sigma, cdf, density, mean, precision)
        return mean, variance, kl

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the gradients of shift, log-ratio, prior location and prior log-scale."""
        by_mean, by_variance, by_kl = gradients
        shift, log_ratio, sigma, cdf, density, mean, precision = ctx.saved_tensors
        weight = by_kl[:, None]
        twice = 2 * by_variance
        spread = twice * mean
        by_location = torch.addcmul(spread, by_mean, cdf).addcmul_(spread, cdf, value=-1)
        # sigma d/dsigma: sigma [by_mean phi + 2 by_variance (sigma Phi - m phi)]
        by_scale = twice.mul_(sigma).mul_(cdf).addcmul_(by_mean - spread, density).mul_(sigma)
        pulled = (shift * precision).mul_(weight)
        by_log_scale = by_scale.sum(0) - (pulled * shift).sum(0)
        by_ratio = by_scale.addcmul_(torch.expm1(2 * log_ratio), weight)
        by_prior = by_location.sum(0)
        return by_location.add_(pulled), by_ratio, by_prior, by_log_scale
