"""Writes SANA-FE's architecture and mapped network (YAML), and the program that runs them; needs nothing else.

Hardware units are named as in the Loihi architecture that SANA-FE brings along, so that the mapped network also runs on
that one where its cores have room. The architecture written here prices nothing: it is there to be counted on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from spiking_pvae.deploy.exporters.poisson import write_latents
from spiking_pvae.deploy.exporters.sanafe_form import MESH, Form, Group, build
from spiking_pvae.deploy.ir import ExponentialThreshold, Network
from spiking_pvae.deploy.mapping import CoreMesh
from spiking_pvae.deploy.record import Schedule
from spiking_pvae.storage import write_json, write_text

RUNTIME = Path(__file__).resolve().parent.parent / "sanafe_runtime"
"""What runs inside the interpreter that has SANA-FE; never imported here."""
ARCHITECTURE, NETWORK, PLAN, PROGRAM = "architecture.yaml", "network.yaml", "plan.json", "run_sanafe.py"
SPIKING = "leak_decay: 1, reset_mode: soft, force_update: true"
HOPS = ("north", "east", "south", "west")


def _costs(*names: str) -> str:
    return ", ".join(f"energy_{name}: 0.0, latency_{name}: 0.0" for name in names)


def input_units(form: Form) -> int:
    """Return the `input` somas that the fullest core needs."""
    cores = np.concatenate([group.cores for group in form.groups if group.threshold is None])
    return int(np.bincount(cores).max())


def architecture(form: Form) -> str:
    """Return the architecture: a mesh of equal tiles of equal cores."""
    mesh = form.mesh
    most = int(np.bincount(np.concatenate([group.cores for group in form.groups])).max())
    soma = _costs("access_neuron", "update_neuron", "spike_out")
    return f"""architecture:
  name: spiking_pvae
  attributes: {{topology: mesh, width: {mesh.columns}, height: {mesh.rows}, link_buffer_size: 16}}
  tile:
    - name: tile[0..{mesh.columns * mesh.rows - 1}]
      attributes: {{{_costs(*(f"{way}_hop" for way in HOPS))}}}
      core:
        - name: core[0..{mesh.cores_per_tile - 1}]
          attributes: {{buffer_position: soma, max_neurons_supported: {most}}}
          axon_in:
            - {{name: loihi_in, attributes: {{{_costs("message_in")}}}}}
          synapse:
            - {{name: loihi_dense_synapse, attributes: {{model: current_based, {_costs("process_spike")}}}}}
          dendrite:
            - {{name: loihi_dendrites, attributes: {{model: accumulator, {_costs("update")}}}}}
          soma:
            - {{name: loihi_lif, attributes: {{model: leaky_integrate_fire, {soma}}}}}
            - {{name: "loihi_inputs[0..{input_units(form) - 1}]", attributes: {{model: input, {soma}}}}}
          axon_out:
            - {{name: loihi_out, attributes: {{{_costs("message_out")}}}}}
"""


def _group(group: Group) -> Iterator[str]:
    yield f"    - name: {group.name}"
    if group.threshold is None:
        yield "      attributes: [log_spikes: true]"
        yield "      neurons:"
        yield f"        - 0..{len(group.cores) - 1}: []"
        return
    yield f"      attributes: [{SPIKING}, log_spikes: true, log_potential: true]"
    yield "      neurons:"
    yield from (f"        - {neuron}: [threshold: {theta}]" for neuron, theta in enumerate(group.threshold))


def _mappings(form: Form) -> Iterator[str]:
    mesh = form.mesh
    taken = np.zeros(mesh.cores, np.int64)
    for group in form.groups:
        columns, rows = mesh.place(group.cores)
        # SANA-FE numbers the tiles of a mesh column by column.
        tiles = columns * mesh.rows + rows
        for neuron, (core, tile) in enumerate(zip(group.cores, tiles, strict=True)):
            soma = "loihi_lif"
            if group.threshold is None:
                soma = f'"loihi_inputs[{taken[core]}]"'
                taken[core] += 1
            yield f"  - {group.name}.{neuron}: [core: {tile}.{core % mesh.cores_per_tile}, soma: {soma}]"


def mapped_network(form: Form) -> str:
    """Return groups, synapses and mappings."""
    lines = ["network:", "  name: spiking_pvae", "  groups:"]
    for group in form.groups:
        lines += _group(group)
    lines.append("  edges:")
    for wires in form.wires:
        for source, target in np.argwhere(wires.weight.T):
            weight = wires.weight[target, source]
            lines.append(f"    - {wires.source}.{source} -> {wires.target}.{target}: [weight: {weight:.9g}]")
    return "\n".join([*lines, "mappings:", *_mappings(form), ""])


def write(network: Network, folder: Path, *, schedule: Schedule, steps: int, mesh: CoreMesh = MESH) -> None:
    """Write the form, its timetable, the latents and the program into an empty folder.

    Raises
    ------
    LimitError
        The network does not fit.
    """
    form = build(network, steps, mesh)
    write_text(folder / ARCHITECTURE, architecture(form))
    write_text(folder / NETWORK, mapped_network(form))
    write_json(folder / PLAN, {"steps": steps, "halves": [asdict(half) for half in form.halves]})
    assert isinstance(network.latent.neuron, ExponentialThreshold)
    write_latents(network.latent.neuron, folder)
    shutil.copyfile(RUNTIME / PROGRAM, folder / PROGRAM)
