"""Sections about what was learned: the dictionary, samples of the prior, reconstructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from spiking_pvae.model import VAE
from spiking_pvae.report.pictures import tiles
from spiking_pvae.report.render import Atom, Gallery, Section
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.types import FloatArray

ATOMS = 128
PRIOR_SAMPLES = 20
Float64 = NDArray[np.float64]


def learned(model: VAE, keys: Mapping[str, Float64], label: Callable[[int], str]) -> Section:
    """Show the dictionary of a linear decoder and samples of the prior.

    Parameters
    ----------
    model : VAE
    keys : mapping of str to ndarray, shape (latents,)
        By which the reader can sort the dictionary; ``KL`` is one of them.
    label : callable
        What to say of a latent.
    """
    galleries = [_dictionary(model, keys, label)] if model.has_linear_decoder else []
    with torch.no_grad():
        drawn = model.decode(model.latents.prior(PRIOR_SAMPLES).sample(Draws(seed=0))).cpu().numpy()
    samples = [Atom(image=image, label=f"Sample {i + 1} of the prior") for i, image in enumerate(tiles(drawn))]
    galleries.append(Gallery(caption="Samples of the prior, decoded", atoms=samples, columns=10))
    return Section(anchor="learned", title="What was learned", galleries=galleries)


def _dictionary(model: VAE, keys: Mapping[str, Float64], label: Callable[[int], str]) -> Gallery:
    order = np.argsort(-keys["KL"])[:ATOMS]
    dictionary = model.dictionary().detach().cpu().numpy().T.reshape(-1, *model.image_shape)[order]
    atoms = [
        Atom(image=image, label=label(i), keys={key: float(values[i]) for key, values in keys.items()})
        for i, image in zip(order.tolist(), tiles(dictionary, each=True), strict=True)
    ]
    caption = f"Dictionary: the {len(atoms)} latents with the largest KL"
    return Gallery(caption=caption, atoms=atoms, keys=tuple(keys))


def reconstructions(images: FloatArray, mean: FloatArray, drawn: FloatArray, how: tuple[str, str]) -> Section:
    """Show images, the decoded means of the float model, and one decoded draw.

    Parameters
    ----------
    images, mean, drawn : ndarray, shape (samples, channels, height, width)
    how : tuple of str
        What was drawn ("spike counts"), and what decoded it ("the integer network").
    """
    what, by = how
    every = tiles(np.concatenate([images, mean, drawn]))
    names = ("Image", "Decoded means of image", f"Decoded {what} of image")
    atoms = [
        Atom(image=image, label=f"{names[index // len(images)]} {index % len(images) + 1}")
        for index, image in enumerate(every)
    ]
    return Section(
        anchor="reconstructions",
        title="Reconstructions",
        text="Top: held-out images. Middle: the float model's decoded means. "
        f"Bottom: one draw of {what}, decoded by {by}.",
        galleries=[Gallery(caption="All on one grey scale", atoms=atoms, columns=len(images))],
    )
