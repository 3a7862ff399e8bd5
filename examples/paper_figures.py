"""
The paper's figures
===================

A tiny sweep over beta and K, its claims judged, and all figures, each beside its counterpart in joules. On a command
line, ``spiking-pvae sweep --preset quick`` does the same on natural images and writes them as files.
"""

import math
import tempfile
from pathlib import Path

import spiking_pvae as sp
from spiking_pvae.plots.sweep import sweep_drawings
from spiking_pvae.sweep.claims import judge
from spiking_pvae.sweep.engine import run_sweep
from spiking_pvae.sweep.grid import SweepConfig
from spiking_pvae.sweep.results import TABLE, read_table

config = SweepConfig(
    models=("poisson", "grelu"),
    latents=(16, 32),
    betas=(0.1, 1.0, 8.0),
    first_epochs=4,
    next_epochs=2,
    cold_latents=(),
    cold_betas=(),
    batch_size=100,
    samples=100,
)

if __name__ == "__main__":  # the sweep's processes import this file
    with tempfile.TemporaryDirectory() as folder:
        data = sp.data.load("digits")
        result = run_sweep(config, data, Path(folder) / "sweep")
        rows = read_table(result.out / TABLE)
    for claim in judge(rows):
        print(f"{claim.verdict:16} {claim.statement}\n{'':16} {claim.finding}")

# %%
# Figures 1 to 3 need prices and a fan-out alone; the others show the same points in activity, in zeros and in joules.

if __name__ == "__main__":
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    preset = sp.energy.load_preset(config.hardware)
    drawings = [drawing for group in sweep_drawings(rows, preset, math.prod(data.shape)).values() for drawing in group]
    for pair in zip(drawings[::2], drawings[1::2], strict=True):
        shown, axes = plt.subplots(1, 2, figsize=(9, 6), layout="constrained")
        for axis, drawing in zip(axes, pair, strict=True):
            canvas = FigureCanvasAgg(drawing.figure)
            canvas.draw()
            axis.imshow(canvas.buffer_rgba())
            axis.set_axis_off()
