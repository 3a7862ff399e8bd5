"""Run half of a spike-count network on SANA-FE: ``python run_sanafe.py EXPORT_FOLDER JOB_FOLDER``.

The job folder holds ``job.npz`` with `half` (0: images to the latents' charges, 1: latents' counts to the readout) and
`messages` (samples x sources); this program writes ``result.npz`` there, with an array ``POPULATION/QUANTITY`` for all
that SANA-FE says happened. Needs the interpreter that has SANA-FE and numpy, and nothing else.
"""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import sanafe

BIAS, HOLD, OPEN, CLOSE = range(4)
HELD = 0.5 - 2**23


def set_spikes(chip, group: str, trains: list[list[int]]) -> None:
    """Give every neuron of a group the train that begins with the next step."""
    for neuron, train in zip(chip.mapped_neuron_groups[group], trains, strict=True):
        neuron.set_attributes(model_attributes={"spikes": train or [0]})


def single(step: int) -> list[int]:
    """Return a train with one spike in a step counted from 1."""
    return [0] * (step - 1) + [1]


def timetable(half: dict, steps: int) -> list[int]:
    """Return the step in which everything has arrived at each stage."""
    arrived = [1 + half["incoming"]]
    for _ in half["stages"][1:]:
        arrived.append(arrived[-1] + 1 + steps)
    return arrived


def start(chip, half: dict, arrived: list[int], row: np.ndarray) -> None:
    """Put the chip at rest and give sources and controls their trains."""
    chip.reset()
    for source, sign in zip(half["sources"], (1, -1)):  # noqa: B905  # unsigned messages have one source
        set_spikes(chip, source, [[1] * int(max(0, sign * x)) for x in row])
    for stage, step in zip(half["stages"], arrived, strict=True):
        trains = [single(1), [], [], []]
        if stage["most"]:
            trains = [single(1), single(1), single(step), single(step + stage["most"])]
        set_spikes(chip, stage["control"], trains)


def silence(chip, half: dict) -> None:
    """Take the trains of a half away."""
    for source in half["sources"]:
        set_spikes(chip, source, [[]] * len(chip.mapped_neuron_groups[source]))
    for stage in half["stages"]:
        set_spikes(chip, stage["control"], [[]] * 4)


def probed(chip) -> dict[str, list[int]]:
    """Return the columns of each group in the trace of potentials, by neuron."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "potential.csv"
        chip.sim(1, potential_trace=str(file), timing_model="simple", processing_threads=1)
        with file.open(newline="") as lines:
            header = next(csv.reader(lines))
    columns: dict[str, dict[int, int]] = {}
    names = [name for name in header if name and name != "timestep"]
    for column, name in enumerate(names):
        group, neuron = name.replace("neuron ", "").rsplit(".", 1)
        columns.setdefault(group, {})[int(neuron)] = column
    return {group: [found[neuron] for neuron in sorted(found)] for group, found in columns.items()}


def main(folder: Path, where: Path) -> None:
    """Load the chip, run every sample and write what happened."""
    architecture = sanafe.load_arch(str(folder / "architecture.yaml"))
    chip = sanafe.SpikingChip(architecture)
    chip.load(sanafe.load_net(str(folder / "network.yaml"), architecture))
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    with np.load(where / "job.npz", allow_pickle=False) as archive:
        half, messages = plan["halves"][int(archive["half"])], archive["messages"]
    arrived, steps, samples = timetable(half, plan["steps"]), plan["steps"], len(messages)
    columns = probed(chip)
    for other in plan["halves"]:
        silence(chip, other)
    population = dict.fromkeys(half["sources"], half["population"])
    population |= {stage["group"]: stage["layer"] for stage in half["stages"]}
    shapes = {half["population"]: messages.shape}
    shapes |= {stage["layer"]: (samples, len(columns[stage["group"]])) for stage in half["stages"]}
    result = {
        f"{name}/{quantity}": np.zeros(shape, np.int64)
        for name, shape in shapes.items()
        for quantity in ("accumulator", "count", "synops", "packets", "hops")
    }
    for stage in half["stages"][:-1]:
        result[f"{stage['layer']}/spike"] = np.zeros((samples, steps, shapes[stage["layer"]][1]), np.int64)
    first = {stage["group"]: step for stage, step in zip(half["stages"], arrived, strict=True)}
    for sample, row in enumerate(messages):
        start(chip, half, arrived, row)
        ran = chip.sim(
            arrived[-1],
            timing_model="simple",
            processing_threads=1,
            spike_trace=True,
            potential_trace=True,
            message_trace=True,
        )
        for step, spikes in enumerate(ran["spike_trace"], 1):
            for address in spikes:
                name = population.get(address.group_name)
                if name is None:
                    continue
                result[f"{name}/count"][sample, address.neuron_offset] += 1
                if address.group_name in first:
                    result[f"{name}/spike"][sample, step - first[address.group_name] - 1, address.neuron_offset] += 1
        for message in (message for sent in ran["message_trace"] for message in sent):
            name = population.get(message["src_neuron_group_id"])
            if name is None or message["placeholder"]:
                continue
            neuron = message["src_neuron_offset"]
            result[f"{name}/synops"][sample, neuron] += message["spikes"]
            result[f"{name}/packets"][sample, neuron] += 1
            result[f"{name}/hops"][sample, neuron] += message["hops"]
        for stage, step in zip(half["stages"], arrived, strict=True):
            potential = np.array(ran["potential_trace"][step - 1])[columns[stage["group"]]]
            held = HELD if stage["most"] else 0.0
            result[f"{stage['layer']}/accumulator"][sample] = np.rint(potential - held).astype(np.int64)
    np.savez(where / "result.npz", **result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
