"""Pictures of probes and rasters: spikes of one sample, histogram of rates, membrane traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

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
    _draw_spikes(raster, trace.spikes[:, sample], trace.neurons, first)
    raster.set_title(f"{trace.layer}, {trace.schedule}: spikes of sample {sample}")
    _draw_counts(histogram, trace.counts)
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


def draw_raster(spikes: NDArray[np.uint8], path: Path, *, sample: int = 0, title: str = "spikes") -> None:
    """Draw one sample's raster, and the counts of all samples, as one PNG.

    Parameters
    ----------
    spikes : ndarray, shape (samples, steps, neurons)
        Any range of a `spiking_pvae.deploy.record.SpikeRaster`.
    path : Path
        Replaced where it exists.
    sample : int
        Whose raster, among those given.
    title : str
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    raster, histogram = figure.subplots(1, 2)
    _draw_spikes(raster, spikes[sample], np.arange(spikes.shape[2]), 1)
    raster.set_title(title)
    _draw_counts(histogram, spikes.sum(1))
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def _draw_spikes(axes: Any, spikes: NDArray[Any], neurons: NDArray[np.int64], first_step: int) -> None:
    """Draw spikes (steps, neurons) against steps."""
    step, neuron = spikes.nonzero()
    axes.plot(step + first_step, neurons[neuron], "|", color="black", markersize=5)
    axes.set(xlabel="step", ylabel="neuron")
    axes.set_xlim(first_step - 0.5, first_step + len(spikes) - 0.5)
    axes.set_ylim(neurons.min() - 1, neurons.max() + 1)


def _draw_counts(axes: Any, counts: NDArray[Any]) -> None:
    """Draw the histogram of the neurons' mean counts (samples, neurons)."""
    axes.hist(counts.mean(0), bins=30, color="C0")
    axes.set(xlabel="mean spikes an inference", ylabel="neurons", title=f"{len(counts)} samples")
