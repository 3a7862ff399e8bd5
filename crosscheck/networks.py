"""Networks to compare on: random dense, random convolutional with borders, strides and groups, and trained."""

from __future__ import annotations

import numpy as np

from spiking_pvae.config import EncoderKind, ModelConfig, TrainConfig
from spiking_pvae.data import load
from spiking_pvae.deploy import convert
from spiking_pvae.deploy.ir import (
    ConstantThreshold,
    Conv2d,
    Dense,
    ExponentialThreshold,
    InputPort,
    Layer,
    Network,
    Readout,
)
from spiking_pvae.model import PoissonVAE
from spiking_pvae.prune_config import PruneConfig
from spiking_pvae.pruning import prune
from spiking_pvae.training import fit
from spiking_pvae.types import FloatArray

SIDE = 8
SAMPLES = 8


def _poisson(size: int, rng: np.random.Generator) -> ExponentialThreshold:
    """Poisson neurons of random rates, taken from a model of that size."""
    seed = int(rng.integers(2**31))
    model = PoissonVAE(ModelConfig(latents=size), (1, 4, 4), seed=seed)
    model.prior_log_rate.data += 6.0
    neuron = convert(model, rng.normal(size=(8, 1, 4, 4)).astype(np.float32)).latent.neuron
    assert isinstance(neuron, ExponentialThreshold)
    return neuron


def _weights(rng: np.random.Generator, shape: tuple[int, ...], zeros: float) -> np.ndarray:
    values = rng.integers(2, 128, shape) * rng.choice([-1, 1], shape, p=[0.2, 0.8])
    return (values * (rng.random(shape) >= zeros)).astype(np.int8)


def random_network(seed: int, *, convolutional: bool, zeros: float) -> tuple[Network, FloatArray]:
    """Build a network with two hidden layers and images for it."""
    rng = np.random.default_rng(seed)
    layers, shape = [], (1, SIDE, SIDE)
    for index in range(2):
        if convolutional:
            groups = 1 if index == 0 else 2
            synapse: Conv2d | Dense = Conv2d(
                weight=_weights(rng, (4, shape[0] // groups, 3, 2), zeros),
                exponent=0,
                bits=8,
                input_shape=shape,
                stride=(int(rng.integers(1, 3)), 1),
                padding=(index, 1),
                groups=groups,
            )
            shape = synapse.output_shape
        else:
            synapse = Dense(weight=_weights(rng, (9, int(np.prod(shape))), zeros), exponent=0, bits=8)
            shape = (9,)
        neurons = int(np.prod(shape))
        theta = rng.integers(*((5, 60) if index == 0 else (1, 8)), neurons).astype(np.int32)
        layers.append(
            Layer(
                name=f"hidden{index}",
                shape=shape,
                synapse=synapse,
                bias=None,
                neuron=ConstantThreshold(mantissa=theta, n_max=20),
                scale=np.ones(neurons),
            )
        )
    size, latents = int(np.prod(shape)), 7
    last = (
        ("latents", latents, size, _poisson(latents, rng)),
        ("readout", SIDE * SIDE, latents, Readout()),
    )
    for name, outputs, inputs, neuron in last:
        synapse = Dense(weight=_weights(rng, (outputs, inputs), zeros), exponent=0, bits=8)
        layers.append(
            Layer(name=name, shape=(outputs,), synapse=synapse, bias=None, neuron=neuron, scale=np.ones(outputs))
        )
    port = InputPort(shape=(1, SIDE, SIDE), bits=8, signed=False, scale=0.2)
    images = np.abs(rng.normal(size=(SAMPLES, 1, SIDE, SIDE))).astype(np.float32)
    images[:, :, ::3] = 0  # silent lines
    return Network(input=port, layers=tuple(layers), beta=1.0), images


def trained_network(encoder: EncoderKind, *, pruned: bool) -> tuple[Network, FloatArray]:
    """Train on the bundled digits, prune if asked, convert; unsigned inputs."""
    dataset = load("digits")
    model = PoissonVAE(ModelConfig(latents=24, beta=0.1, encoder=encoder), dataset.shape)
    train = TrainConfig(epochs=8, batch_size=100, device="cpu")
    fit(model, dataset, train)
    if pruned:
        prune(model, dataset, train, PruneConfig(encoder_keep=0.2, decoder_keep=0.5, epochs=2))
    return convert(model, dataset.calibration()), dataset.validation.images[: 4 * SAMPLES]
