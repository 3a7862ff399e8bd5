"""Nodes refuse what the hardware can't hold, with layer, limit, value and remedy."""

from dataclasses import replace

import networks
import numpy as np
import pytest

from spiking_pvae.deploy.ir import Bias, ConstantThreshold, Dense, InputPort, Network
from spiking_pvae.errors import InputError, LimitError


def test_weights_beyond_their_bits():
    with pytest.raises(LimitError, match=r"4-bit weight \[-7, 7\]"):
        Dense(weight=np.array([[8]], np.int8), exponent=0, bits=4)
    with pytest.raises(LimitError, match="-128"):
        Dense(weight=np.array([[-128]], np.int8), exponent=0, bits=8)


def test_thresholds_biases_and_payloads():
    layer = networks.random_network(0, hidden=(3,)).layers[0]
    for mantissa in (0, 2**17):
        neuron = ConstantThreshold(mantissa=np.full(3, mantissa, np.int32), n_max=5)
        with pytest.raises(LimitError, match=r"'hidden0'.*17-bit threshold mantissa.*weight exponent"):
            replace(layer, neuron=neuron)
    with pytest.raises(LimitError, match="24-bit count"):
        replace(layer, neuron=ConstantThreshold(mantissa=np.ones(3, np.int32), n_max=2**23))
    with pytest.raises(LimitError, match="13-bit bias mantissa"):
        replace(layer, bias=Bias(mantissa=np.full(3, 4096, np.int16), exponent=0))
    with pytest.raises(LimitError, match="24-bit membrane"):
        replace(layer, bias=Bias(mantissa=np.full(3, 4095, np.int16), exponent=12))


@pytest.mark.parametrize("name", ["gain", "gain_shift", "rate", "rate_shift", "prior_rate"])
def test_one_value_a_neuron(name):
    """Compiled code would read past the end of a shorter array."""
    layer = networks.random_network(0, bias=True).latent
    with pytest.raises(InputError, match=name):
        replace(layer, neuron=replace(layer.neuron, **{name: getattr(layer.neuron, name)[:1]}))
    with pytest.raises(InputError, match="bias"):
        replace(layer, bias=Bias(mantissa=layer.bias.mantissa[:1], exponent=0))
    with pytest.raises(LimitError, match="bias exponent"):
        replace(layer, bias=Bias(mantissa=layer.bias.mantissa, exponent=-1))


def test_rates_beyond_the_membrane():
    layer = networks.random_network(0).latent
    with pytest.raises(LimitError, match=r"24-bit membrane.*fractional bits"):
        replace(layer, neuron=replace(layer.neuron, rate_shift=layer.neuron.rate_shift - 10))
    with pytest.raises(InputError, match="gain_shift"):
        replace(layer.neuron, gain_shift=np.zeros_like(layer.neuron.gain_shift))


def test_chain_must_fit():
    network = networks.random_network(0, hidden=(3,))
    with pytest.raises(InputError, match="inputs"):
        replace(network, layers=network.layers[1:])
    with pytest.raises(InputError, match="Poisson"):
        Network(input=network.input, layers=network.layers[:1], beta=1.0)
    with pytest.raises(InputError, match="unique names"):
        replace(network, layers=(replace(network.layers[0], name="input"), *network.layers[1:]))
    with pytest.raises(InputError, match="outputs"):
        replace(network.layers[0], shape=(4,), scale=np.ones(4))
    with pytest.raises(InputError, match="scale"):
        replace(network.layers[0], scale=np.ones(4))


def test_input_port():
    with pytest.raises(InputError, match="input scale"):
        InputPort(shape=(1, 2, 2), bits=8, signed=True, scale=0.0)
    port = InputPort(shape=(1, 1, 3), bits=4, signed=True, scale=0.5)
    images = np.array([[[[0.26, -9.0, 9.0]]]], np.float32)
    assert port.encode(images).tolist() == [[1, -7, 7]]
