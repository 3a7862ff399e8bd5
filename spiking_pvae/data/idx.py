"""The IDX format: a typed header, then the values in big-endian order.

A file starts with two zero bytes, a byte for the type, a byte for the number of dimensions, and one 32-bit size a
dimension (Y. LeCun, The MNIST database, "file format").
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.errors import InputError

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_GZIP = b"\x1f\x8b"


def looks_like_idx(path: Path) -> bool:
    """Tell whether a file's name or first bytes promise IDX, gzipped or not."""
    if "idx" in path.name.lower() or path.suffix.lower() == ".gz":
        return True
    with path.open("rb") as file:
        start = file.read(4)
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in _TYPES


def read_idx(path: Path) -> NDArray[np.generic]:
    """Read an IDX file.

    Parameters
    ----------
    path : Path
        The file; gzipped content is told by its first bytes, not by its name.

    Returns
    -------
    ndarray
        Values in native byte order.

    Raises
    ------
    InputError
        The file is damaged, truncated, too long, or no IDX file.
    """
    content = path.read_bytes()
    if content.startswith(_GZIP) or path.suffix.lower() == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise _damaged(path, f"damaged gzip data ({error})") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES or not content[3]:
        raise _damaged(path, f"a file that starts with {content[:4].hex(' ') or 'nothing'}")
    dtype = np.dtype(_TYPES[content[2]])
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise _damaged(path, "a header that ends early")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    needed = math.prod(shape) * dtype.itemsize
    if len(content) - start != needed:
        raise _damaged(path, f"{len(content) - start} bytes of values where the header {shape} asks for {needed}")
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def _damaged(path: Path, given: str) -> InputError:
    return InputError(
        f"IDX file {path}",
        given=given,
        allowed="0 0, type (8, 9, b, c, d or e), number of dimensions, sizes, values; gzipped or not",
        remedy="Copy or download the file again.",
    )
