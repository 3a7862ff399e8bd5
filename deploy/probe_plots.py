"""Pictures of probes: raster, histogram of rates, membrane traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from spiking_pvae.storage import replacing

if TYPE_CHECKING:
    from spiking_pvae.deploy.probes import ProbeTrace

MOST_TRACES = 8


def draw_probe(trace: ProbeTrace, path: Path, *, sample: int = 0) -> None:
    """Draw one sample's raster and membranes, and the counts of all samples, as one PNG.

    Parameters
    ----------
    trace : ProbeTrace
    path : Path
        Replaced where it exists.
    sample : int
        Whose raster and membranes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4), layout="constrained")
    raster, histogram, membrane = figure.subplots(1, 3)
    first, last = trace.first_step, trace.first_step + len(trace.spikes) - 1
    step, neuron = trace.spikes[:, sample].nonzero()
    raster.plot(step + first, trace.neurons[neuron], "|", color="black", markersize=5)
    raster.set(xlabel="step", ylabel="neuron", title=f"{trace.layer}, {trace.schedule}: spikes of sample {sample}")
    raster.set_xlim(first - 0.5, last + 0.5)
    raster.set_ylim(trace.neurons.min() - 1, trace.neurons.max() + 1)
    histogram.hist(trace.counts.mean(0), bins=30, color="C0")
    histogram.set(xlabel="mean spikes an inference", ylabel="neurons", title=f"{len(trace.counts)} samples")
    # Where a layer integrates while it fires, membranes alone are drawn.
    before = 0 if trace.schedule == "streaming" else len(trace.integrating)
    for index in range(min(MOST_TRACES, len(trace.neurons))):
        firing = range(before + first - 1, before + last + 1)
        (line,) = membrane.step(firing, trace.membrane[:, sample, index], where="post", lw=1.2)
        if before:
            colour = line.get_color()
            membrane.plot(range(1, before + 1), trace.integrating[:, sample, index], lw=0.8, color=colour)
    if before:
        membrane.axvline(before, color="grey", lw=0.8, ls=":")
    name = "step: integrating, then firing" if before else "step"
    membrane.set(xlabel=name, ylabel="membrane", title="Membranes")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
