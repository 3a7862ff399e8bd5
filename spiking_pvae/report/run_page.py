"""The page about one run: from what it learned to where its joules go."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from spiking_pvae.checkpoint import Run
from spiking_pvae.deploy.fidelity import Fidelity, fidelity
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.lower import lower
from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.deploy.simulate import simulate
from spiking_pvae.energy import EnergyReport, fan_out
from spiking_pvae.energy.memory import synapse_bits
from spiking_pvae.errors import UnsupportedError
from spiking_pvae.evaluation import Evaluation, evaluate
from spiking_pvae.model import PoissonVAE
from spiking_pvae.plots.run import gap, metabolic_term, raster, rate_histograms, training
from spiking_pvae.quantities import quantity
from spiking_pvae.report.pictures import tiles
from spiking_pvae.report.render import Atom, Cell, Gallery, Section, Table, Tile, render
from spiking_pvae.sampling.draws import Draws
from spiking_pvae.types import Dataset, FloatArray

ATOMS = 128
REBUILT = 10
PRIOR_SAMPLES = 20
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
        raise UnsupportedError(f"a report on '{model.config.model}' latents", nearest="a run with Poisson latents")
    evaluated = evaluate(model, held_out)
    compared = fidelity(lower(model), results.network, held_out.images)
    shown = simulate(
        results.network,
        held_out.images[:RASTER_IMAGES],
        seed=results.record.seed,
        keep=(results.network.latent.name, results.network.readout.name),
    )
    config = model.config
    sections = [
        _summary(evaluated, compared, results.energy),
        _learned(model, results.energy),
        _reconstructions(model, results.network, shown, held_out.images[:REBUILT]),
        _spikes(shown, results),
        _fidelity(compared),
        _energy(results.energy),
        _metabolic(results.energy, evaluated),
        _budget(results.network),
        _provenance(results),
    ]
    subtitle = (
        f"{config.encoder} encoder, {config.latents} latents, {config.decoder} decoder, beta {config.beta:g}, "
        f"trained on '{results.dataset.name}' in {results.run.seconds:.0f} s"
    )
    return render(results.name, subtitle, sections)


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


def _learned(model: PoissonVAE, energy: EnergyReport) -> Section:
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


def _reconstructions(model: PoissonVAE, network: Network, shown: SpikeRecord, images: FloatArray) -> Section:
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


def _spikes(shown: SpikeRecord, results: RunResults) -> Section:
    counts = shown.traces[results.network.latent.name].counts
    rate = results.energy.latents.rate
    return Section(
        anchor="spikes",
        title="Spikes",
        drawings=[raster(counts, np.argsort(rate)), rate_histograms(rate, counts), training(results.run.history)],
    )


def _fidelity(compared: Fidelity) -> Section:
    fields: tuple[tuple[str, str], ...] = (
        ("nelbo", "−ELBO"),
        ("mse", "squared error"),
        ("kl", "KL (nats)"),
        ("metabolic_cost", "metabolic cost"),
        ("proportion_zeros", "proportion of zeros"),
    )
    exact, integer = compared.float_figures, compared.integer_figures
    rows = [
        (
            label,
            Cell(text=f"{getattr(exact, name):.5g}"),
            Cell(text=f"{getattr(integer, name):.5g}"),
            Cell(text=f"{100 * (getattr(integer, name) / getattr(exact, name) - 1):+.3f} %"),
        )
        for name, label in fields
    ]
    return Section(
        anchor="fidelity",
        title="Float against integer",
        text="Both are judged by the same exact expectation over the counts: no sampling noise enters the difference.",
        drawings=[gap(compared.gap)],
        tables=[
            Table(
                caption=f"{compared.samples} held-out images; rates correlate by {compared.rates.correlation:.6f}",
                columns=("", "float", "integer", "change"),
                rows=rows,
            )
        ],
    )


def _bands(energy: EnergyReport, parts: dict[str, Any], title: str) -> Table:
    whole = energy.joules_per_inference.value or 1.0
    rows = [
        (
            name.replace("_", " "),
            Cell(text=quantity(band.value, "J"), key=band.value, bar=band.value / whole),
            Cell(text=f"{band.value / whole:.1%}", key=band.value / whole),
            Cell(text=f"{quantity(band.low, 'J')} .. {quantity(band.high, 'J')}", key=band.high),
        )
        for name, band in parts.items()
    ]
    columns = ("part", "energy an inference", "share", "band of the prices")
    return Table(caption=title, columns=columns, rows=rows, sortable=True)


def _energy(energy: EnergyReport) -> Section:
    left_out = [f"Not counted: {term}. {reason}" for term, reason in energy.not_counted.items()]
    return Section(
        anchor="energy",
        title="Energy",
        text=f"{quantity(energy.joules_per_inference.value, 'J')} an inference on {energy.hardware}: "
        f"{energy.event_synops:,.0f} synaptic events, {energy.neuron_updates:,.0f} neuron updates.",
        tables=[
            _bands(energy, dict(energy.by_layer), "By layer"),
            _bands(energy, dict(energy.by_term), "By term"),
        ],
        notes=[*energy.notes, *left_out],
    )


def _metabolic(energy: EnergyReport, evaluated: Evaluation) -> Section:
    latents = energy.latents
    order = np.argsort(-latents.joules)[:20]

    def number(value: float, text: str) -> Cell:
        return Cell(text=text, key=value)

    rows = [
        (
            f"latent {i}",
            number(float(latents.kl[i]), f"{latents.kl[i]:.3g}"),
            number(float(latents.rate[i]), f"{latents.rate[i]:.3g}"),
            number(float(latents.joules[i]), quantity(float(latents.joules[i]), "J")),
        )
        for i in order.tolist()
    ]
    return Section(
        anchor="metabolic",
        title="KL against joules",
        text="KL is not energy: at the prior it is zero while spikes still cost. Here are both, latent by latent.",
        drawings=[metabolic_term(latents)],
        tables=[
            Table(
                caption=f"The 20 latents that cost most, of {evaluated.active_latents} active ones",
                columns=("latent", "KL (nats)", "rate (spikes)", "energy"),
                rows=rows,
                sortable=True,
            )
        ],
    )


def _budget(network: Network) -> Section:
    rows = []
    for layer in network.layers:
        synapses = int(np.count_nonzero(layer.synapse.weight))
        reach = fan_out(layer.synapse)
        bits = synapses * synapse_bits(layer.synapse)
        rows.append(
            (
                layer.name,
                Cell(text=f"{layer.neurons:,}", key=layer.neurons),
                Cell(text=f"{synapses:,}", key=synapses),
                Cell(text=f"{layer.synapse.bits}", key=layer.synapse.bits),
                Cell(text=f"{bits / 8192:,.1f} KiB", key=bits),
                Cell(text=f"{int(reach.max()):,}", key=int(reach.max())),
            )
        )
    columns = ("layer", "neurons", "nonzero weights", "bits", "weight memory", "largest fan-out of its input")
    return Section(
        anchor="hardware",
        title="Hardware budget",
        text="What the integer network asks of a chip.",
        tables=[Table(caption="Layers", columns=columns, rows=rows, sortable=True)],
    )


def _provenance(results: RunResults) -> Section:
    run, data = results.run, results.dataset
    lines = {
        **results.provenance,
        "data": f"{data.name}: {data.source}" if data.source else data.name,
        "data licence": data.licence or "not stated",
        "data fingerprint": data.fingerprint,
        "seed of the training": str(run.train.seed),
        "seed of the spikes": str(results.record.seed),
        "sha256 of the latents' counts": results.record.counts_sha256,
        "model settings": ", ".join(f"{key} {value}" for key, value in _fields(run.model.config)),
        "training settings": ", ".join(f"{key} {value}" for key, value in _fields(run.train)),
    }
    whence = Table(caption="Where this comes from", columns=("", "value"), rows=list(lines.items()))
    return Section(anchor="provenance", title="Provenance", tables=[whence])


def _fields(settings: Any) -> list[tuple[str, Any]]:
    return list(asdict(settings).items())
