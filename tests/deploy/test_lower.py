"""Lowering against torch itself, and refusal of what can't be lowered."""

import modules
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

from spiking_pvae.deploy.floatnet import Rectify, accumulate, activate, decode
from spiking_pvae.deploy.maps import ConvMap, DenseMap, ScaleMap, apply, compose, unrolled
from spiking_pvae.errors import InputError, UnsupportedError


@settings(max_examples=60, deadline=None)
@given(modules.float_networks())
def test_lowered_networks_compute_what_torch_computes(parts):
    network, encoder, decoder = parts
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(4, *network.shape, generator=generator)
    counts = torch.poisson(torch.full((4, len(network.latent.activation.prior_log_rate)), 2.0), generator=generator)
    with torch.no_grad():
        # In float64 the two differ by rounding alone.
        residual = encoder.double()(images.double()).numpy()
        expected = decoder.double()(counts.double()).flatten(1).numpy()
    x = images.flatten(1).double().numpy()
    for layer in network.layers[: network.latent_index]:
        assert isinstance(layer.activation, Rectify)
        x = activate(layer, accumulate(layer, x))
    np.testing.assert_allclose(accumulate(network.latent, x), residual.reshape(4, -1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(decode(network, counts.double().numpy()), expected, rtol=1e-5, atol=1e-6)


def conv(rng, inputs, outputs, shape, **options):
    groups = options.get("groups", 1)
    return ConvMap(weight=rng.normal(size=(outputs, inputs // groups, 3, 2)), input_shape=shape, **options)


def test_composition_keeps_convolutions_where_it_can():
    rng = np.random.default_rng(0)
    shape = (4, 8, 8)
    pool = ConvMap(weight=np.full((4, 1, 2, 2), 0.25), input_shape=shape, stride=(2, 2), groups=4)
    overlapping = ConvMap(weight=np.full((4, 1, 3, 3), 1 / 9), input_shape=shape, groups=4, padding=(1, 1))
    after_pool = conv(rng, 4, 6, (4, 4, 4), padding=(1, 1), dilation=(1, 2), groups=2)
    unpadded = conv(rng, 4, 6, shape, stride=(2, 1))
    padded = conv(rng, 4, 6, shape, padding=(1, 0))
    dense = DenseMap(weight=rng.normal(size=(3, 64)))
    scale = ScaleMap(gain=rng.normal(size=64))
    for second, first, kind in (
        (after_pool, pool, ConvMap),
        (unpadded, overlapping, ConvMap),
        (padded, overlapping, DenseMap),  # the border of the padding is not zero before the pooling
        (dense, pool, DenseMap),
        (dense, scale, DenseMap),
        (scale, pool, DenseMap),  # a gain that differs within a channel
    ):
        both = compose(second, first)
        assert type(both) is kind
        x = rng.normal(size=(5, first.inputs))
        np.testing.assert_allclose(apply(both, x), apply(second, apply(first, x)), atol=1e-12)
    np.testing.assert_allclose(unrolled(pool).weight @ np.ones(256), np.ones(64))


class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class Scaled(nn.Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class Handmade(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(16, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.second(torch.relu(self.first(x.flatten(1))))


class Residual(nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def with_hook():
    layer = nn.Linear(16, 3)
    layer.register_forward_hook(lambda module, inputs, output: output + 1)
    return nn.Sequential(nn.Flatten(), layer)


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.SiLU()), r"'encoder\.2' of type SiLU.*nn\.ReLU"),
        (nn.Sequential(nn.Flatten(), nn.Linear(16, 3), Swish()), r"'encoder\.2' of type Swish"),
        (nn.Sequential(nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, 3)), r"'encoder\.1' of type LayerNorm.*BatchNorm"),
        (nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3)), r"'encoder\.0' of type MaxPool2d.*AvgPool2d"),
        (nn.Sequential(nn.Flatten(), Scaled(16, 3)), r"'encoder\.1' of type Scaled \(a Linear with a forward"),
        (nn.Sequential(nn.Flatten(), Residual(nn.Linear(16, 16)), nn.Linear(16, 3)), r"'encoder\.1' of type Residual"),
        (Handmade(), r"'encoder' of type Handmade.*functional"),
        (with_hook(), r"'encoder\.1'.*hook"),
        (nn.Sequential(nn.Linear(4, 3), nn.Flatten()), r"'encoder\.0'.*nn\.Flatten"),
        (nn.Sequential(nn.Conv2d(1, 3, 3, padding=1, padding_mode="reflect"), nn.Flatten()), "reflect"),
        (nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16, track_running_stats=False), nn.Linear(16, 3)), "running"),
    ],
)
def test_unsupported_modules_fail_by_name_place_and_nearest_form(encoder, message):
    decoder = nn.Sequential(nn.Linear(3, 16), nn.Unflatten(1, (1, 4, 4)))
    with pytest.raises(UnsupportedError, match=message):
        modules.lowered(encoder, decoder, 3, (1, 4, 4))


def test_wrong_sizes_are_refused():
    decoder = nn.Sequential(nn.Linear(3, 15))
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    with pytest.raises(InputError, match="output of the decoder"):
        modules.lowered(encoder, decoder, 3, (1, 4, 4))


def test_a_module_used_twice_counts_twice():
    relu = nn.ReLU()
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(16, 5), relu, nn.Linear(5, 4), relu, nn.Linear(4, 3))
    network = modules.lowered(encoder, nn.Sequential(nn.Linear(3, 16)), 3, (1, 4, 4))
    assert [layer.name for layer in network.layers] == ["encoder.1", "encoder.3", "latents", "readout"]


def test_rectifiers_at_the_borders_become_layers_of_their_own():
    encoder = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(16, 3), nn.ReLU())
    decoder = nn.Sequential(nn.ReLU(), nn.Linear(3, 16), nn.ReLU())
    network = modules.lowered(encoder, decoder, 3, (1, 4, 4))
    assert [layer.name for layer in network.layers] == [
        "encoder.0",
        "encoder.2",
        "latents",
        "decoder.0",
        "decoder.1",
        "readout",
    ]
