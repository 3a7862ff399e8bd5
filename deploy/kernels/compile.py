"""Further ways to compile parts of kernels, beside `spiking_pvae.compiling.compiled`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def inlined(function: Kernel) -> Kernel:
    """Compile a function into its callers, so that loops around it may run on vectors."""
    decorate: Any = njit(nogil=True, error_model="numpy", inline="always")
    kernel: Kernel = decorate(function)
    return kernel


def instruction(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function that writes LLVM instructions callable from kernels of its own file."""
    written: Callable[..., Any] = intrinsic(function)
    return written
