"""Prepared images on disk: written atomically, never pickled, rebuilt where damaged."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import numpy as np

from spiking_pvae.types import FloatArray

Arrays = tuple[FloatArray, ...]


def cache_folder() -> Path:
    """Return the folder of the cache: ``SPIKING_PVAE_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("SPIKING_PVAE_CACHE")
    if chosen:
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("spiking-pvae"))


def read(key: str) -> Arrays | None:
    """Read the arrays stored under `key`.

    Parameters
    ----------
    key : str
        Hash of the recipe.

    Returns
    -------
    tuple of ndarray of float32, or None
        None where nothing is stored or where the file is damaged: the caller builds the arrays anew.
    """
    try:
        with _path(key).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = tuple(stored[str(index)] for index in range(len(stored.files)))
    # zipfile compares each member's CRC-32, so a flipped byte is seen; where it lies decides which of a dozen unrelated
    # exceptions tells so, and each of them means the same: build anew.
    except Exception:
        return None
    sound = all(array.dtype == np.float32 and array.size and np.isfinite(array).all() for array in arrays)
    return arrays if arrays and sound else None


def write(key: str, arrays: Arrays) -> None:
    """Store arrays under `key`, all or nothing; a folder that can't be written only means no cache.

    Parameters
    ----------
    key : str
        Hash of the recipe.
    arrays : tuple of ndarray of float32
        What to store.
    """
    path = _path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Each writer has a file of its own: with two at once, the last whole file wins.
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
    except OSError:
        return
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **{str(index): array for index, array in enumerate(arrays)})
        os.replace(temporary, path)
    except OSError:
        return
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _path(key: str) -> Path:
    return cache_folder() / "images" / f"{key}.npz"
