"""The hardware budget against counting by hand, and chips as files."""

from dataclasses import replace

import networks
import numpy as np
import pytest

from spiking_pvae.deploy.check import check
from spiking_pvae.deploy.chips import Chip, Limit, list_chips, load_chip, parse_chip
from spiking_pvae.errors import InputError


def chip(shared_kernels=False, **limits):
    given = {"cores": 128, "neurons": 1024, "synapse_bits": 2**20} | limits
    return Chip(
        name="test",
        title="test",
        limits={name: Limit(value=value, unit="", source="") for name, value in given.items()},
        shared_kernels=shared_kernels,
    )


def network(hidden=()):
    """16 inputs, 6 latents, 16 pixels; dense weights of 8 bits, none zero."""
    made = networks.random_network(0, hidden=hidden)
    layers = tuple(
        replace(
            layer, synapse=replace(layer.synapse, weight=np.where(layer.synapse.weight == 0, 1, layer.synapse.weight))
        )
        for layer in made.layers
    )
    return replace(made, layers=layers)


def test_everything_on_one_core_a_layer():
    budget = check(network(), chip())
    assert budget.fits
    assert [(layer.cores, layer.synapse_bits) for layer in budget.layers] == [(1, 6 * 16 * 8), (1, 16 * 6 * 8)]
    largest = network().latent.neuron.n_max
    assert [layer.payload_bits for layer in budget.layers] == [largest.bit_length(), 0]


def test_memory_spreads_a_layer_over_cores():
    budget = check(network(), chip(synapse_bits=2 * 16 * 8))  # two latents a core, 5 pixels of 6 synapses
    assert [layer.cores for layer in budget.layers] == [3, 4]
    assert budget.fits
    assert budget.cores == 7


def test_neurons_and_axons_spread_a_layer_over_cores():
    budget = check(network(), chip(neurons=4, fan_out=6))
    # 16 pixels on 4 cores; each latent needs an axon to each of them, so one latent a core.
    assert [layer.cores for layer in budget.layers] == [6, 4]
    assert budget.fits


def test_what_does_not_fit_is_named_with_a_remedy():
    budget = check(network(hidden=(5,)), chip(cores=2, synapse_bits=20 * 8, fan_in=10, payload_bits=1, weight_bits=4))
    assert not budget.fits
    found = {(violation.layer, violation.limit) for violation in budget.violations}
    assert ("network", "cores") in found
    assert ("input", "payload_bits") in found
    assert ("hidden0", "fan_in") in found
    assert {("hidden0", "weight_bits"), ("latents", "weight_bits"), ("readout", "weight_bits")} <= found
    assert all(violation.value > violation.allowed and violation.remedy for violation in budget.violations)
    spikes = check(network(hidden=(5,)), chip(payload_bits=1), "unary")
    assert spikes.fits


def test_one_neuron_too_large_for_a_core():
    budget = check(network(), chip(synapse_bits=100))
    (first, *_) = budget.violations
    assert (first.limit, first.value, first.allowed) == ("synapse_bits", 128, 100)
    assert "fewer weight bits" in first.remedy


def test_sparse_synapses_take_less_memory():
    dense = network()
    weight = np.zeros_like(dense.layers[0].synapse.weight)
    weight[:, 0] = 3
    sparse = replace(
        dense,
        layers=(replace(dense.layers[0], synapse=replace(dense.layers[0].synapse, weight=weight)), dense.layers[1]),
    )
    # One nonzero synapse a neuron: 8 bits and the number of one of 6 targets, 3 bits.
    assert check(sparse, chip()).layers[0].synapse_bits == 6 * (8 + 3)


def test_shipped_chips_state_their_sources():
    assert set(list_chips()) >= {"loihi1", "loihi2"}
    for name in list_chips():
        for limit in load_chip(name).limits.values():
            assert limit.source
    assert check(network(), load_chip("loihi2")).fits
    assert {violation.limit for violation in check(network(), load_chip("loihi1")).violations} == {"payload_bits"}
    assert check(network(), load_chip("loihi1"), "unary").fits


CHIP = """
title = "mine"
shared_kernels = false
[limits.cores]
value = 4
unit = "cores"
source = "me"
[limits.neurons]
value = 10
unit = "neurons"
source = "me"
[limits.synapse_bits]
value = 1000
unit = "bits"
source = "me"
"""


def test_a_chip_of_one_s_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(CHIP)
    assert load_chip(str(path)).most("neurons") == 10
    assert load_chip(path).most("fan_in") is None
    assert load_chip(path).name == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "not TOML"),
        (CHIP.replace('title = "mine"', ""), "title"),
        (CHIP.replace("limits.cores", "limits.kernels"), "kernels"),
        (CHIP.replace("value = 4", "value = 0"), "at least 1"),
        (CHIP.replace("value = 4", "value = 4.5"), "at least 1"),
        (CHIP.replace('unit = "cores"', ""), "value, unit and source"),
        (CHIP[: CHIP.index("[limits.synapse_bits]")], "synapse_bits"),
    ],
)
def test_bad_chip_files(text, message):
    with pytest.raises(InputError, match=message):
        parse_chip(text, name="mine", file="mine.toml")


def test_unknown_chips():
    with pytest.raises(InputError, match="Did you mean 'loihi2'"):
        load_chip("loihi-2")
    with pytest.raises(InputError, match="can't be read"):
        load_chip("nowhere.toml")
