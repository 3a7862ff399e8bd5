"""What runs a batch: the backends behind one signature."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.deploy.reference import LayerOutput
from spiking_pvae.errors import InputError

BackendName = Literal["auto", "numba", "reference"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)


class Runner(Protocol):
    """Runs a batch of encoded images through one network; the same counts on every backend."""

    def __call__(
        self,
        messages: NDArray[np.int64],
        *,
        seed: int,
        first_sample: int,
        schedule: Schedule,
        steps: int,
        rasters: Container[str] = (),
    ) -> tuple[LayerOutput, ...]:
        """Return one output a layer, with the raster of those that `rasters` names."""


def runner(network: Network, name: BackendName = "auto", threads: int | None = None) -> Runner:
    """Prepare a network for a backend.

    Parameters
    ----------
    network : Network
    name : {"auto", "numba", "reference"}
        ``auto`` is the fastest, numba.
    threads : int, optional
        Threads of the compiled backend; the processors of this process if not given.

    Raises
    ------
    InputError
        There is no such backend, or no thread.
    """
    if threads is not None and threads < 1:
        raise InputError("threads", given=threads, allowed="at least 1")
    if name == "reference":
        from spiking_pvae.deploy.reference import run

        return partial(run, network)
    if name in {"auto", "numba"}:
        from spiking_pvae.deploy.compiled import CompiledNetwork

        return CompiledNetwork(network, threads)
    raise InputError("backend", given=repr(name), allowed=", ".join(BACKENDS))


def used(name: BackendName) -> BackendName:
    """Return the backend that computes."""
    return "numba" if name == "auto" else name
