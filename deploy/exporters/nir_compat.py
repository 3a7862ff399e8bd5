"""NIR with `nir.IF` neurons: every importer loads it, and none computes the network.

NIR's IF fires for v > theta and resets to a fixed potential, one spike a step; importers differ from that and from one
another (`IMPORTERS`, found by running them). A layer of constant thresholds becomes an IF with its thresholds, the
Poisson layer an IF whose threshold is the accumulator at which its rate is one spike. What the network means stands in
one JSON string in the metadata of every IF.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, assert_never

import nir
import numpy as np
from numpy.typing import NDArray

from spiking_pvae.deploy.exporters.nir_exact import Builder, neuron_shape, synapse_node
from spiking_pvae.deploy.exporters.nir_interpreter import interpret
from spiking_pvae.deploy.exporters.poisson import write_latents
from spiking_pvae.deploy.exporters.segments import synapse_bias
from spiking_pvae.deploy.exporters.traces import Traces
from spiking_pvae.deploy.ir import ConstantThreshold, Conv2d, ExponentialThreshold, Layer, Network, Readout
from spiking_pvae.deploy.numerics import MEMBRANE
from spiking_pvae.deploy.record import Schedule

Float64 = NDArray[np.float64]


def importers() -> list[dict[str, Any]]:
    """Return the table of how importers read a NIR IF, one row an importer."""
    text = files("spiking_pvae.deploy.exporters").joinpath("nir_importers.json").read_text(encoding="utf-8")
    table: list[dict[str, Any]] = json.loads(text)["importers"]
    return table


def warnings() -> tuple[str, ...]:
    """Return the table in sentences."""
    rows = []
    for row in importers():
        says = [
            f"fires for v {row['comparison']} theta",
            f"{row['reset']} reset",
            "several spikes a step" if row["several_spikes_a_step"] else "one spike a step",
            f"leaks (keeps {row['kept_a_step']:g} of v a step)" if row["kept_a_step"] != 1 else "no leak",
            *(["clamps v below"] if row["clamped_below"] else []),
        ]
        rows.append(f"{row['importer']} {row['version']} reads IF as: {', '.join(says)}")
    return (
        "NOT the network: the network fires for v >= theta, resets softly and counts several spikes a step.",
        *rows,
    )


def unit_rate_accumulator(neuron: ExponentialThreshold) -> NDArray[np.int64]:
    """Return the least accumulator at which each neuron's rate is at least one spike; the membrane's limit if none."""
    size = len(neuron.gain)
    low, high = np.full(size, MEMBRANE.low, np.int64), np.full(size, MEMBRANE.high, np.int64)
    while (high - low > 1).any():
        middle = (low + high) // 2
        reached = neuron.charge(middle) >= 2**neuron.fraction
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high


def _meaning(layer: Layer) -> tuple[Float64, dict[str, Any]]:
    """Return an IF's thresholds, and what the neuron really does."""
    common: dict[str, Any] = {"layer": layer.name, "comparison": "v >= theta", "reset": "soft", "integer": True}
    match layer.neuron:
        case ConstantThreshold(n_max=n_max):
            return layer.neuron.theta.astype(np.float64), {**common, "neuron": "spike count", "n_max": n_max}
        case ExponentialThreshold(n_max=n_max) as neuron:
            described = {**common, "neuron": "exponential threshold on a rate", "n_max": n_max}
            return unit_rate_accumulator(neuron).astype(np.float64), described
        case Readout():
            raise TypeError("a readout does not fire")
        case _:
            assert_never(layer.neuron)


def graph(network: Network) -> nir.NIRGraph:
    """Build one graph of the whole network; raises as `nir_exact.graph` does."""
    build = Builder()
    source = build.add("n00_input", nir.Input(input_type={"input": np.array(network.input.shape)}))
    shape: tuple[int, ...] = tuple(network.input.shape)
    for place, layer in enumerate(network.layers, 1):
        name = f"n{place:02d}_{layer.name.replace('.', '_')}"
        wanted = layer.synapse.input_shape if isinstance(layer.synapse, Conv2d) else (layer.synapse.inputs,)
        if shape != wanted:
            flatten = nir.Flatten(input_type={"input": np.array(shape)}, start_dim=0, end_dim=-1)
            source = build.add(f"{name}_0_flatten", flatten, source)
        source = build.add(f"{name}_1_synapse", synapse_node(layer, layer.synapse.weight, synapse_bias(layer)), source)
        shape = neuron_shape(layer)
        if not isinstance(layer.neuron, Readout):
            theta, meaning = _meaning(layer)
            spiking = nir.IF(r=np.ones(shape), v_threshold=theta.reshape(shape), v_reset=np.zeros(shape))
            spiking.metadata = {"spiking_pvae": json.dumps(meaning, sort_keys=True)}
            source = build.add(f"{name}_2_if", spiking, source)
    build.add("n99_output", nir.Output(output_type={"output": np.array(shape)}), source)
    return nir.NIRGraph(nodes=build.nodes, edges=build.edges, type_check=False)


def write(network: Network, folder: Path, *, schedule: Schedule, steps: int) -> None:
    """Write the network into an empty folder."""
    assert isinstance(network.latent.neuron, ExponentialThreshold)
    nir.write(folder / "network.nir", graph(network))
    write_latents(network.latent.neuron, folder)


def difference(network: Network, messages: NDArray[np.int64], wanted: Traces, *, steps: int) -> dict[str, float]:
    """Measure what NIR's own meaning of the file gives in one step: the share of counts that are not the network's.

    Parameters
    ----------
    network : Network
    messages : ndarray of int64, shape (samples, inputs)
    wanted : Traces
        Of the network itself, in the graded schedule.
    steps : int
        Unused.
    """
    values = next(
        iter(interpret(graph(network), iter([messages.astype(np.float64).reshape(-1, *network.input.shape)])))
    )
    shares = {}
    for place, layer in enumerate(network.layers, 1):
        if not isinstance(layer.neuron, Readout):
            fired = values[f"n{place:02d}_{layer.name.replace('.', '_')}_2_if"].reshape(len(messages), -1)
            shares[f"share_of_counts_that_differ in {layer.name}"] = float(
                (fired != wanted[layer.name]["count"]).mean()
            )
    return shares
