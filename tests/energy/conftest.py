from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from spiking_pvae.deploy.ir import ConstantThreshold, Dense, ExponentialThreshold, InputPort, Layer, Network, Readout
from spiking_pvae.deploy.record import LatentTally, SpikeRecord, Tally

MakeNetwork = Callable[..., Network]
MakeRecord = Callable[..., SpikeRecord]


def _layer(name: str, weight: np.ndarray, neuron: object) -> Layer:
    outputs = len(weight)
    return Layer(
        name=name,
        shape=(outputs,),
        synapse=Dense(weight=weight.astype(np.int8), exponent=0, bits=8),
        bias=None,
        neuron=neuron,  # type: ignore[arg-type]
        scale=np.ones(outputs),
    )


def _poisson(size: int) -> ExponentialThreshold:
    ones = np.ones(size, np.int64)
    return ExponentialThreshold(
        gain=ones,
        gain_shift=ones,
        table=np.array([256, 512], np.int32),
        table_low=0,
        rate=ones,
        rate_shift=ones,
        fraction=8,
        n_max=255,
        prior_rate=np.ones(size),
    )


@pytest.fixture(scope="session")
def make_network() -> MakeNetwork:
    """Build a chain from weight matrices: constant thresholds, then the Poisson layer, then the readout."""

    def make(*weights: np.ndarray) -> Network:
        hidden = [
            _layer(
                f"hidden{index}",
                weight,
                ConstantThreshold(mantissa=np.ones(len(weight), np.int32), n_max=255),
            )
            for index, weight in enumerate(weights[:-2])
        ]
        latent = _layer("latents", weights[-2], _poisson(len(weights[-2])))
        readout = _layer("readout", weights[-1], Readout())
        port = InputPort(shape=(1, 1, weights[0].shape[1]), bits=8, signed=True, scale=1.0)
        return Network(input=port, layers=(*hidden, latent, readout), beta=1.0)

    return make


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """Build a record of random counts for a network, with the counts of every sample for brute-force oracles."""

    def make(
        network: Network,
        *,
        blocks: tuple[int, ...] = (3, 2),
        seed: int = 0,
        schedule: str = "graded",
        counts: dict[str, np.ndarray] | None = None,
        kl: np.ndarray | None = None,
    ) -> SpikeRecord:
        rng = np.random.default_rng(seed)
        samples = sum(blocks)
        edges = np.concatenate([[0], np.cumsum(blocks)[:-1]])
        sizes = {"input": network.input.neurons} | {layer.name: layer.neurons for layer in network.layers}
        tallies = []
        for name, size in sizes.items():
            if counts is not None and name in counts:
                spikes = counts[name]
            elif name == "readout":
                spikes = np.zeros((samples, size), np.int64)
            else:
                spikes = rng.poisson(0.8, (samples, size)).astype(np.int64)
            messages = spikes if schedule == "unary" else (spikes > 0).astype(np.int64)
            steps = 0 if name == "input" else 1
            active = rng.integers(0, size + 1, samples) * steps
            tallies.append(
                Tally(
                    name=name,
                    spikes=np.add.reduceat(spikes, edges, axis=0),
                    events=np.add.reduceat(messages, edges, axis=0),
                    steps=steps,
                    active=np.add.reduceat(active, edges).astype(np.int64),
                )
            )
        latents = network.latent.neurons
        nats = rng.exponential(0.3, (len(blocks), latents)) if kl is None else kl
        return SpikeRecord(
            schedule=schedule,  # type: ignore[arg-type]
            steps=1,
            seed=seed,
            block_samples=np.array(blocks, np.int64),
            tallies=tuple(tallies),
            latent=LatentTally(rate=rng.exponential(1.0, (len(blocks), latents)), kl=nats),
            counts_sha256="",
        )

    return make
