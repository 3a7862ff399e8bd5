from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from joules import close

from spiking_pvae.deploy.ir import Conv2d
from spiking_pvae.deploy.mapping import cores_reached, neuron_cores, routes
from spiking_pvae.energy import CoreMesh, estimate, load_preset
from spiking_pvae.errors import InputError, LimitError, UnsupportedError

MESH = CoreMesh(neurons_per_core=2, cores_per_tile=1, columns=2, rows=3)


def walk(
    network: Any, mesh: CoreMesh, core: dict[str, list[int]] | None = None
) -> dict[str, list[tuple[int, int, int]]]:
    """Route synapse by synapse between given cores, or between cores numbered in the order of the flow."""
    if core is None:
        core, first = {"input": [0] * network.input.neurons}, 0
        for layer in network.layers:
            core[layer.name] = [first + i // mesh.neurons_per_core for i in range(layer.neurons)]
            first = core[layer.name][-1] + 1
    found, source = {}, "input"
    for layer in network.layers:
        rows = []
        for j, start in enumerate(core[source]):
            ends = {core[layer.name][i] for i in range(layer.neurons) if layer.synapse.weight[i, j] != 0}
            tiles = [divmod(end // mesh.cores_per_tile, mesh.columns) for end in ends]
            row, column = divmod(start // mesh.cores_per_tile, mesh.columns)
            rows.append((len(ends), sum(abs(c - column) for _, c in tiles), sum(abs(r - row) for r, _ in tiles)))
        found[source] = rows
        source = layer.name
    return found


def test_routes_equal_a_walk_over_single_synapses(make_network: Any) -> None:
    rng = np.random.default_rng(2)
    network = make_network(rng.integers(-1, 2, (4, 3)), rng.integers(-1, 2, (3, 4)), rng.integers(-1, 2, (3, 3)))
    found = routes(network, MESH)
    for name, rows in walk(network, MESH).items():
        route = found[name]
        triples = zip(route.packets, route.east_west, route.north_south, strict=True)
        assert [tuple(map(int, triple)) for triple in triples] == rows
    assert sum(route.east_west.sum() + route.north_south.sum() for route in found.values()) > 0


def hops(found: Any) -> int:
    return sum(int(route.east_west.sum() + route.north_south.sum()) for route in found.values())


@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 12), min_size=3, max_size=4),
    each=st.integers(1, 3),
    tile=st.integers(1, 2),
    columns=st.integers(1, 7),
)
def test_cores_placed_near_their_sources(
    make_network: Any, seed: int, sizes: list[int], each: int, tile: int, columns: int
) -> None:
    rng = np.random.default_rng(seed)
    mesh = CoreMesh(neurons_per_core=each, cores_per_tile=tile, columns=columns, rows=40)
    network = make_network(*(rng.integers(-1, 2, (after, before)) for before, after in itertools.pairwise(sizes)))
    cores = neuron_cores(network, mesh, "greedy")
    # No core is shared by populations, or by more neurons than it has room for.
    used = np.concatenate([np.unique(cores[layer.name]) for layer in network.layers])
    assert len(np.unique(used)) == len(used)
    assert max(np.bincount(cores[layer.name]).max() for layer in network.layers) <= each
    assert (cores["input"] == 0).all()
    found = routes(network, mesh, placement="greedy")
    for name, rows in walk(network, mesh, {name: list(map(int, places)) for name, places in cores.items()}).items():
        route = found[name]
        triples = zip(route.packets, route.east_west, route.north_south, strict=True)
        assert [tuple(map(int, triple)) for triple in triples] == rows
    by_rows = routes(network, mesh)
    assert hops(found) <= hops(by_rows)
    assert [(found[name].packets == by_rows[name].packets).all() for name in found] == [True] * len(found)


def test_a_wide_mesh_is_shorter_by_far_when_cores_stand_near(make_network: Any) -> None:
    """48 cores of one population all spoken to from the first tile: a row of them against a triangle in the corner."""
    mesh = CoreMesh(neurons_per_core=1, cores_per_tile=1, columns=48, rows=48)
    network = make_network(np.ones((48, 1)), np.ones((1, 48)))
    row = hops(routes(network, mesh))
    near = hops(routes(network, mesh, placement="greedy"))
    assert near < row / 2


def test_cores_stand_near_what_is_counted(make_network: Any) -> None:
    """Where messages go to weights of 0 too, the shorter way is that of all messages."""
    rng = np.random.default_rng(25)
    mesh = CoreMesh(neurons_per_core=1, cores_per_tile=1, columns=4, rows=12)
    network = make_network(*(rng.integers(0, 2, shape) for shape in ((6, 4), (6, 6), (4, 6))))
    near, row = (
        routes(network, mesh, placement=placement, skip_zero_weights=False) for placement in ("greedy", "rows")
    )
    assert hops(near) < hops(row)


@settings(max_examples=15)
@given(
    seed=st.integers(0, 1000),
    shift=st.tuples(st.integers(1, 2), st.integers(0, 2), st.integers(1, 2)),
    groups=st.sampled_from([1, 2]),
    per_core=st.integers(1, 7),
)
def test_a_convolution_reaches_the_cores_of_its_matrix(
    seed: int, shift: tuple[int, int, int], groups: int, per_core: int
) -> None:
    stride, padding, dilation = shift
    weight = np.random.default_rng(seed).integers(-1, 2, (4, 4 // groups, 2, 3)).astype(np.int8)
    synapse = Conv2d(
        weight=weight, exponent=0, bits=8, input_shape=(4, 6, 7), stride=(stride, 1), padding=(padding, 1),
        dilation=(dilation, 1), groups=groups,
    )  # fmt: skip
    # Oracle: the gradient of |conv| weights gives which outputs an input reaches.
    unit = torch.eye(4 * 6 * 7, dtype=torch.float64).reshape(-1, 4, 6, 7)
    matrix = torch.nn.functional.conv2d(
        unit, torch.from_numpy(np.abs(weight).astype(float)), stride=(stride, 1), padding=(padding, 1),
        dilation=(dilation, 1), groups=groups,
    ).flatten(1).numpy()  # fmt: skip
    expected = [[row[i : i + per_core].any() for i in range(0, matrix.shape[1], per_core)] for row in matrix]
    assert cores_reached(synapse, per_core).tolist() == expected


def test_hops_and_packets_by_hand(make_network: Any, make_record: Any) -> None:
    # Two latents on core 0 (tile 0), four readouts on cores 1 and 2 (tiles 1 and 2 of a row of three). A message of
    # latent 0 reaches both cores, 1 + 2 hops east; one of latent 1 reaches the last, 2 hops.
    network = make_network(np.ones((2, 1)), np.array([[1, 0], [1, 0], [1, 0], [1, 1]]))
    counts = {"input": np.array([[1]]), "latents": np.array([[1, 3]])}
    record = make_record(network, blocks=(1,), counts=counts)
    preset = load_preset("loihi_davies2018")
    mesh = CoreMesh(neurons_per_core=2, cores_per_tile=1, columns=3, rows=1)
    report = estimate(network, record, replace(preset, mesh=mesh))
    assert report.by_term["hop_east_west"].value == close((1 + 2 + 2) * 3.0e-12)
    assert report.by_term["hop_north_south"].value == 0
    assert report.by_term["message"].value == close((1 + 2 + 1) * 1.7e-12)
    each = [2 * 1.7 + 3 * 3.0 + 4 * 23.6, 1.7 + 2 * 3.0 + 23.6]
    assert report.latents.joules == close(np.array(each) * 1e-12)
    assert any("Packets and hops" in note for note in report.notes)


def test_without_a_mesh_hops_are_named_as_left_out(make_network: Any, make_record: Any) -> None:
    network = make_network(np.ones((3, 4)), np.ones((4, 3)))
    record = make_record(network)
    preset = load_preset("loihi_davies2018")
    for report in (
        estimate(network, record, preset, mapping="none"),
        estimate(network, record, replace(preset, mesh=None)),
    ):
        assert "mesh" in report.not_counted["hop_east_west"]
        assert "hop_east_west" not in report.by_term
    assert "hop_east_west" not in estimate(network, record, preset).not_counted


def test_hops_without_a_price_are_refused_by_name(make_network: Any, make_record: Any) -> None:
    network = make_network(np.ones((3, 4)), np.ones((4, 3)))
    preset = load_preset("loihi_davies2018")
    terms = {name: price for name, price in preset.terms.items() if name != "hop_east_west"}
    near = CoreMesh(neurons_per_core=1, cores_per_tile=1, columns=8, rows=8)
    with pytest.raises(InputError, match="'hop_east_west'"):
        estimate(network, make_record(network), replace(preset, terms=terms, mesh=near))


def test_a_mesh_too_small_is_a_limit(make_network: Any, make_record: Any) -> None:
    network = make_network(np.ones((3, 4)), np.ones((4, 3)))
    small = replace(
        load_preset("loihi_davies2018"), mesh=CoreMesh(neurons_per_core=1, cores_per_tile=1, columns=2, rows=2)
    )
    with pytest.raises(LimitError, match="4 cores of 1 neurons") as refused:
        estimate(network, make_record(network), small)
    # Exports are refused by the same message, and have no such option.
    assert "--mapping" not in str(refused.value)
    with pytest.raises(InputError, match="columns"):
        CoreMesh(neurons_per_core=1, cores_per_tile=1, columns=0, rows=2)


def test_unknown_synapses_are_refused() -> None:
    class Wormhole: ...

    with pytest.raises(UnsupportedError, match="'Wormhole'"):
        cores_reached(Wormhole(), 4)
