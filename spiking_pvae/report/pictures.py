"""Images as data URIs, so that a page needs no other file."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float = NDArray[np.floating]


def png_uri(image: Float, limit: float) -> str:
    """Encode a grey image, -limit black and +limit white, as a data URI; shape (height, width)."""
    grey = np.clip(127.5 * (1 + image / (limit or 1.0)), 0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(grey).save(data, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"


def grey(images: Float) -> Float:
    """Average the channels; (samples, channels, height, width) to (samples, height, width)."""
    averaged: Float = images.mean(1)
    return averaged


def tiles(images: Float, *, each: bool = False) -> list[str]:
    """Encode images, all to one scale or `each` to its own; (samples, channels, height, width)."""
    flat = grey(images)
    shared = float(np.abs(flat).max())
    return [png_uri(tile, float(np.abs(tile).max()) if each else shared) for tile in flat]
