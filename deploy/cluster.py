"""A simulation on a Dask cluster: chunks of samples to workers, parts back, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from spiking_pvae.dask_client import connect
from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.parts import Part, Plan, run_part
from spiking_pvae.deploy.runner import BackendName, Runner, runner
from spiking_pvae.types import FloatArray

if TYPE_CHECKING:
    from spiking_pvae.deploy.joining import ImageSource

CONNECT_S = "10s"
RETRIES = 3
"""How often a chunk is started again, on any worker, before its error is the user's."""
AHEAD = 4
"""Chunks under way for each thread of the cluster: bounded memory, no idle worker."""


def run_on_cluster(
    network: Network,
    images: ImageSource,
    chunks: Sequence[tuple[int, int]],
    *,
    plan: Plan,
    backend_name: BackendName,
    address: str,
) -> Iterator[Part]:
    """Run chunks on the workers of a scheduler and yield their parts in order.

    A chunk whose worker is lost runs again on another; draws are keyed by sample, so that its result is the same.

    Raises
    ------
    InputError
        Dask is not installed, or no scheduler answers.
    """
    client = connect(address, CONNECT_S)
    with client:
        limit = AHEAD * max(1, sum(client.nthreads().values()))
        waiting: list[Any] = []
        # A task's result, unlike data that is scattered, is made again when the worker that holds it is lost.
        shared = client.submit(_held, network, pure=False)
        for start, stop in chunks:
            if len(waiting) == limit:
                yield waiting.pop(0).result()
            waiting.append(
                client.submit(_run, shared, images[start:stop], start, plan, backend_name, retries=RETRIES, pure=False)
            )
        for task in waiting:
            yield task.result()


def _held(network: Network) -> Network:
    """Be the task whose result workers keep, so that the network travels once to each and not with every chunk."""
    return network


@lru_cache(maxsize=1)
def _laid_out(network: Network, backend_name: BackendName) -> Runner:
    """Lay a network out for the kernels once a worker; its threads may share it."""
    return runner(network, backend_name, 1)


def _run(network: Network, images: FloatArray, first_sample: int, plan: Plan, backend_name: BackendName) -> Part:
    """Run one chunk on a worker, which has a thread of its own for it."""
    return run_part(network, images, first_sample, plan, _laid_out(network, backend_name))
