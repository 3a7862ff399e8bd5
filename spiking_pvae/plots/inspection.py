"""Figures that look into a trained model: images, what each latent adds, what silencing costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.plots.mosaic import mosaic
from spiking_pvae.plots.style import BLUE, GREY, Drawing, panels, styled
from spiking_pvae.types import FloatArray


@styled
def image_grid(name: str, title: str, text: str, images: FloatArray, columns: int, *, signed: bool = False) -> Drawing:
    """Draw images on one scale of grey, or of colour where they have three channels.

    Parameters
    ----------
    name, title, text : str
        As of `Drawing`.
    images : ndarray, shape (samples, channels, height, width)
        One or three channels; of other numbers the mean over the channels is drawn.
    columns : int
    signed : bool
        Whether 0 is to be the middle grey.
    """
    figure, (axes,) = panels(width=6.4, height=max(1.0, 6.4 * math.ceil(len(images) / columns) / columns))
    if images.shape[1] not in (1, 3):
        images = images.mean(1, keepdims=True)
    low, high = np.quantile(images, [0.002, 0.998])
    if signed:
        low, high = -max(abs(low), abs(high)), max(abs(low), abs(high))
    canvas = mosaic((images - low) / max(high - low, 1e-12), columns).clip(0, 1)
    if canvas.shape[2] == 3:
        canvas = np.nan_to_num(canvas, nan=1.0)
    axes.imshow(np.squeeze(canvas, 2) if canvas.shape[2] == 1 else canvas, cmap="gray", vmin=0, vmax=1)
    axes.set_axis_off()
    axes.set_title(title)
    return Drawing(name=name, title=title, text=text, figure=figure)


@styled
def ablation(kept: Sequence[int], error: NDArray[np.float64]) -> Drawing:
    """Draw the reconstruction error against the number of latents that are heard."""
    figure, (axes,) = panels()
    axes.plot(kept, error, marker="o", color=BLUE)
    axes.axhline(error[0], color=GREY, linewidth=0.8)
    axes.set_xscale("symlog", linthresh=1)
    axes.set(xlabel="latents heard, the most informative first", ylabel="squared error of an image", ylim=(0, None))
    axes.set_title(f"From {error[0]:.4g} in silence to {error[-1]:.4g}")
    return Drawing(
        name="ablation",
        title="Ablation",
        text="; ".join(f"{count} latents: {value:.4g}" for count, value in zip(kept, error, strict=True)),
        figure=figure,
    )
