"""Small integer networks for tests."""

import numpy as np

from spiking_pvae.deploy.floatnet import PoissonRate
from spiking_pvae.deploy.ir import Bias, ConstantThreshold, Dense, InputPort, Layer, Network, Neuron, Readout
from spiking_pvae.deploy.latents import poisson_neuron as build_poisson_neuron


def dense_layer(name, rng, inputs, neuron: Neuron, size, *, bits=8, exponent=0, bias=False, scale=None):
    high = 2 ** (bits - 1) - 1
    return Layer(
        name=name,
        shape=(size,),
        synapse=Dense(
            weight=rng.integers(-high, high + 1, (size, inputs)).astype(np.int8), exponent=exponent, bits=bits
        ),
        bias=Bias(mantissa=rng.integers(-4096, 4096, size).astype(np.int16), exponent=2) if bias else None,
        neuron=neuron,
        scale=np.ones(size) if scale is None else scale,
    )


def poisson_neuron(rng, size, *, clamp=5.0, low=-3.0, high=1.0, unit=2e-4):
    activation = PoissonRate(prior_log_rate=rng.uniform(low, high, size), clamp=clamp)
    return build_poisson_neuron("latents", activation, np.full(size, unit) * rng.uniform(0.5, 2.0, size))


def random_network(seed, *, side=4, hidden=(), latents=6, bits=8, signed=True, bias=True):
    rng = np.random.default_rng(seed)
    port = InputPort(shape=(1, side, side), bits=8, signed=signed, scale=0.05)
    layers, inputs = [], port.neurons
    for index, size in enumerate(hidden):
        neuron = ConstantThreshold(
            mantissa=rng.integers(1, 400, size).astype(np.int32), n_max=int(rng.integers(1, 300))
        )
        layers.append(dense_layer(f"hidden{index}", rng, inputs, neuron, size, bits=bits, bias=bias))
        inputs = size
    layers.append(dense_layer("latents", rng, inputs, poisson_neuron(rng, latents), latents, bits=bits, bias=bias))
    layers.append(dense_layer("readout", rng, latents, Readout(), port.neurons, bits=bits))
    return Network(input=port, layers=tuple(layers), beta=1.0)


def random_images(seed, samples, side=4, scale=1.0):
    return np.random.default_rng(seed).normal(0, scale, (samples, 1, side, side)).astype(np.float32)
