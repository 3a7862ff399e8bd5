from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from joules import close

from spiking_pvae.deploy.ir import Network
from spiking_pvae.deploy.numerics import IntegerFormat
from spiking_pvae.deploy.sparsity import listed
from spiking_pvae.energy import estimate, load_preset
from spiking_pvae.energy.memory import MEMBRANE_BITS, width
from spiking_pvae.errors import InputError

"""Picojoules lie below the absolute tolerance that is the default."""


@pytest.fixture
def tiny(make_network: Any, make_record: Any) -> tuple[Network, Any]:
    network = make_network(np.array([[1, 2], [3, 0]]), np.array([[1, 0], [1, 5], [1, 5]]))
    counts = {"input": np.array([[2, 1], [1, 0]]), "latents": np.array([[3, 0], [1, 2]])}
    return network, make_record(network, blocks=(1, 1), counts=counts)


def test_static_and_clock_power_by_hand(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "odin", seconds=2e-3, clock_hz=75e6)
    assert report.by_term["static_power"].value == close(27.3e-6 * 2e-3)
    assert report.by_term["clock_power"].value == close(1.78e-12 * 75e6 * 2e-3)
    assert report.by_layer["chip"].value == close((27.3e-6 + 1.78e-6 * 75) * 2e-3)
    assert report.joules_per_inference.value == close(sum(band.value for band in report.by_layer.values()))
    assert "static_power" not in report.not_counted


def test_without_a_time_static_power_is_named_as_left_out(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "odin")
    assert "--seconds" in report.not_counted["static_power"]
    assert "--clock-hz" in report.not_counted["clock_power"]
    assert "chip" not in report.by_layer
    half = estimate(*tiny, "odin", seconds=1.0)
    assert "clock_power" in half.not_counted
    assert "static_power" not in half.not_counted


def test_a_source_without_static_power_says_so(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "loihi_sanafe", seconds=1e-3)
    assert report.joules_per_inference == estimate(*tiny, "loihi_sanafe").joules_per_inference
    assert "dynamic energy only" in report.not_counted["static_power"]


@pytest.mark.parametrize(
    "options", [{"seconds": 0.0}, {"seconds": float("nan")}, {"clock_hz": 1e6}, {"mapping": "far"}]
)
def test_bad_times_are_refused(tiny: tuple[Any, Any], options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        estimate(*tiny, "odin", **options)


def test_memory_traffic_by_hand(tiny: tuple[Any, Any]) -> None:
    # Weights of 8 bits, membranes of 24, inputs of 8, latents' counts (at most 255) of 8.
    # 13 synops in all: 5 in the encoder, 8 in the decoder; 2 updates of 2 latents and 2 of 3 readouts;
    # 3 input and 3 latent messages.
    bits = 13 * (8 + 48) + (4 + 6) * 48 + 2 * (3 * 8 + 3 * 8)
    report = estimate(*tiny, "lemaire2022")
    assert report.by_term["memory_bit"].value == close(bits / 2 * 20e-12 / 32)
    assert report.by_term["memory_bit"].high == close(bits / 2 * 100e-12 / 32)


def test_smaller_counts_move_fewer_bits(tiny: tuple[Any, Any]) -> None:
    network, record = tiny
    latents, readout = network.layers
    narrow = replace(latents, neuron=replace(latents.neuron, n_max=15))
    wide, less = (
        estimate(replace(network, layers=(layer, readout)), record, "lemaire2022").by_term["memory_bit"].value
        for layer in (latents, narrow)
    )
    assert wide - less == close(2 * 3 * (8 - 4) / 2 * 20e-12 / 32)


def test_a_matrix_read_in_full_costs_the_same_however_it_is_stored(tiny: tuple[Any, Any]) -> None:
    network, record = tiny
    lists = replace(network, layers=tuple(replace(layer, synapse=listed(layer.synapse)) for layer in network.layers))
    for skip, targets in ((False, 0), (True, 5 * 1 + 8 * 2)):  # one bit names one of 2 latents, two one of 3 readouts
        stored, short = (estimate(made, record, "lemaire2022", skip_zero_weights=skip) for made in (network, lists))
        more = targets / 2 * 20e-12 / 32
        assert short.by_term["memory_bit"].value == close(stored.by_term["memory_bit"].value + more)
        caused = sum(joules.sum() for joules in short.neurons.values())
        assert caused == close(sum(joules.sum() for joules in stored.neurons.values()) + more)


def test_a_reset_is_charged_once_a_spike(tiny: tuple[Any, Any]) -> None:
    report = estimate(*tiny, "lemaire2022")
    assert report.by_term["spike"].value == close(6 / 2 * 0.1e-12)  # 6 spikes of 3 messages, two samples
    assert "firing" not in report.by_term


def test_fewer_bits_a_weight_move_less(tiny: tuple[Any, Any]) -> None:
    network, record = tiny
    layers = tuple(replace(layer, synapse=replace(layer.synapse, bits=4)) for layer in network.layers)
    narrow = estimate(replace(network, layers=layers), record, "lemaire2022")
    wide = estimate(network, record, "lemaire2022")
    saved = wide.by_term["memory_bit"].value - narrow.by_term["memory_bit"].value
    assert saved == close(13 * 4 / 2 * 20e-12 / 32)


@pytest.mark.parametrize(
    ("low", "high", "bits"), [(-(2**23), 2**23 - 1, 24), (-127, 127, 8), (0, 255, 8), (-128, 127, 8), (-129, 0, 9)]
)
def test_width_of_a_range(low: int, high: int, bits: int) -> None:
    assert width(IntegerFormat("range", low, high)) == bits


def test_membranes_have_24_bits() -> None:
    assert MEMBRANE_BITS == 24


def test_the_model_names_where_its_prices_come_from() -> None:
    assert {price.evidence for price in load_preset("lemaire2022").terms.values()} == {"derived"}
