"""
The paper's figures
===================

A tiny sweep over beta and K, its claims judged, and figure 4 beside its counterpart in joules. On a command line,
``spiking-pvae sweep --preset quick`` does the same on natural images and writes all figures.
"""

import tempfile
from pathlib import Path

import spiking_pvae as sp
from spiking_pvae.plots.curves import figure_4
from spiking_pvae.sweep.claims import judge
from spiking_pvae.sweep.engine import run_sweep
from spiking_pvae.sweep.grid import SweepConfig
from spiking_pvae.sweep.results import TABLE, read_table

config = SweepConfig(
    models=("poisson", "grelu"),
    latents=(16,),
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
        result = run_sweep(config, sp.data.load("digits"), Path(folder) / "sweep")
        rows = read_table(result.out / TABLE)
    for claim in judge(rows):
        print(f"{claim.verdict:16} {claim.statement}\n{'':16} {claim.finding}")

# %%
# The same points, in mean activity and in joules.

if __name__ == "__main__":
    import matplotlib.pyplot as plt
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    shown, axes = plt.subplots(1, 2, figsize=(9, 6), layout="constrained")
    for axis, drawing in zip(axes, figure_4(rows), strict=True):
        canvas = FigureCanvasAgg(drawing.figure)
        canvas.draw()
        axis.imshow(canvas.buffer_rgba())
        axis.set_axis_off()
