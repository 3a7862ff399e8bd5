"""Counts against NeuroBench, sinabs and SpikingJelly, exactly. A tool that is missing is a failure, never a skip.

Every tool sees the same integers, layer by layer. What each of them counts:

- NeuroBench, effective ACs + MACs of one sample: nonzero inputs times nonzero weights, our `event_synops`;
- sinabs, synops of a batch: values times fan-out, zero weights included, our `spike_synops` with every weight counted;
- SpikingJelly, synops of binary spikes: our unary schedule, zero weights included.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from networks import random_network, trained_network
from peers import layer_inputs, unary_trains
from torch import nn

from spiking_pvae.deploy import Network, simulate
from spiking_pvae.energy import count
from spiking_pvae.types import FloatArray

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the other tools' own
    import sinabs.hooks
    from neurobench.metrics.workload import SynapticOperations
    from neurobench.models import TorchModel
    from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter

Case = tuple[Network, FloatArray]
STEPS = 12
CASES = [
    *((f"dense, seed {seed}, {zeros:.0%} zeros", ("random", seed, False, zeros)) for seed, zeros in ((0, 0), (1, 0.5))),
    *(
        (f"convolutional, seed {seed}, {zeros:.0%} zeros", ("random", seed, True, zeros))
        for seed in range(4)
        for zeros in (0.0, 0.4)
    ),
    ("trained", ("trained", "linear", False)),
    ("trained and pruned", ("trained", "linear", True)),
    ("trained, convolutional", ("trained", "conv", False)),
    ("trained, convolutional and pruned", ("trained", "conv", True)),
]


@pytest.fixture(params=[key for _, key in CASES], ids=[name for name, _ in CASES], scope="module")
def case(request: pytest.FixtureRequest) -> Case:
    kind, *rest = request.param
    if kind == "random":
        seed, convolutional, zeros = rest
        return random_network(seed, convolutional=convolutional, zeros=zeros)
    return trained_network(rest[0], pruned=rest[1])


def ours(case: Case, schedule: str = "graded", *, zeros_count: bool = False) -> tuple[list[int], list[int]]:
    """Return event and spike synops of every layer, over all samples."""
    network, images = case
    record = simulate(network, images, schedule=schedule, steps=STEPS)
    layers = count(network, record, skip_zero_weights=not zeros_count).layers[1:]
    return [int(layer.event_synops.sum()) for layer in layers], [int(layer.spike_synops.sum()) for layer in layers]


def test_the_cases_have_something_to_count(case: Case) -> None:
    events, spikes = ours(case)
    assert min(events) > 0
    assert sum(spikes) > sum(events)


def test_event_synops_equal_neurobench(case: Case) -> None:
    found = []
    for layer, arriving in layer_inputs(*case, "graded", STEPS):
        total = 0.0
        # It scans children only, hence the wrapper, and binarises a whole batch at once, hence single samples.
        model = TorchModel(nn.Sequential(layer))
        for sample in arriving:
            model.register_hooks()
            metric, batch = SynapticOperations(), sample[None]
            result = metric(model, model(batch), (batch, torch.zeros(1)))
            total += result["Effective_ACs"] + result["Effective_MACs"]
            model.cleanup_hooks()
        found.append(total)
    assert found == ours(case)[0]


def test_spike_synops_equal_sinabs(case: Case) -> None:
    found = []
    for layer, arriving in layer_inputs(*case, "graded", STEPS):
        model = nn.Sequential(layer)
        sinabs.hooks.register_synops_hooks(model)
        # sinabs averages over the batch and takes signed values at their sign, hence single samples and magnitudes.
        total = 0.0
        for sample in arriving:
            model(sample.abs()[None])
            total += float(sinabs.hooks.get_hook_data_dict(model)["total_synops_per_timestep"])
        found.append(total)
    assert found == ours(case, zeros_count=True)[1]


def test_unary_synops_equal_spikingjelly(case: Case) -> None:
    found = []
    for layer, arriving in layer_inputs(*case, "unary", STEPS):
        counter = SynOpCounter()
        with DispatchCounterMode([counter]):
            for spikes in unary_trains(arriving):
                if spikes.any():
                    layer(spikes)
        found.append(counter.get_total())
    events, spikes = ours(case, "unary", zeros_count=True)
    assert events == spikes  # a unary message is one spike
    assert found == events


def test_the_peers_disagree_on_counts_as_documented() -> None:
    """300 events of 427 spikes to 30 neurons: one is the other's event, another's spike, a third's nothing."""
    rng = np.random.default_rng(0)
    layer = nn.Linear(20, 30, bias=False)
    counts = torch.from_numpy(rng.poisson(1.5, (1, 20)).astype(np.float32))
    counter = SynOpCounter()
    with DispatchCounterMode([counter]):
        layer(counts)
    assert counter.get_total() == 0  # SpikingJelly: not binary, so no synop
