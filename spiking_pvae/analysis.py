"""Looking into a trained model: reconstructions, prior samples, dictionary, dead and ablated latents.

Everything takes and gives NumPy arrays; images have shape (samples, channels, height, width).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiking_pvae.distributions.interface import Posterior
from spiking_pvae.errors import InputError
from spiking_pvae.evaluation import ACTIVE_NATS, CHUNK
from spiking_pvae.model import VAE, evaluating
from spiking_pvae.objective import squared_error
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.types import FloatArray, IntArray

Float64 = NDArray[np.float64]


def _batches(model: VAE, images: FloatArray) -> Iterator[tuple[Tensor, int]]:
    """Yield the images in parts on the model's device, each with the index of its first."""
    for first in range(0, len(images), CHUNK):
        yield torch.from_numpy(np.ascontiguousarray(images[first : first + CHUNK])).to(model.device), first


@torch.no_grad()
def _each(model: VAE, images: FloatArray, what: Callable[[Tensor, Posterior, int], Tensor]) -> Tensor:
    """Collect what a function makes of every image, in evaluation mode."""
    with evaluating(model):
        parts = [what(batch, model.posterior(batch), first).cpu() for batch, first in _batches(model, images)]
    return torch.cat(parts)


def codes(model: VAE, images: FloatArray) -> FloatArray:
    """Return the posterior means; float32 of shape (samples, latents)."""
    found: FloatArray = _each(model, images, lambda _, posterior, __: posterior.mean).float().numpy()
    return found


def reconstruct(model: VAE, images: FloatArray, *, seed: int | None = None) -> FloatArray:
    """Encode and decode images.

    Parameters
    ----------
    model : VAE
    images : ndarray of float32
    seed : int, optional
        Decode one exact draw of the latents with this seed; without it, decode the posterior mean.

    Returns
    -------
    ndarray of float32, of the shape of `images`
    """

    def decoded(_: Tensor, posterior: Posterior, first: int) -> Tensor:
        z = posterior.mean if seed is None else posterior.sample(Draws(seed=seed, first_sample=first))
        return model.decode(z)

    rebuilt: FloatArray = _each(model, images, decoded).float().numpy()
    return rebuilt


@torch.no_grad()
def sample_prior(model: VAE, samples: int, *, seed: int = 0) -> FloatArray:
    """Decode exact draws from the prior; float32 of shape (samples, channels, height, width)."""
    with evaluating(model):
        images: FloatArray = model.decode(model.latents.prior(samples).sample(Draws(seed=seed))).cpu().float().numpy()
    return images


def mean_kl(model: VAE, images: FloatArray) -> Float64:
    """Return each latent's divergence from the prior in nats, averaged over images; shape (latents,)."""
    kl: Float64 = _each(model, images, lambda _, posterior, __: posterior.kl().double()).mean(0).numpy()
    return kl


def dead_latents(model: VAE, images: FloatArray, *, nats: float = ACTIVE_NATS) -> IntArray:
    """Return the indices of latents whose mean KL is at most `nats`: they tell the decoder nothing."""
    return np.flatnonzero(mean_kl(model, images) <= nats)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dictionary:
    """What each latent adds to an image, the most informative first.

    Parameters
    ----------
    latents : ndarray of int64, shape (latents,)
        Index of each.
    kl : ndarray of float64, shape (latents,)
        Mean KL of each, nats, falling.
    atoms : ndarray of float32, shape (latents, channels, height, width)
        g(e_i) - g(0): the column of a linear decoder, the effect of one spike alone for any other.
    """

    latents: IntArray
    kl: Float64
    atoms: FloatArray


@torch.no_grad()
def dictionary(model: VAE, images: FloatArray) -> Dictionary:
    """Sort the decoder's atoms by the mean KL of their latents over `images`."""
    kl = mean_kl(model, images)
    order = np.argsort(-kl, kind="stable")
    unit = torch.eye(len(kl), device=model.device)
    with evaluating(model):
        atoms = model.decode(unit) - model.decode(torch.zeros_like(unit[:1]))
    return Dictionary(latents=order, kl=kl[order], atoms=atoms.cpu().float().numpy()[order])


def ablate(model: VAE, images: FloatArray, latents: Sequence[int], *, seed: int = 0) -> float:
    """Return the expected squared error of an image when the decoder reads 0 from some latents.

    Parameters
    ----------
    model : VAE
    images : ndarray of float32
    latents : sequence of int
        Which to silence; none gives the error of the whole model.
    seed : int
        Seed of the one exact draw with which the error of a nonlinear decoder is estimated; a linear one's is exact.

    Raises
    ------
    InputError
        There is no such latent.
    """
    count = model.config.latents
    if wrong := [index for index in latents if not 0 <= index < count]:
        raise InputError("latents to ablate", given=wrong, allowed=f"indices from 0 to {count - 1}")
    kept = torch.ones(count, device=model.device)
    kept[list(latents)] = 0

    def error(batch: Tensor, posterior: Posterior, first: int) -> Tensor:
        if not model.has_linear_decoder:
            z = posterior.sample(Draws(seed=seed, first_sample=first))
            return squared_error(batch, model.decode(z * kept))
        spread = posterior.readout_variance(model.dictionary() * kept)
        return squared_error(batch, model.decode(posterior.mean * kept)) + spread

    return float(_each(model, images, error).double().mean())


def ablation_curve(model: VAE, images: FloatArray, order: IntArray, kept: Sequence[int], *, seed: int = 0) -> Float64:
    """Return the expected squared error when only the first so many latents of an order are heard.

    Parameters
    ----------
    model : VAE
    images : ndarray of float32
    order : ndarray of int64, shape (latents,)
        As of `dictionary`: the most informative first.
    kept : sequence of int
        Numbers of latents to keep; 0 gives the error of a silent model.
    seed : int
        As of `ablate`.

    Returns
    -------
    ndarray of float64, shape (len(kept),)
    """
    return np.array([ablate(model, images, order[count:].tolist(), seed=seed) for count in kept])
