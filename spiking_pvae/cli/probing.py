"""Probes of the command line: what was asked for, the arrays and the picture of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray

Span = tuple[int, int]
Probe = tuple[str, tuple[Span, ...] | None, Span | None]
"""Layer; first and last of each span of neurons, or None for all; first and last step, or None for all."""

ALLOWED = "LAYER, LAYER:NEURONS or LAYER:NEURONS:STEPS, such as latents:0-15,40:1-32 (all neurons: latents::1-32)"


def parse_probe(text: str) -> Probe:
    """Read a probe.

    Raises
    ------
    InputError
        It is written in another way.
    """
    name, neurons, steps = ([*text.split(":"), "", ""])[:3]
    number = r"\d{1,9}"
    spans = rf"({number}(-{number})?(,{number}(-{number})?)*)?"
    if not name or text.count(":") > 2 or not re.fullmatch(spans, neurons) or not re.fullmatch(spans, steps):
        raise InputError("probe", given=repr(text), allowed=ALLOWED)
    if "," in steps:
        raise InputError("probe", given=repr(text), allowed=ALLOWED, remedy="Name one span of steps.")
    ends = [[int(end) for end in span.split("-")] for span in neurons.split(",") if span]
    chosen = tuple((span[0], span[-1]) for span in ends)
    kept = [int(end) for end in steps.split("-") if end]
    return name, chosen or None, (kept[0], kept[-1]) if kept else None


def neurons_of(network: Network, name: str, spans: Sequence[Span] | None) -> list[int] | None:
    """List the neurons of spans, or None for all; a span beyond the layer is refused before it is listed."""
    size = next((layer.neurons for layer in network.layers if layer.name == name), None)
    if spans is None or size is None:  # a layer that is not there is refused by the probe
        return None
    for first, last in spans:
        if not first <= last < size:
            raise InputError(
                "neurons to probe", given=f"{first}-{last} of {name}", allowed=f"spans within 0 .. {size - 1}"
            )
    return [neuron for first, last in spans for neuron in range(first, last + 1)]


def write_probes(
    network: Network,
    images: FloatArray,
    probes: Sequence[Probe],
    folder: Path,
    *,
    schedule: Schedule,
    steps: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Watch neurons on a few images; write an .npz of arrays and a picture a probe; return what was written."""
    import numpy as np

    from spiking_pvae.deploy.probe_plots import draw_probe
    from spiking_pvae.deploy.probes import probe
    from spiking_pvae.storage import replacing

    options: dict[str, Any] = {"schedule": schedule, "steps": steps, "seed": seed}
    traces = [
        probe(network, images, name, neurons_of(network, name, spans), kept=kept, **options)
        for name, spans, kept in probes
    ]
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for number, trace in enumerate(traces):
        stem = trace.layer if [other.layer for other in traces].count(trace.layer) == 1 else f"{trace.layer}-{number}"
        arrays, picture = folder / f"{stem}.npz", folder / f"{stem}.png"
        with replacing(arrays) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                neurons=trace.neurons,
                first_step=trace.first_step,
                integrating=trace.integrating,
                membrane=trace.membrane,
                spikes=trace.spikes,
                counts=trace.counts,
            )
        draw_probe(trace, picture)
        written.append(
            {"layer": trace.layer, "neurons": len(trace.neurons), "arrays": str(arrays), "plot": str(picture)}
        )
    return written
