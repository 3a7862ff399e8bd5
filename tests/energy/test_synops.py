from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spiking_pvae.energy import count
from spiking_pvae.errors import InputError


def weights(seed: int = 1) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    return rng.integers(-2, 3, (4, 6)), rng.integers(-2, 3, (3, 4)), rng.integers(-2, 3, (6, 3))


@pytest.mark.parametrize("schedule", ["graded", "unary"])
@pytest.mark.parametrize("skip", [True, False])
def test_synops_equal_a_walk_over_single_synapses(
    make_network: Any, make_record: Any, schedule: str, skip: bool
) -> None:
    matrices = weights()
    network = make_network(*matrices)
    rng = np.random.default_rng(5)
    names, sizes = ("input", "hidden0", "latents"), (6, 4, 3)
    counts = {name: rng.poisson(1.2, (5, size)).astype(np.int64) for name, size in zip(names, sizes, strict=True)}
    ops = count(network, make_record(network, counts=counts, schedule=schedule), skip_zero_weights=skip)

    for source, layer, matrix in zip(names, ops.layers[1:], matrices, strict=True):
        for block, rows in enumerate((range(3), range(3, 5))):
            events = spikes = 0
            for sample in rows:
                for j in range(matrix.shape[1]):
                    for i in range(matrix.shape[0]):
                        if skip and matrix[i, j] == 0:
                            continue
                        n = int(counts[source][sample, j])
                        events += n if schedule == "unary" else int(n > 0)
                        spikes += n
            assert layer.event_synops[block] == events
            assert layer.spike_synops[block] == spikes
    assert ops.layers[0].event_synops.tolist() == [0, 0]


def test_a_single_linear_layer_of_known_counts(make_network: Any, make_record: Any) -> None:
    # 20 lines of which 15 carry counts 1 .. 15, to 30 latents: 15 messages and 120 spikes times a fan-out of 30.
    network = make_network(np.ones((30, 20)), np.ones((20, 30)))
    counts = {"input": np.array([[*range(1, 16), 0, 0, 0, 0, 0]]), "latents": np.zeros((1, 30), np.int64)}
    ops = count(network, make_record(network, blocks=(1,), counts=counts))
    assert ops.event_synops == 450
    assert ops.spike_synops == 3600
    assert (ops.encoder_macs, ops.decoder_macs, ops.dense_macs) == (600, 600, 1200)


def test_every_update_is_active_or_inactive(make_network: Any, make_record: Any) -> None:
    network = make_network(*weights())
    record = make_record(network)
    ops = count(network, record)
    for layer in ops.layers[1:]:
        assert (layer.updates_active + layer.updates_inactive).tolist() == [3 * layer.neurons, 2 * layer.neurons]
        assert (layer.updates_inactive >= 0).all()
    assert ops.neuron_updates == 5 * (4 + 3 + 6)
    assert ops.samples == 5


def test_encoder_and_decoder_macs(make_network: Any, make_record: Any) -> None:
    network = make_network(*weights())
    ops = count(network, make_record(network))
    assert (ops.encoder_macs, ops.decoder_macs) == (6 * 4 + 4 * 3, 3 * 6)
    assert ops.layers[2].fan_out.tolist() == np.count_nonzero(weights()[2], axis=0).tolist()


def test_a_record_of_another_network_is_refused(make_network: Any, make_record: Any) -> None:
    network = make_network(*weights())
    other = make_network(*weights()[1:][:1], np.ones((4, 3)))
    with pytest.raises(InputError, match="populations of the record"):
        count(network, make_record(other))


def test_contradictory_records_are_refused(make_network: Any, make_record: Any) -> None:
    network = make_network(*weights())
    record = make_record(network)
    latents = record.tally("latents")
    cases = {
        "active updates of 'latents'": replace(latents, active=np.array([10**6, 0])),
        "counts of 'latents'": replace(latents, spikes=latents.spikes[:1]),
    }
    for message, tally in cases.items():
        tallies = tuple(tally if old.name == "latents" else old for old in record.tallies)
        with pytest.raises(InputError, match=message):
            count(network, replace(record, tallies=tallies))
    with pytest.raises(InputError, match="samples a block"):
        count(network, replace(record, block_samples=np.array([5, 0])))
    with pytest.raises(InputError, match="KL and rates"):
        count(network, replace(record, latent=replace(record.latent, kl=record.latent.kl[:, :1])))
