"""The page about one run with Poisson latents: from what it learned to where its joules go."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from spiking_pvae.checkpoint import Run
from spiking_pvae.deploy.fidelity import Fidelity, fidelity
from spiking_pvae.deploy.files import network_sha256
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.lower import lower
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.energy import EnergyReport
from spiking_pvae.errors import UnsupportedError
from spiking_pvae.evaluation import Evaluation, evaluate
from spiking_pvae.model import PoissonVAE
from spiking_pvae.quantities import duration, quantity
from spiking_pvae.report.learned import learned, reconstructions
from spiking_pvae.report.network import conversion, hardware, spikes
from spiking_pvae.report.render import Section, Table, Tile, render
from spiking_pvae.report.spending import beside_kl, by_part
from spiking_pvae.types import Dataset, FloatArray

REBUILT = 10
RASTER_IMAGES = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunResults:
    """Everything the page is made of.

    Parameters
    ----------
    name : str
        What to call the run.
    run : Run
    dataset : Dataset
    network : Network
    record : SpikeRecord
    energy : EnergyReport
    provenance : dict of str to str
        Lines for the last section, before those that follow from the rest.
    """

    name: str
    run: Run
    dataset: Dataset
    network: Network
    record: SpikeRecord
    energy: EnergyReport
    provenance: dict[str, str]


def run_page(results: RunResults) -> str:
    """Return the page."""
    model, held_out = results.run.model, results.dataset.validation
    if not isinstance(model, PoissonVAE):
        raise UnsupportedError(f"an integer network of '{model.config.model}' latents", nearest="activity_page")
    evaluated = evaluate(model, held_out)
    compared = fidelity(lower(model), results.network, held_out.images)
    shown = simulate(
        results.network,
        held_out.images[:RASTER_IMAGES],
        seed=results.record.seed,
        keep=(results.network.latent.name, results.network.readout.name),
    )
    sections = [
        _summary(evaluated, compared, results.energy),
        _learned(model, results.energy),
        _reconstructions(model, results.network, shown, held_out.images[:REBUILT]),
        spikes(results.network, shown, results.energy, results.run.history),
        conversion(compared),
        by_part(results.energy),
        beside_kl(results.energy, evaluated),
        hardware(results.network),
        provenance_of(
            results.run,
            results.dataset,
            {
                **results.provenance,
                "sha256 of the network": network_sha256(results.network),
                "seed of the spikes": str(results.record.seed),
                "sha256 of the latents' counts": results.record.counts_sha256,
            },
        ),
    ]
    return render(results.name, subtitle_of(results.run, results.dataset), sections)


def subtitle_of(run: Run, dataset: Dataset) -> str:
    """Say what was trained, on what, for how long."""
    config = run.model.config
    return (
        f"{config.encoder} encoder, {config.latents} {config.model} latents, {config.decoder} decoder, "
        f"beta {config.beta:g}, trained on '{dataset.name}' in {duration(run.seconds)}"
    )


def _learned(model: PoissonVAE, energy: EnergyReport) -> Section:
    latents = energy.latents
    keys = {
        "KL": latents.kl,
        "rate": latents.rate,
        "energy": latents.joules,
        "nats a spike": latents.kl / np.maximum(latents.rate, 1e-12),
    }

    def label(i: int) -> str:
        joules = quantity(float(latents.joules[i]), "J")
        return f"Latent {i}: KL {latents.kl[i]:.3g} nats, rate {latents.rate[i]:.3g}, {joules}"

    return learned(model, keys, label)


def _reconstructions(model: PoissonVAE, network: Network, shown: SpikeRecord, images: FloatArray) -> Section:
    with torch.no_grad():
        batch = torch.from_numpy(np.ascontiguousarray(images)).to(model.device)
        mean = model.decode(model.posterior(batch).mean).cpu().numpy()
    charge = shown.traces[network.readout.name].charge[: len(images)]
    rebuilt = (charge * network.readout.scale).reshape(images.shape).astype(np.float32)
    return reconstructions(images, mean, rebuilt, ("spike counts", "the integer network"))


def _summary(evaluated: Evaluation, compared: Fidelity, energy: EnergyReport) -> Section:
    whole = energy.joules_per_inference
    share = "-" if energy.latent_share is None else f"{energy.latent_share:.1%}"
    return Section(
        anchor="summary",
        title="Summary",
        text="Averages over held-out images. The integer network is simulated bit-exactly; joules are its counts times "
        "published prices.",
        tiles=[
            Tile(
                label="−ELBO, held out",
                value=f"{evaluated.nelbo:.1f}",
                note=f"squared error {evaluated.mse:.1f} + KL {evaluated.kl:.1f} nats",
            ),
            Tile(
                label="Integer network",
                value=f"{compared.nelbo_change_percent:+.2f} %",
                note=f"−ELBO {compared.integer_figures.nelbo:.1f} on {compared.samples} images",
            ),
            Tile(
                label="Spikes an inference",
                value=f"{evaluated.spikes_per_inference:.1f}",
                note=f"{evaluated.proportion_zeros:.1%} of the latents silent",
            ),
            Tile(
                label="Energy an inference",
                value=quantity(whole.value, "J"),
                note=f"{quantity(whole.low, 'J')} .. {quantity(whole.high, 'J')}, {energy.hardware}",
            ),
            Tile(label="Caused by latents", value=share, note="the part that the KL can steer"),
            Tile(
                label="Dense arithmetic",
                value=quantity(energy.ann_baseline_joules.value, "J"),
                note=f"the same function by MACs, {energy.baseline}",
            ),
        ],
    )


def provenance_of(run: Run, data: Dataset, lines: dict[str, str]) -> Section:
    """Say where a page about a run comes from.

    Parameters
    ----------
    run : Run
    data : Dataset
    lines : dict of str to str
        What does not follow from these two.
    """
    rows = {
        **lines,
        "data": f"{data.name}: {data.source}" if data.source else data.name,
        "data licence": data.licence or "not stated",
        "data fingerprint": data.fingerprint,
        "seed of the training": str(run.train.seed),
        "model settings": ", ".join(f"{key} {value}" for key, value in _fields(run.model.config)),
        "training settings": ", ".join(f"{key} {value}" for key, value in _fields(run.train)),
    }
    whence = Table(caption="Where this comes from", columns=("", "value"), rows=list(rows.items()))
    return Section(anchor="provenance", title="Provenance", tables=[whence])


def _fields(settings: Any) -> list[tuple[str, Any]]:
    return list(asdict(settings).items())
