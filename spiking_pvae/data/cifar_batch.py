"""The batch files of CIFAR-10: pickles of Python 2, read without running any code they name."""

from __future__ import annotations

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.errors import InputError

_ROW = 3 * 32 * 32


class _Type:
    """Stands for ``numpy.dtype``: keeps the name of the type."""

    def __init__(self, name: bytes, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        """Byte order and the like mean nothing for single bytes."""


class _Array:
    """Stands for ``numpy.ndarray``: keeps the state that NumPy would build an array from."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.type, self.fortran, self.raw = state

    def pixels(self) -> NDArray[np.uint8]:
        if self.type.name not in {b"u1", b"|u1"} or self.fortran or not isinstance(self.raw, bytes):
            raise ValueError("the array is not of bytes in C order")
        count, row = self.shape
        if row != _ROW or count < 1 or len(self.raw) != math.prod(self.shape):
            raise ValueError(f"the array has shape {self.shape}")
        return np.frombuffer(self.raw, np.uint8).reshape(count, 3, 32, 32)


def _rebuild(*_: object) -> _Array:
    return _Array()


_PERMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _rebuild,
    ("numpy._core.multiarray", "_reconstruct"): _rebuild,
}


class _PlainUnpickler(pickle.Unpickler):
    """Builds plain values and the stand-ins above; a pickle that names anything else is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PERMITTED:
            raise pickle.UnpicklingError(f"the file asks for {module}.{name}")
        return _PERMITTED[module, name]


def read_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read one batch file.

    Parameters
    ----------
    path : Path
        ``data_batch_1`` and the like, of the "python version" of CIFAR-10.

    Returns
    -------
    images : ndarray of uint8, shape (samples, 3, 32, 32)
    labels : ndarray of int64, shape (samples,)

    Raises
    ------
    InputError
        The file is damaged or foreign.
    """
    try:
        content = _PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
        images = content[b"data"].pixels()
        labels = np.array(content[b"labels"], np.int64)
        if labels.shape != images.shape[:1]:
            raise ValueError(f"{labels.size} labels for {len(images)} images")
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise InputError(
            f"CIFAR-10 batch {path}",
            given=f"content that can't be read ({type(error).__name__}: {error})",
            allowed="a batch file of the python version of CIFAR-10",
            remedy="Unpack cifar-10-python.tar.gz again.",
        ) from error
    return images, labels
