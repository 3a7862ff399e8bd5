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
    step, neuron = trace.spikes[:, sample].nonzero()
    raster.plot(step + 1, trace.neurons[neuron], "|", color="black", markersize=5)
    raster.set(xlabel="firing step", ylabel="neuron", title=f"{trace.layer}: spikes of sample {sample}")
    raster.set_xlim(0.5, len(trace.spikes) + 0.5)
    histogram.hist(trace.counts.mean(0), bins=30, color="C0")
    histogram.set(xlabel="mean spikes an inference", ylabel="neurons", title=f"{len(trace.counts)} samples")
    before = len(trace.integrating)
    for index in range(min(MOST_TRACES, len(trace.neurons))):
        (line,) = membrane.plot(range(1, before + 1), trace.integrating[:, sample, index], lw=0.8)
        firing = range(before, before + len(trace.membrane))
        membrane.step(firing, trace.membrane[:, sample, index], where="post", lw=1.2, color=line.get_color())
    membrane.axvline(before, color="grey", lw=0.8, ls=":")
    membrane.set(xlabel="step: integrating, then firing", ylabel="membrane", title="Membranes")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
