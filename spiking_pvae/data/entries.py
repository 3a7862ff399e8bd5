"""The catalogue of sets that have a name."""

from __future__ import annotations

from dataclasses import dataclass

from spiking_pvae.data import cifar, digits, natural
from spiking_pvae.data.idx_sets import DOWNLOADS, download_folder
from spiking_pvae.data.photographs import bundled_photographs
from spiking_pvae.errors import InputError
from spiking_pvae.types import ImageShape

PATHS = (
    "a .npy or .npz file, an IDX file (gzipped or not), a folder of IDX files, or a folder of images (PNG, JPEG, TIFF)"
)
"""What may stand in place of a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A set of the catalogue.

    Parameters
    ----------
    name : str
        Name to load it by.
    description : str
        What it shows.
    source : str
        Where it comes from.
    licence : str
        Licence of its images.
    shape : tuple of int
        Channels, height and width of one image, with default options.
    available : bool
        Whether it loads on this machine without a download or a folder.
    how : str
        How to get it.
    """

    name: str
    description: str
    source: str
    licence: str
    shape: ImageShape
    available: bool
    how: str


def catalog() -> tuple[Entry, ...]:
    """List the sets that have a name, the default first; none is read.

    Returns
    -------
    tuple of Entry
    """
    return (
        Entry(
            name="natural",
            description="16 x 16 whitened, contrast-normalised patches of 10 photographs and textures",
            source=natural.SOURCE,
            licence=natural.LICENCE,
            shape=(1, 16, 16),
            available=_has_photographs(),
            how="Comes with the installation.",
        ),
        Entry(
            name="digits",
            description="1,797 handwritten digits, 8 x 8, with classes",
            source=digits.DIGITS_SOURCE,
            licence=digits.DIGITS_LICENCE,
            shape=(1, 8, 8),
            available=True,
            how="Comes with the installation.",
        ),
        Entry(
            name="mnist5k",
            description="5,000 MNIST digits, 28 x 28, 500 of each class",
            source=digits.MNIST5K_SOURCE,
            licence=digits.MNIST5K_LICENCE,
            shape=(1, 28, 28),
            available=digits.mnist5k_file() is not None,
            how=digits.INSTALL_MNIST5K,
        ),
        _idx_entry("mnist", "70,000 handwritten digits, 28 x 28, with classes"),
        _idx_entry("fashion-mnist", "70,000 pictures of clothing, 28 x 28, with classes"),
        Entry(
            name="cifar16",
            description=f"16 x 16 patches of CIFAR-10 in luminance, one an image. {cifar.CAVEAT}",
            source=cifar.SOURCE,
            licence=cifar.LICENCE,
            shape=(1, 16, 16),
            available=False,
            how="Unpack cifar-10-python.tar.gz and name its folder with the option folder.",
        ),
    )


def _idx_entry(name: str, description: str) -> Entry:
    origin = DOWNLOADS[name]
    folder = download_folder(name)
    return Entry(
        name=name,
        description=description,
        source=origin.url,
        licence=origin.licence,
        shape=(1, 28, 28),
        available=all((folder / file).is_file() for file in origin.sha256),
        how="Downloaded and checked on first use, or name a folder of its four IDX files with the option folder.",
    )


def _has_photographs() -> bool:
    try:
        bundled_photographs()
    except InputError:
        return False
    return True
