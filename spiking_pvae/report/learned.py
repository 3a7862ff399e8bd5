"""Sections about what was learned: the dictionary, samples of the prior, reconstructions."""

from __future__ import annotations

import numpy as np
import torch

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.energy import EnergyReport
from spiking_pvae.model import PoissonVAE
from spiking_pvae.quantities import quantity
from spiking_pvae.report.pictures import tiles
from spiking_pvae.report.render import Atom, Gallery, Section
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.types import FloatArray

ATOMS = 128
PRIOR_SAMPLES = 20


def learned(model: PoissonVAE, energy: EnergyReport) -> Section:
    """Show the dictionary of a linear decoder and samples of the prior."""
    galleries = [_dictionary(model, energy)] if model.has_linear_decoder else []
    with torch.no_grad():
        drawn = model.decode(model.latents.prior(PRIOR_SAMPLES).sample(Draws(seed=0))).cpu().numpy()
    samples = [Atom(image=image, label=f"Sample {i + 1} of the prior") for i, image in enumerate(tiles(drawn))]
    galleries.append(Gallery(caption="Samples of the prior, decoded", atoms=samples, columns=10))
    return Section(anchor="learned", title="What was learned", galleries=galleries)


def _dictionary(model: PoissonVAE, energy: EnergyReport) -> Gallery:
    latents = energy.latents
    order = np.argsort(-latents.kl)[:ATOMS]
    dictionary = model.dictionary().detach().cpu().numpy().T.reshape(-1, *model.image_shape)[order]
    atoms = [
        Atom(
            image=image,
            label=f"Latent {i}: KL {latents.kl[i]:.3g} nats, rate {latents.rate[i]:.3g}, "
            f"{quantity(float(latents.joules[i]), 'J')}",
            keys={
                "KL": float(latents.kl[i]),
                "rate": float(latents.rate[i]),
                "energy": float(latents.joules[i]),
                "nats a spike": float(latents.kl[i] / max(latents.rate[i], 1e-12)),
            },
        )
        for i, image in zip(order.tolist(), tiles(dictionary, each=True), strict=True)
    ]
    return Gallery(
        caption=f"Dictionary: the {len(atoms)} latents with the largest KL",
        atoms=atoms,
        keys=("KL", "rate", "energy", "nats a spike"),
    )


def reconstructions(model: PoissonVAE, network: Network, shown: SpikeRecord, images: FloatArray) -> Section:
    """Show images, the decoded mean rates of the float model and the decoded counts of the integer network."""
    with torch.no_grad():
        batch = torch.from_numpy(np.ascontiguousarray(images)).to(model.device)
        mean = model.decode(model.posterior(batch).mean).cpu().numpy()
    charge = shown.traces[network.readout.name].charge[: len(images)]
    rebuilt = (charge * network.readout.scale).reshape(images.shape)
    every = tiles(np.concatenate([images, mean, rebuilt]))
    names = ("Image", "Decoded mean rates of", "Decoded spike counts of image")
    atoms = [
        Atom(image=image, label=f"{names[index // len(images)]} {index % len(images) + 1}")
        for index, image in enumerate(every)
    ]
    return Section(
        anchor="reconstructions",
        title="Reconstructions",
        text="Top: held-out images. Middle: the float model's decoded mean rates. Bottom: one draw of spike counts, "
        "decoded by the integer network.",
        galleries=[Gallery(caption="All on one grey scale", atoms=atoms, columns=len(images))],
    )
