"""Unary counts against SANA-FE, exactly: spikes, synaptic operations, packets and hops. Missing, it is a failure.

SANA-FE simulates the exported network spike by spike on a mesh of small cores, so that messages have a way to go; ours
are the counts that `spiking_pvae.energy` prices.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from networks import random_network, trained_network

from spiking_pvae.deploy import Network, simulate
from spiking_pvae.deploy.export import write_files
from spiking_pvae.deploy.exporters.sanafe_export import write
from spiking_pvae.deploy.hosts import SANAFE
from spiking_pvae.deploy.loaders import load_sanafe
from spiking_pvae.deploy.mapping import routes
from spiking_pvae.energy import CoreMesh, count
from spiking_pvae.types import FloatArray

STEPS = 12
SAMPLES = 3
SEED = 5
MESH = CoreMesh(neurons_per_core=10, cores_per_tile=2, columns=6, rows=8)
CASES = {
    "dense": ("random", 0, False, 0.0),
    "dense, half zeros": ("random", 1, False, 0.5),
    "convolutional": ("random", 2, True, 0.0),
    "convolutional, 40% zeros": ("random", 3, True, 0.4),
    "trained": ("trained", "linear", False),
    "trained and pruned": ("trained", "linear", True),
}


def build(kind: str, *rest: object) -> tuple[Network, FloatArray]:
    """Return a network of the other cross-checks."""
    if kind == "trained":
        return trained_network(rest[0], pruned=bool(rest[1]))  # type: ignore[arg-type]
    return random_network(rest[0], convolutional=rest[1], zeros=rest[2])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CASES)
def test_spikes_synops_packets_and_hops_equal_sanafe(name: str) -> None:
    network, images = build(*CASES[name])
    images = images[:SAMPLES]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        manifest = write_files(network, "sanafe", folder, schedule="unary", steps=STEPS)
        write(network, folder, schedule="unary", steps=STEPS, mesh=MESH)
        assert SANAFE.version("sanafe") is not None, "SANA-FE is missing: make crosscheck installs it"
        found = load_sanafe(folder, manifest)(network.input.encode(images), seed=SEED, first_sample=0)
    record = simulate(network, images, seed=SEED, schedule="unary", steps=STEPS)
    ops = count(network, record)
    traced = routes(network, MESH)
    hops = 0
    for (source, route), tally, layer in zip(traced.items(), record.tallies, ops.layers[1:], strict=False):
        spikes = tally.spikes.sum(axis=0)
        assert (found[source]["count"].sum(axis=0) == spikes).all()
        assert int(found[source]["synops"].sum()) == int(layer.spike_synops.sum()) == int(layer.event_synops.sum())
        assert int(found[source]["packets"].sum()) == int(spikes @ route.packets)
        assert int(found[source]["hops"].sum()) == int(spikes @ (route.east_west + route.north_south))
        hops += int(found[source]["hops"].sum())
    assert hops > 0
