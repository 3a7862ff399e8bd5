"""The estimate of a training's memory against models that are built, and against what a step keeps."""

from __future__ import annotations

import warnings
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from spiking_pvae.config import DecoderKind, EncoderKind, ModelConfig, TrainConfig
from spiking_pvae.distributions.build import LATENTS
from spiking_pvae.memory import decoder_layers, encoder_layers, training_memory
from spiking_pvae.model import build_model
from spiking_pvae.training.step import TrainStep

SHAPES = [(1, 28, 28), (3, 9, 7)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("decoder", get_args(DecoderKind))
@pytest.mark.parametrize("encoder", get_args(EncoderKind))
def test_weights_are_counted_exactly(encoder: Any, decoder: Any, shape: Any) -> None:
    for kind in LATENTS:
        for depth, bias, norm in ((1, True, True), (2, False, True), (3, True, False)):
            config = ModelConfig(
                model=kind, encoder=encoder, decoder=decoder, latents=11, width=13, channels=3,
                depth=depth, bias=bias, batch_norm=norm,
            )  # fmt: skip
            model = build_model(config, shape)
            counted = [sum(p.numel() for p in part.parameters()) for part in (model.encoder, model.decoder)]
            assert [encoder_layers(config, shape).weights, decoder_layers(config, shape).weights] == counted


def step_bytes(config: ModelConfig, shape: Any, train: TrainConfig) -> int:
    """Bytes of weights, gradients, moments and of what autograd keeps, from a step that computes no numbers."""
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage._cdata] = storage.nbytes()
        return tensor

    with warnings.catch_warnings(), FakeTensorMode():
        warnings.simplefilter("ignore")  # of the fake tensors' own imports
        model = build_model(config, shape)
        step = TrainStep(model, train)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            scalar, seed = torch.ones(()), torch.tensor(0)
            step(torch.empty(train.batch_size, *shape), scalar, scalar, seed, seed)
        weights = {p.untyped_storage()._cdata: p.untyped_storage().nbytes() for p in model.parameters()}
    return 4 * sum(weights.values()) + sum(size for place, size in kept.items() if place not in weights)


@pytest.mark.parametrize(
    ("encoder", "decoder", "settings", "train"),
    [
        ("linear", "linear", {}, {}),
        ("mlp", "mlp", {"depth": 3}, {}),
        ("conv", "linear", {}, {}),
        ("conv", "conv", {}, {"batch_size": 100}),
        ("conv", "conv", {"activation": "silu", "batch_norm": False, "depth": 3}, {}),
        ("mlp", "conv", {}, {"estimator": "score"}),
    ],
)
def test_a_step_keeps_about_what_is_estimated(encoder: Any, decoder: Any, settings: Any, train: Any) -> None:
    config = ModelConfig(encoder=encoder, decoder=decoder, **settings)
    estimate = training_memory(config, (1, 28, 28), TrainConfig(**train))
    # The estimate adds the gradients in flight, which a forward pass does not show.
    kept = step_bytes(config, (1, 28, 28), TrainConfig(**train))
    assert kept <= estimate <= 1.6 * kept
