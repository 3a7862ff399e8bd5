"""Equalisation: the same function, balanced channels; and formats of hidden units that do not clip the weights."""

from dataclasses import replace

import modules
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.deploy.convert import prepare
from spiking_pvae.deploy.floatnet import Rectify, accumulate, activate, decode
from spiking_pvae.deploy.fold import equalise, peaks
from spiking_pvae.deploy.hidden import MOST_EXPONENT, fine_format
from spiking_pvae.deploy.quantize import QuantizeConfig, quantize


def flow(network, x):
    """Accumulators of the latents."""
    for layer in network.layers[: network.latent_index]:
        x = activate(layer, accumulate(layer, x))
    return accumulate(network.latent, x)


@settings(max_examples=40, deadline=None)
@given(parts=modules.float_networks(), seed=st.integers(0, 2**32))
def test_equalisation_changes_no_output(parts, seed):
    network, _, _ = parts
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(20, int(np.prod(network.shape))))
    counts = rng.poisson(1.0, (20, network.latent.shape[0])).astype(float)
    balanced = equalise(network, peaks(network, x))
    np.testing.assert_allclose(flow(balanced, x), flow(network, x), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(decode(balanced, counts), decode(network, counts), rtol=1e-9, atol=1e-9)


def three_layers(seed):
    torch, nn = modules.torch, modules.nn
    torch.manual_seed(seed)
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
    return modules.lowered(encoder, nn.Sequential(nn.Linear(4, 16)), 4, (1, 4, 4))


def test_equalisation_balances_activations_and_the_weights_that_read_them():
    """Of every hidden channel: largest activation = largest weight that reads it, times one constant a layer."""
    network, images = three_layers(0), np.random.default_rng(0).normal(size=(200, 1, 4, 4)).astype(np.float32)
    balanced = prepare(network, images, QuantizeConfig(equalisation=True))
    largest = peaks(balanced, images.reshape(200, -1).astype(float))
    (hidden,) = [layer for layer in balanced.layers if isinstance(layer.activation, Rectify)]
    reader = np.abs(balanced.layers[balanced.layers.index(hidden) + 1].linear.weight).max(0)
    ratio = largest[hidden.name] / reader
    np.testing.assert_allclose(ratio, ratio[0])
    before = peaks(network, images.reshape(200, -1).astype(float))[hidden.name]
    assert np.ptp(np.log(before / np.abs(network.layers[1].linear.weight).max(0))) > 0.5
    assert prepare(network, images, QuantizeConfig()) is network


@given(
    scale=st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=4),
    exponent=st.integers(0, MOST_EXPONENT),
    step=st.floats(1e-9, 1.0),
)
def test_a_small_step_never_forces_the_weights_to_a_finer_grid(scale, exponent, step):
    """Thresholds have a smallest value: a count that is worth less is raised, or weights would leave their range."""
    scale = np.array(scale)
    made = fine_format(scale, exponent, step, 255)
    assert (made.step >= step).all()
    assert (made.scale >= scale * 0.66).all()  # a threshold wanted at 1.5 and rounded to 2
    assert (made.mantissa >= 1).all()


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_weak_hidden_activations_do_not_clip_the_weights(size):
    """Units that hardly ever rise above 0 although their weights are large."""
    network = three_layers(1)
    first, *others = network.layers
    first = replace(first, linear=replace(first.linear, weight=first.linear.weight * size), bias=np.full(8, -size))
    network = replace(network, layers=(first, *others))
    images = np.random.default_rng(0).normal(size=(200, 1, 4, 4)).astype(np.float32)
    made = quantize(network, images, QuantizeConfig(calibration="max"))
    layer = made.layers[0]
    grid = layer.scale / layer.neuron.theta * 2.0**layer.synapse.exponent / made.input.scale
    meant = layer.synapse.weight * grid[:, None]
    wanted = first.linear.weight
    # The grid follows the threshold by a few percent: the largest weights may be cut by as much, never to a rest.
    assert (np.abs(meant) >= 0.66 * np.abs(wanted) - grid[:, None]).all()
    assert (np.abs(meant) <= np.abs(wanted) + grid[:, None]).all()
