"""How kernels are compiled: on first use, without the interpreter's lock, kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Compile a function for the types it is called with.

    Divisions are not checked for zero: the check would keep a loop from running on vectors.
    """
    decorate: Any = njit(nogil=True, cache=True, error_model="numpy")
    kernel: Kernel = decorate(function)
    return kernel
