"""Reading photographs as luminance."""

from __future__ import annotations

import io
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.errors import InputError

TIFF = (".tif", ".tiff")
SUFFIXES = (".png", ".jpg", ".jpeg", *TIFF)
LUMINANCE = np.array([0.2125, 0.7154, 0.0721])
"""Weights of red, green and blue (ITU-R BT.709), as in ``skimage.color.rgb2gray``."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """A file with a picture, and the name it has in a recipe."""

    name: str
    path: Path


_BUNDLED = {
    "skimage": "astronaut.png camera.png chelsea.png coffee.png rocket.jpg brick.png grass.png gravel.png",
    "sklearn": "china.jpg flower.jpg",
}
_INSIDE = {"skimage": "data", "sklearn": "datasets/images"}


def bundled_photographs() -> tuple[Photograph, ...]:
    """Find the photographs inside the wheels of scikit-image and scikit-learn.

    Neither package is imported: their import would take longer than the reading.

    Returns
    -------
    tuple of Photograph
        Ten, in fixed order.

    Raises
    ------
    InputError
        An installed wheel lacks one.
    """
    found = []
    for package, names in _BUNDLED.items():
        spec = find_spec(package)
        roots = list(spec.submodule_search_locations or ()) if spec else []
        for name in names.split():
            path = Path(roots[0], _INSIDE[package], name) if roots else Path(name)
            if not path.is_file():
                raise InputError(
                    f"photograph '{name}' of {package}",
                    given=f"no file {path}",
                    allowed="the file from the package's wheel",
                    remedy="Reinstall: pip install --force-reinstall scikit-image scikit-learn",
                )
            found.append(Photograph(path.stem, path))
    return tuple(found)


def read_pixels(path: Path) -> NDArray[np.float64]:
    """Read a picture.

    Parameters
    ----------
    path : Path
        PNG, JPEG or TIFF, with one page. Transparency is dropped.

    Returns
    -------
    ndarray of float64, shape (height, width) or (height, width, 3)
        Integer pixels scaled to [0, 1]; floating-point ones as they are.

    Raises
    ------
    InputError
        The file is damaged, is no picture, or has more than one page.
    """
    allowed = "a readable PNG, JPEG or TIFF with one page, grey or RGB"
    try:
        pixels = _decode(path)
    except Exception as error:  # the decoders share no base class
        raise InputError(
            f"picture {path}",
            given=f"a file that can't be read ({type(error).__name__}: {error})",
            allowed=allowed,
            remedy="Replace or remove the file.",
        ) from error
    if pixels.ndim == 3 and pixels.shape[2] in {1, 2}:  # a TIFF in grey, or grey and alpha
        pixels = pixels[:, :, 0]
    elif pixels.ndim == 3 and pixels.shape[2] in {3, 4}:
        pixels = pixels[:, :, :3]
    if pixels.ndim not in {2, 3} or pixels.size == 0 or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise InputError(f"picture {path}", given=f"pixels of shape {pixels.shape}", allowed=allowed)
    values = pixels.astype(np.float64)
    if pixels.dtype.kind in "iu":
        values /= np.iinfo(str(pixels.dtype)).max
    if not np.isfinite(values).all():
        raise InputError(f"picture {path}", given="NaN or infinity", allowed="finite pixels")
    return values


def _decode(path: Path) -> NDArray[np.generic]:
    content = io.BytesIO(path.read_bytes())  # the decoders may keep a damaged file open
    if path.suffix.lower() in TIFF:
        import tifffile

        return np.asarray(tifffile.imread(content))
    from PIL import Image

    with Image.open(content) as picture:
        if picture.mode.startswith("I"):  # 16 bits a pixel; older versions of Pillow widen them to 32
            return np.asarray(picture).astype(np.uint16)
        return np.asarray(picture.convert("L" if picture.mode in {"1", "L", "LA"} else "RGB"))


def luminance(pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn colour into luminance, Y = 0.2125 R + 0.7154 G + 0.0721 B; grey stays as it is.

    Parameters
    ----------
    pixels : ndarray, shape (height, width) or (height, width, 3)
        Pixels as stored, that is gamma-compressed, as is usual in this field.

    Returns
    -------
    ndarray, shape (height, width)
    """
    return pixels @ LUMINANCE if pixels.ndim == 3 else pixels
