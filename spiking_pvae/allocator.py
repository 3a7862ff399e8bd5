"""Freed memory stays with the process.

A training step frees and asks again for arrays of megabytes. The C library hands such memory back to the system at
once, and every new page then costs a fault, in every step anew.
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt(3)
_KEEP_BYTES = 2**30


def keep_freed_memory() -> bool:
    """Tell the C library to keep up to 1 GiB of what is freed; False where it has no such setting."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return all(mallopt(option, _KEEP_BYTES) == 1 for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD))
