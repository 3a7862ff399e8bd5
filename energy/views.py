"""An estimate latent by latent, neuron by neuron and sample by sample, as rows for a table."""

from __future__ import annotations

from collections.abc import Iterator

from spiking_pvae.deploy.record import SpikeRecord
from spiking_pvae.energy.report import EnergyReport

Row = dict[str, object]


def latent_rows(report: EnergyReport) -> Iterator[Row]:
    """Yield KL_i, r_i, spikes, fan-out and J_i of every latent, an inference."""
    latents = report.latents
    fan_out = next(layer.fan_out for layer in report.ops.layers if layer.name == report.latent_name)
    for i in range(len(latents.kl)):
        yield {
            "latent": i,
            "kl_nats": float(latents.kl[i]),
            "rate": float(latents.rate[i]),
            "spikes": float(latents.spikes[i]),
            "fan_out": int(fan_out[i]),
            "joules": float(latents.joules[i]),
        }


def neuron_rows(report: EnergyReport, record: SpikeRecord) -> Iterator[Row]:
    """Yield spikes, messages, fan-out and the joules that its messages cause of every neuron, an inference."""
    for layer, tally in zip(report.ops.layers, record.tallies, strict=True):
        spikes, events = tally.spikes.sum(axis=0) / report.samples, tally.events.sum(axis=0) / report.samples
        for i in range(layer.neurons):
            yield {
                "layer": layer.name,
                "neuron": i,
                "spikes": float(spikes[i]),
                "messages": float(events[i]),
                "fan_out": int(layer.fan_out[i]),
                "joules": float(report.neurons[layer.name][i]),
            }


def sample_rows(report: EnergyReport, record: SpikeRecord) -> Iterator[Row]:
    """Yield joules, nats, synops and latent spikes of every block of samples, an inference.

    A block is one sample in records of up to 2048 samples.
    """
    first = 0
    spikes = record.tally(report.latent_name).spikes.sum(axis=1)
    nats = record.latent.kl.sum(axis=1)
    synops = sum(layer.event_synops for layer in report.ops.layers)
    for block, samples in enumerate(record.block_samples.tolist()):
        yield {
            "first_sample": first,
            "samples": samples,
            "joules": float(report.block_joules[block]) / samples,
            "kl_nats": float(nats[block]) / samples,
            "event_synops": float(synops[block]) / samples,  # type: ignore[index]
            "latent_spikes": float(spikes[block]) / samples,
        }
        first += samples
