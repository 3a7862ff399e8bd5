"""From a name or a path to a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from spiking_pvae.data.arrays import load_array_file
from spiking_pvae.data.cifar import load_cifar16
from spiking_pvae.data.digits import load_digits, load_mnist5k
from spiking_pvae.data.entries import PATHS
from spiking_pvae.data.folder import load_image_folder
from spiking_pvae.data.idx import looks_like_idx
from spiking_pvae.data.idx_sets import has_idx_files, load_idx_file, load_idx_folder, load_named
from spiking_pvae.data.natural import load_natural
from spiking_pvae.errors import InputError
from spiking_pvae.types import Dataset

_LOADERS: Mapping[str, Callable[[Mapping[str, Any]], Dataset]] = {
    "natural": load_natural,
    "digits": load_digits,
    "mnist5k": load_mnist5k,
    "mnist": partial(load_named, "mnist"),
    "fashion-mnist": partial(load_named, "fashion-mnist"),
    "cifar16": load_cifar16,
}


def load(name_or_path: str | Path = "natural", **options: Any) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name_or_path : str or Path
        A name of the catalogue, or a path: a .npy or .npz file, an IDX file or folder, a folder of images. A file or
        folder that is called like a set is reached as a Path, or as ``./name``.
    **options
        ``natural`` and folders of photographs: the fields of `NaturalConfig`. ``mnist``, ``fashion-mnist`` and
        ``cifar16``: ``folder``. Arrays, IDX files and folders of small images: ``seed``, of the 80/20 split.

    Returns
    -------
    Dataset
        Training and validation images share no pixel of their source.

    Raises
    ------
    InputError
        An unknown name, a missing or damaged file, images that can't be used, or an unknown option.

    Examples
    --------
    >>> load("digits").shape
    (1, 8, 8)
    """
    if isinstance(name_or_path, str) and name_or_path in _LOADERS:
        return _LOADERS[name_or_path](options)
    if not isinstance(name_or_path, str | Path) or not str(name_or_path).strip():
        raise _unknown(name_or_path)
    path = Path(name_or_path).expanduser()
    try:
        return _load_path(path, name_or_path, options)
    except OSError as error:  # a file that may not be read, a name too long for the file system
        raise InputError(
            f"data {path}",
            given=f"a path that can't be read ({error.strerror or error})",
            allowed=f"readable files: {PATHS}",
        ) from error


def _load_path(path: Path, given: str | Path, options: Mapping[str, Any]) -> Dataset:
    if path.is_dir():
        return load_idx_folder(path, options) if has_idx_files(path) else load_image_folder(path, options)
    if not path.exists():
        raise _unknown(given)
    if path.suffix.lower() in {".npy", ".npz"}:
        return load_array_file(path, options)
    if looks_like_idx(path):
        return load_idx_file(path, options)
    raise InputError(f"data file {path}", given=f"a file of type '{path.suffix}'", allowed=PATHS)


def _unknown(given: str | Path) -> InputError:
    names = ", ".join(_LOADERS)
    near = get_close_matches(str(given).lower(), _LOADERS, n=1)
    return InputError(
        "data set",
        given=f"'{given}', which is no known name and no existing path",
        allowed=f"{names}; or {PATHS}",
        remedy=f"Did you mean '{near[0]}'?" if near else "Check the spelling of the path.",
    )
