"""What an array must be to be a set of images."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray, IntArray

FEWEST = 10
"""Fewer images than this are no data set."""
_SHAPES = "(samples, height, width), (samples, channels, height, width) or (samples, height, width, 1 or 3)"


def to_images(array: NDArray[np.generic], what: str) -> FloatArray:
    """Check an array and bring it to the package's form.

    Parameters
    ----------
    array : ndarray
        uint8 (divided by 255) or floating point, of shape (N, H, W), (N, C, H, W), or (N, H, W, C) with C 1 or 3.
        A second axis of 1 or 3 is taken as channels before a last axis is.
    what : str
        Where it comes from, for the error.

    Returns
    -------
    ndarray of float32, shape (N, C, H, W)

    Raises
    ------
    InputError
        Wrong shape or type, no or too few images, values that are not finite, or images that are all constant.
    """
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"type of the images in {what}",
            given=str(array.dtype),
            allowed="uint8 (0 to 255) or a floating-point type",
            remedy="Convert the array, for instance with images.astype('float32').",
        )
    placed = _with_channels(array, what)
    if placed.size == 0 or len(placed) < FEWEST:
        raise InputError(
            f"images in {what}",
            given=f"{len(placed)} images of shape {placed.shape[1:]}",
            allowed=f"at least {FEWEST} images, none of them empty",
        )
    with np.errstate(over="ignore"):  # what float32 can't hold becomes inf and is reported below
        images = np.ascontiguousarray(placed, dtype=np.float32)
    if array.dtype == np.uint8:
        images = images / np.float32(255)
    broken = ~np.isfinite(images).all(axis=(1, 2, 3))
    if broken.any():
        raise InputError(
            f"values of the images in {what}",
            given=f"NaN or infinity in {int(broken.sum())} images, first in image {int(broken.argmax())}",
            allowed="finite 32-bit numbers",
            remedy="Remove these images or replace the values.",
        )
    if (images == images[:, :1, :1, :1]).all():
        raise InputError(
            f"images in {what}",
            given="images that are all constant (zero variance)",
            allowed="images that show something",
        )
    return images


def _with_channels(array: NDArray[np.generic], what: str) -> NDArray[np.generic]:
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4 and array.shape[1] in {1, 3}:
        return array
    if array.ndim == 4 and array.shape[3] in {1, 3}:
        return array.transpose(0, 3, 1, 2)
    if array.ndim == 4 and array.shape[1] <= min(array.shape[2:]):
        return array
    raise InputError(f"shape of the images in {what}", given=array.shape, allowed=_SHAPES, remedy=_reshaped(array))


def _reshaped(array: NDArray[np.generic]) -> str:
    """Return how an array of flat images can be given its height and width; empty for other shapes."""
    if array.ndim != 2:
        return ""
    side = math.isqrt(array.shape[1])
    shape = f"{side}, {side}" if side**2 == array.shape[1] else "height, width"
    return f"Give flat images their height and width: images.reshape(-1, {shape})."


def to_labels(array: NDArray[np.generic], count: int, what: str) -> IntArray:
    """Check labels against their images.

    Parameters
    ----------
    array : ndarray of an integer type, shape (count,)
        Class of each image.
    count : int
        Number of images.
    what : str
        Where they come from, for the error.

    Returns
    -------
    ndarray of int64, shape (count,)

    Raises
    ------
    InputError
        Another shape, number or type.
    """
    if not np.issubdtype(array.dtype, np.integer) or array.shape != (count,):
        raise InputError(
            f"labels in {what}",
            given=f"shape {array.shape}, type {array.dtype}",
            allowed=f"one integer an image, shape ({count},)",
        )
    return array.astype(np.int64)


def known_options(options: Mapping[str, object], legal: Iterable[str], what: str) -> None:
    """Refuse options that a set does not have.

    Raises
    ------
    InputError
        `options` holds a name outside `legal`.
    """
    names = tuple(legal)
    for name in options:
        if name not in names:
            raise InputError(f"option of {what}", given=repr(name), allowed=", ".join(names) or "no options")


def seed_option(options: Mapping[str, object]) -> int:
    """Return the option ``seed``, 0 by default.

    Raises
    ------
    InputError
        It is no integer of at least 0.
    """
    seed = options.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise InputError("seed", given=repr(seed), allowed="an integer of at least 0")
    return seed
