"""Simulate an integer network on the CPU: images in, a `SpikeRecord` out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.accounting import active_updates, population, rates_and_divergence, update_steps
from spiking_pvae.deploy.ir import ExponentialThreshold, Network
from spiking_pvae.deploy.record import LatentTally, Schedule, SpikeRecord, Tally, Trace
from spiking_pvae.deploy.reference import LayerOutput
from spiking_pvae.deploy.streaming import delivered
from spiking_pvae.errors import InputError
from spiking_pvae.types import FloatArray

Int64 = NDArray[np.int64]
BackendName = Literal["auto", "numba", "reference"]
BACKENDS: tuple[BackendName, ...] = get_args(BackendName)

MOST_BLOCKS = 2048
"""A record keeps its sums for at most this many blocks of samples."""
DEFAULT_STEPS = 32
CHUNK = 512


class Runner(Protocol):
    """Runs a batch of encoded images through one network; the same counts on every backend."""

    def __call__(
        self, messages: Int64, *, seed: int, first_sample: int, schedule: Schedule, steps: int
    ) -> tuple[LayerOutput, ...]:
        """Return one output a layer."""


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
        from spiking_pvae.deploy.compiled import compile_network

        return compile_network(network, threads)
    raise InputError("backend", given=repr(name), allowed=", ".join(BACKENDS))


def _chunks(samples: int, size: int, block: int) -> Iterator[tuple[int, int]]:
    """Split samples into chunks of about `size` that end where blocks end."""
    stride = max(block, size // block * block)
    for start in range(0, samples, stride):
        yield start, min(start + stride, samples)


def simulate(
    network: Network,
    images: FloatArray,
    *,
    seed: int = 0,
    schedule: Schedule = "graded",
    steps: int = DEFAULT_STEPS,
    backend_name: BackendName = "auto",
    threads: int | None = None,
    batch: int = CHUNK,
    keep: Sequence[str] = (),
    report: Callable[[int, int], None] | None = None,
) -> SpikeRecord:
    """Run images through an integer network and count what happens.

    Parameters
    ----------
    network : Network
    images : ndarray of float32, shape (samples, channels, height, width)
    seed : int
        Seed of the exponential thresholds; with the sample's index it determines every spike.
    schedule : {"graded", "unary", "streaming"}
        Counts as payloads in one step, as single spikes layer after layer over `steps` steps each, or all layers at
        once over `steps` steps (`spiking_pvae.deploy.streaming`).
    steps : int
        Steps T of a firing phase in the unary schedule, of the presentation in the streaming one.
    backend_name : {"auto", "numba", "reference"}
        What computes; ``auto`` is numba.
    threads : int, optional
        Threads of the compiled backend, all processors if not given; has no influence on the result.
    batch : int
        Samples at once; has no influence on the result.
    keep : sequence of str
        Layers whose counts and charges are kept for every sample.
    report : callable, optional
        Called with the samples done and all samples.

    Returns
    -------
    SpikeRecord

    Raises
    ------
    InputError
        No images, a wrong shape, an unknown layer or a bad number.
    LimitError
        A sum leaves the 24-bit membrane.
    """
    if len(images) == 0:
        raise InputError("images", given="none", allowed="at least one")
    if steps < 1 or batch < 1 or not 0 <= seed < 2**64:
        raise InputError(
            "simulation",
            given=f"steps {steps}, batch {batch}, seed {seed}",
            allowed="steps and batch of at least 1, a seed of 0 .. 2^64 - 1",
        )
    names = [layer.name for layer in network.layers]
    if unknown := set(keep) - set(names):
        raise InputError("layers to keep", given=", ".join(sorted(unknown)), allowed=", ".join(names))
    run = runner(network, backend_name, threads)
    block = -(-len(images) // MOST_BLOCKS)
    latent = names.index(network.latent.name)
    neuron = network.latent.neuron
    assert isinstance(neuron, ExponentialThreshold)

    digest = hashlib.sha256()
    spikes: list[list[Int64]] = [[] for _ in range(len(names) + 1)]
    events: list[list[Int64]] = [[] for _ in range(len(names) + 1)]
    active: list[list[Int64]] = [[] for _ in names]
    rate: list[NDArray[np.float64]] = []
    divergence: list[NDArray[np.float64]] = []
    kept: dict[str, list[LayerOutput]] = {name: [] for name in keep}
    for start, stop in _chunks(len(images), batch, block):
        messages = network.input.encode(images[start:stop])
        outputs = run(messages, seed=seed, first_sample=start, schedule=schedule, steps=steps)
        digest.update(np.ascontiguousarray(outputs[latent].counts, "<i4").data)
        sent_in = delivered(network, messages, steps) if schedule == "streaming" else messages
        populations: list[NDArray[np.signedinteger[Any]]] = [sent_in, *(output.counts for output in outputs)]
        for index, counts in enumerate(populations):
            fired, sent = population(counts, schedule, block)
            spikes[index].append(fired)
            events[index].append(sent)
        for index, layer in enumerate(network.layers):
            source, own = populations[index : index + 2]
            counted = outputs[index].active
            active[index].append(
                active_updates(layer, source, own, schedule, block)
                if counted is None
                else np.add.reduceat(counted, np.arange(0, len(counted), block))
            )
        rates, nats = rates_and_divergence(neuron, outputs[latent].charge, block)
        rate.append(rates)
        divergence.append(nats)
        for name, outputs_kept in kept.items():
            outputs_kept.append(outputs[names.index(name)])
        if report is not None:
            report(stop, len(images))

    durations = (0, *update_steps(network, schedule, steps))
    blocks = -(-len(images) // block)
    all_active = [np.zeros(blocks, np.int64), *map(np.concatenate, active)]
    return SpikeRecord(
        schedule=schedule,
        steps=1 if schedule == "graded" else steps,
        seed=seed,
        block_samples=np.minimum(block, len(images) - block * np.arange(blocks, dtype=np.int64)),
        tallies=tuple(
            Tally(
                name=name,
                spikes=np.concatenate(spikes[index]),
                events=np.concatenate(events[index]),
                steps=durations[index],
                active=all_active[index],
            )
            for index, name in enumerate(["input", *names])
        ),
        latent=LatentTally(rate=np.concatenate(rate), kl=np.concatenate(divergence)),
        counts_sha256=digest.hexdigest(),
        traces={
            name: Trace(
                counts=np.concatenate([output.counts for output in parts]).astype(np.int32),
                charge=np.concatenate([output.charge for output in parts]).astype(np.int64),
            )
            for name, parts in kept.items()
        },
    )
