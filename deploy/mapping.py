"""A simple core mapping: where populations sit on a mesh of cores, and how far their messages travel.

Every layer takes whole cores, in the order of the flow and of its neurons, `neurons_per_core` at a time. The input
enters at the first tile. A message goes once to every core that holds a synapse of its neuron (a packet), first along
its row, then along its column:

    hops = |column - column'| east-west + |row - row'| north-south

Two ways to place the cores are known. ``rows``, a naive compiler's: cores fill tiles, tiles fill the mesh row by row.
``greedy``: one core after the other takes the free place from which the messages of one spike of every neuron before it
have the shortest way; where rows are no longer they are kept. A limit on synaptic memory may spread a layer over more
cores than this mapping does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import singledispatch
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.ir import Conv2d, Dense, Network, Sparse
from spiking_pvae.errors import InputError, LimitError, UnsupportedError

Int64 = NDArray[np.int64]
Placement = Literal["rows", "greedy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CoreMesh:
    """Cores of one chip: `columns` x `rows` tiles of `cores_per_tile` cores of `neurons_per_core` neurons."""

    neurons_per_core: int
    cores_per_tile: int
    columns: int
    rows: int

    def __post_init__(self) -> None:
        for item in fields(self):
            if getattr(self, item.name) < 1:
                raise InputError(item.name, given=getattr(self, item.name), allowed="an integer of at least 1")

    @property
    def cores(self) -> int:
        """Cores of the chip."""
        return self.cores_per_tile * self.columns * self.rows

    def place(self, cores: Int64) -> tuple[Int64, Int64]:
        """Return column and row of the tile of each core."""
        tile = cores // self.cores_per_tile
        return tile % self.columns, tile // self.columns


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Routes:
    """What one message of each neuron of a population causes; int64 of shape (neurons,).

    Parameters
    ----------
    packets : ndarray
        Cores that it reaches.
    east_west, north_south : ndarray
        Tile borders that it crosses on the way to them.
    """

    packets: Int64
    east_west: Int64
    north_south: Int64


@singledispatch
def cores_reached(synapse: object, neurons_per_core: int, *, skip_zero_weights: bool = True) -> NDArray[np.bool_]:
    """Return which cores of the layer hold a synapse of each source neuron.

    Parameters
    ----------
    synapse : Synapse
        Connections of the layer.
    neurons_per_core : int
    skip_zero_weights : bool
        Whether a synapse of weight 0 is absent.

    Returns
    -------
    ndarray of bool, shape (inputs, cores of the layer)

    Raises
    ------
    UnsupportedError
        Nothing is known of this type of synapse.
    """
    raise UnsupportedError(
        f"The core mapping of synapses of type '{type(synapse).__name__}'", nearest="Dense, Sparse, Conv2d"
    )


@cores_reached.register
def _(synapse: Dense, neurons_per_core: int, *, skip_zero_weights: bool = True) -> NDArray[np.bool_]:
    stored = synapse.weight != 0 if skip_zero_weights else np.ones_like(synapse.weight, bool)
    starts = np.arange(0, len(stored), neurons_per_core)
    return np.logical_or.reduceat(stored, starts, axis=0).T


@cores_reached.register
def _(synapse: Sparse, neurons_per_core: int, *, skip_zero_weights: bool = True) -> NDArray[np.bool_]:
    reached = np.zeros((synapse.inputs, -(-synapse.outputs // neurons_per_core)), bool)
    reached[synapse.sources, synapse.targets.astype(np.int64) // neurons_per_core] = True
    return reached if skip_zero_weights else np.ones_like(reached)


@cores_reached.register
def _(synapse: Conv2d, neurons_per_core: int, *, skip_zero_weights: bool = True) -> NDArray[np.bool_]:
    outputs, group_inputs, kernel_rows, kernel_columns = synapse.weight.shape
    channels, height, width = synapse.input_shape
    _, out_height, out_width = synapse.output_shape
    core = np.arange(synapse.outputs).reshape(synapse.output_shape) // neurons_per_core
    reached = np.zeros((channels, height, width, int(core.max()) + 1), bool)
    for o, c, i, j in np.ndindex(outputs, group_inputs, kernel_rows, kernel_columns):
        if skip_zero_weights and synapse.weight[o, c, i, j] == 0:
            continue
        channel = o // (outputs // synapse.groups) * group_inputs + c
        y = np.arange(out_height) * synapse.stride[0] - synapse.padding[0] + i * synapse.dilation[0]
        x = np.arange(out_width) * synapse.stride[1] - synapse.padding[1] + j * synapse.dilation[1]
        rows, columns = np.flatnonzero((y >= 0) & (y < height)), np.flatnonzero((x >= 0) & (x < width))
        reached[channel, y[rows][:, None], x[columns], core[o][np.ix_(rows, columns)]] = True
    return reached.reshape(synapse.inputs, -1)


def flows(network: Network, mesh: CoreMesh, *, skip_zero_weights: bool = True) -> list[NDArray[np.bool_]]:
    """Return for each layer which of its cores a neuron of the population before reaches: (inputs, cores)."""
    return [
        cores_reached(layer.synapse, mesh.neurons_per_core, skip_zero_weights=skip_zero_weights)
        for layer in network.layers
    ]


def _by_rows(network: Network, mesh: CoreMesh) -> dict[str, Int64]:
    """Count out the cores of each population in the order of the flow; those of the input stand at the first tile."""
    found, first = {"input": np.zeros(-(-network.input.neurons // mesh.neurons_per_core), np.int64)}, 0
    for layer in network.layers:
        needed = -(-layer.neurons // mesh.neurons_per_core)
        found[layer.name] = first + np.arange(needed)
        first += needed
    if first > mesh.cores:
        raise LimitError(
            "network",
            limit=f"{mesh.cores} cores of {mesh.neurons_per_core} neurons",
            value=first,
            remedy="Use fewer neurons or a larger mesh; an estimate can leave hops out.",
        )
    return found


def _nearest(network: Network, mesh: CoreMesh, *, skip_zero_weights: bool) -> dict[str, Int64]:
    """Give each core the free place with the shortest way from what sends to it, the lowest number among equals."""
    rows = _by_rows(network, mesh)
    found = {"input": rows["input"]}
    free = np.ones(mesh.cores, bool)
    columns, lines = mesh.place(np.arange(mesh.cores))
    source = "input"
    for layer, reached in zip(network.layers, flows(network, mesh, skip_zero_weights=skip_zero_weights), strict=True):
        sending = found[source]
        # Neurons of each sending core that reach each core of the layer.
        starts = np.arange(0, len(reached), mesh.neurons_per_core)
        packets = np.add.reduceat(reached.astype(np.int64), starts, axis=0)
        distance = np.abs(columns[sending][:, None] - columns) + np.abs(lines[sending][:, None] - lines)
        taken = []
        for way in packets.T @ distance:
            place = int(np.where(free, way, np.iinfo(np.int64).max).argmin())
            free[place] = False
            taken.append(place)
        found[layer.name] = np.array(taken, np.int64)
        source = layer.name
    return found


def _way(network: Network, mesh: CoreMesh, cores: dict[str, Int64], *, skip_zero_weights: bool) -> int:
    """Return the hops of one message of every neuron."""
    return sum(
        int(route.east_west.sum() + route.north_south.sum())
        for route in _routes(network, mesh, cores, skip_zero_weights=skip_zero_weights).values()
    )


def population_cores(
    network: Network, mesh: CoreMesh, placement: Placement = "rows", *, skip_zero_weights: bool = True
) -> dict[str, Int64]:
    """Place the cores of a network.

    Parameters
    ----------
    network : Network
    mesh : CoreMesh
    placement : {"rows", "greedy"}
    skip_zero_weights : bool
        Whether synapses of weight 0 are absent.

    Returns
    -------
    dict of str to ndarray
        Place on the mesh of each core of a population, by its name; ``input`` stands at the first tile.

    Raises
    ------
    LimitError
        The network needs more cores than the mesh has.
    """
    rows = _by_rows(network, mesh)
    if placement == "rows":
        return rows
    near = _nearest(network, mesh, skip_zero_weights=skip_zero_weights)
    near_way, row_way = (_way(network, mesh, cores, skip_zero_weights=skip_zero_weights) for cores in (near, rows))
    return near if near_way < row_way else rows


def neuron_cores(network: Network, mesh: CoreMesh, placement: Placement = "rows") -> dict[str, Int64]:
    """Return the core of each neuron, by the name of its population; raises as `population_cores`."""
    sizes = {"input": network.input.neurons} | {layer.name: layer.neurons for layer in network.layers}
    return {
        name: cores[np.arange(sizes[name]) // mesh.neurons_per_core]
        for name, cores in population_cores(network, mesh, placement).items()
    }


def routes(
    network: Network, mesh: CoreMesh, *, placement: Placement = "rows", skip_zero_weights: bool = True
) -> dict[str, Routes]:
    """Place a network on a mesh and trace a message of every neuron.

    Parameters
    ----------
    network : Network
    mesh : CoreMesh
    placement : {"rows", "greedy"}
    skip_zero_weights : bool
        Whether synapses of weight 0 are absent.

    Returns
    -------
    dict of str to Routes
        By the name of the sending population, ``input`` included; the readout sends nothing.

    Raises
    ------
    LimitError
        The network needs more cores than the mesh has.
    """
    cores = population_cores(network, mesh, placement, skip_zero_weights=skip_zero_weights)
    return _routes(network, mesh, cores, skip_zero_weights=skip_zero_weights)


def _routes(network: Network, mesh: CoreMesh, cores: dict[str, Int64], *, skip_zero_weights: bool) -> dict[str, Routes]:
    """Trace a message of every neuron between placed cores."""
    found: dict[str, Routes] = {}
    source = "input"
    for layer, reached in zip(network.layers, flows(network, mesh, skip_zero_weights=skip_zero_weights), strict=True):
        columns, rows = mesh.place(cores[layer.name])
        senders = cores[source][np.arange(len(reached)) // mesh.neurons_per_core]
        from_column, from_row = mesh.place(senders)
        found[source] = Routes(
            packets=reached.sum(axis=1, dtype=np.int64),
            east_west=(reached * np.abs(from_column[:, None] - columns)).sum(axis=1, dtype=np.int64),
            north_south=(reached * np.abs(from_row[:, None] - rows)).sum(axis=1, dtype=np.int64),
        )
        source = layer.name
    return found
