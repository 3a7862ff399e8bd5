"""The unary form of a network in what SANA-FE's built-in models can do.

`leaky_integrate_fire` without leak and with soft reset fires at most once a step, where v > theta, and then subtracts
theta. Started at +1/2 it fires where the integer charge is >= theta. Nothing in it can be told to wait, to stop or to
take a bias once: that is done by a few `input` somas a layer, whose single spikes carry

    bias    b                    with the first step                   exact in the float32 of a weight
    hold    1/2 - 2^23           with the first step                   below every threshold until all has arrived
    open    2^23                 when all has arrived                  lets the layer fire
    close   -2^23                min(T, n_max) steps later             ends the phase

Signed inputs are pairs of lines, one for each sign. Poisson neurons have no form: the latents only sum, and `input`
somas beside them, on the same cores, send the counts that the reader draws. The potential is kept in units of 1/64
within +-2^25, synapses of weight 0 are left out, and layers sit on the cores that `spiking_pvae.deploy.mapping` gives
them; `input` somas sit where there is room in the tile of their population, which is as far from everything.

A spike sent in step t is added in step t + 1. With sources that send in the steps a .. a + n - 1, everything has
arrived in step a + n, `open` is sent then, and the layer's own first step is a + n + 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exporters.lava_export import unrolled
from spiking_pvae.deploy.ir import ConstantThreshold, ExponentialThreshold, Layer, Network
from spiking_pvae.deploy.mapping import CoreMesh, neuron_cores
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.ranges import ranges
from spiking_pvae.errors import LimitError

Int64 = NDArray[np.int64]
MESH = CoreMesh(neurons_per_core=1024, cores_per_tile=4, columns=8, rows=4)
"""Loihi 1 (Davies et al., IEEE Micro 38(1), 2018): 128 cores of 1,024 neurons, four a tile, 8 x 4 tiles."""
GATE = MEMBRANE.high + 1
CORE = 1024
"""Neurons that a core of SANA-FE 2.2.9 can hold, whatever its architecture says."""
NEVER = 2 * GATE
"""A threshold that no charge reaches."""
BIAS, HOLD, OPEN, CLOSE = range(4)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """A group of neurons.

    Parameters
    ----------
    name : str
    cores : ndarray of int64, shape (neurons,)
        Where each neuron sits.
    threshold : ndarray of int64, shape (neurons,), optional
        Of integrating neurons; None for `input` somas.
    """

    name: str
    cores: Int64
    threshold: Int64 | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wires:
    """Synapses between two groups; ``weight`` of shape (targets, sources), where a 0 is no synapse."""

    source: str
    target: str
    weight: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One layer of a half: its group, what controls it, and the most steps it fires (0: it only sums)."""

    layer: str
    group: str
    control: str
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """Sources whose spikes arrive over `incoming` steps, and the stages behind them.

    Parameters
    ----------
    population : str
        Whose messages the sources send.
    sources : tuple of str
        Groups that send positive and, where there is a second, negative messages.
    incoming : int
    stages : tuple of Stage
        The last one sums.
    """

    population: str
    sources: tuple[str, ...]
    incoming: int
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Form:
    """Everything that the files say."""

    groups: tuple[Group, ...]
    wires: tuple[Wires, ...]
    halves: tuple[Half, Half]
    steps: int
    mesh: CoreMesh


def group_name(place: int, layer: Layer) -> str:
    """Name a layer's group; dots separate groups from neurons in SANA-FE's files."""
    return f"l{place}_{layer.name.replace('.', '_')}"


def control_weights(layer: Layer) -> NDArray[np.float64]:
    """Return what the control neurons send to each neuron, shape (neurons, 4)."""
    weight = np.zeros((layer.neurons, 4))
    if layer.bias is not None:
        weight[:, BIAS] = layer.bias.value
    if isinstance(layer.neuron, ConstantThreshold):
        weight[:, HOLD], weight[:, OPEN], weight[:, CLOSE] = 0.5 - GATE, GATE, -GATE
    return weight


def _check(network: Network) -> None:
    for bound in ranges(network):
        if not MEMBRANE.low <= bound.sums.low.min() <= bound.sums.high.max() <= MEMBRANE.high:
            raise LimitError(
                bound.name,
                limit=f"{MEMBRANE}, within which control spikes can hold a layer",
                value=max(int(bound.sums.high.max()), -int(bound.sums.low.min())),
                remedy="Convert with fewer weight or input bits.",
            )


def _stage(place: int, layer: Layer, cores: Int64, steps: int) -> tuple[Stage, Group]:
    name, threshold, most = group_name(place, layer), np.full(layer.neurons, NEVER), 0
    if isinstance(layer.neuron, ConstantThreshold):
        threshold, most = layer.neuron.theta, min(layer.neuron.n_max, steps)
    stage = Stage(layer=layer.name, group=name, control=f"{name}_control", most=most)
    return stage, Group(name=name, cores=cores, threshold=threshold)


def _with_room(groups: list[Group], mesh: CoreMesh) -> tuple[Group, ...]:
    """Move `input` somas within their tile to cores that have room."""
    taken = np.zeros(mesh.cores, np.int64)
    for group in groups:
        if group.threshold is not None:
            taken += np.bincount(group.cores, minlength=mesh.cores)
    placed = []
    for group in groups:
        cores = group.cores.copy()
        for neuron, core in enumerate(cores if group.threshold is None else ()):
            first = core // mesh.cores_per_tile * mesh.cores_per_tile
            free = [core, *range(first, first + mesh.cores_per_tile)]
            cores[neuron] = next((place for place in free if taken[place] < CORE), -1)
            if cores[neuron] < 0:
                raise LimitError(
                    group.name,
                    limit=f"{CORE} neurons a core of SANA-FE, input lines and controls included",
                    value=f"a tile with more than {CORE * mesh.cores_per_tile}",
                    remedy="Convert a smaller network, or count with simulate and energy.",
                )
            taken[cores[neuron]] += 1
        placed.append(replace(group, cores=cores))
    return tuple(placed)


def build(network: Network, steps: int, mesh: CoreMesh = MESH) -> Form:
    """Write a network in this form.

    Raises
    ------
    LimitError
        A sum may leave the membrane, within which a layer can be held, or the mesh has too few cores.
    """
    _check(network)
    cores = neuron_cores(network, mesh)
    sources = entry = ("input", "input_off") if network.input.signed else ("input",)
    groups = [Group(name=name, cores=cores["input"]) for name in sources]
    wires: list[Wires] = []
    halves: list[Half] = []
    stages: list[Stage] = []
    population, incoming = "input", network.input.format.high
    for place, layer in enumerate(network.layers):
        stage, group = _stage(place, layer, cores[layer.name], steps)
        stages.append(stage)
        groups += [group, Group(name=stage.control, cores=np.zeros(4, np.int64))]
        weight = np.ldexp(unrolled(layer).synapse.weight.astype(np.float64), layer.synapse.exponent)
        for source, sign in zip(sources, (1, -1), strict=False):
            wires.append(Wires(source=source, target=group.name, weight=sign * weight))
        wires.append(Wires(source=stage.control, target=group.name, weight=control_weights(layer)))
        sources = (group.name,)
        if stage.most:
            continue
        halves.append(Half(population=population, sources=entry, incoming=incoming, stages=tuple(stages)))
        if isinstance(layer.neuron, ExponentialThreshold):
            sources = entry = (f"{group.name}_counts",)
            groups.append(Group(name=entry[0], cores=cores[layer.name]))
            population, incoming, stages = layer.name, steps, []
    encoder, decoder = halves
    return Form(groups=_with_room(groups, mesh), wires=tuple(wires), halves=(encoder, decoder), steps=steps, mesh=mesh)
