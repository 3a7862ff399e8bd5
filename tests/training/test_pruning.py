from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spiking_pvae import pruning
from spiking_pvae.checkpoint import load_checkpoint, load_run
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.deploy import convert, simulate
from spiking_pvae.energy import count, fan_out
from spiking_pvae.errors import InputError
from spiking_pvae.model import PoissonVAE
from spiking_pvae.prune_config import PruneConfig
from spiking_pvae.pruning import density, keep_largest, masks, prune, share_at
from spiking_pvae.resuming import started_with
from spiking_pvae.training import Progress, fit
from spiking_pvae.types import Dataset

TRAIN = TrainConfig(epochs=2, batch_size=8, device="cpu")
CONFIG = PruneConfig(encoder_keep=0.3, decoder_keep=0.6, epochs=4)


def trained(tiny: Dataset) -> PoissonVAE:
    model = PoissonVAE(ModelConfig(latents=12), tiny.shape)
    fit(model, tiny, TRAIN)
    return model


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=40), st.floats(0.01, 1.0))
def test_the_largest_stay(values: list[int], share: float) -> None:
    scores = torch.tensor(values, dtype=torch.float32)
    mask = keep_largest(scores, share)
    assert int(mask.sum()) == math.ceil(share * len(values))
    kept, gone = scores[mask], scores[~mask]
    assert sorted(kept.tolist(), reverse=True) == sorted(values, reverse=True)[: len(kept)]
    assert not len(gone) or gone.max() <= kept.min()


def test_the_ramp_is_cubic_and_ends_at_its_target() -> None:
    assert share_at(0.0, 0.1) == 1.0
    assert share_at(1.0, 0.1) == share_at(3.0, 0.1) == pytest.approx(0.1)
    assert share_at(0.5, 0.2) == pytest.approx(0.2 + 0.8 / 8)
    assert share_at(0.5, 0.2, 0.6) == pytest.approx(0.2 + 0.4 / 8)
    assert share_at(0.5, 0.5, 0.3) == 0.3


def test_what_is_gone_stays_gone_when_pruned_again(tiny: Dataset) -> None:
    model = trained(tiny)
    prune(model, tiny, TRAIN, CONFIG)
    gone = model.encoder[1].weight.detach() == 0
    prune(model, tiny, TRAIN, CONFIG)
    assert torch.equal(model.encoder[1].weight.detach() == 0, gone)
    prune(model, tiny, TRAIN, replace(CONFIG, encoder_keep=0.1))
    assert not model.encoder[1].weight.detach()[gone].any()
    assert density(model.encoder) == math.ceil(0.1 * 16 * 12) / (16 * 12)


def test_weights_stay_zero_through_the_rest_of_the_training(tiny: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "MASK_EVERY", 2)
    model = trained(tiny)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    seen: list[tuple[float, torch.Tensor]] = []

    def report(progress: Progress) -> None:
        seen.append((progress.step / progress.steps, model.encoder[1].weight.detach() != 0))

    run = prune(model, tiny, TRAIN, CONFIG, report=report)
    assert density(model.encoder) == math.ceil(0.3 * 16 * 12) / (16 * 12)
    assert density(model.decoder) == math.ceil(0.6 * 16 * 12) / (16 * 12)
    shares = [float(mask.float().mean()) for _, mask in seen]
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) > 4  # in steps, not at once
    final = [mask for progress, mask in seen if progress > CONFIG.ramp]
    assert all(torch.equal(mask, final[0]) for mask in final)
    assert all(not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert run.train.epochs == CONFIG.epochs


def test_the_hook_is_gone_afterwards(tiny: Dataset) -> None:
    model = trained(tiny)
    prune(model, tiny, TRAIN, CONFIG)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert density(model.encoder) > 0.99


def test_a_pruning_that_was_stopped_does_not_go_on_as_a_training(tiny: Dataset, tmp_path: Path) -> None:
    model = trained(tiny)

    def interrupt(progress: Progress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(fit.__kwdefaults__, "checkpoint_seconds", 0.0)
        with pytest.raises(KeyboardInterrupt):
            prune(model, tiny, TRAIN, CONFIG, out=tmp_path, report=interrupt)
    settings = load_checkpoint(tmp_path).settings
    with pytest.raises(InputError, match="prune anew with --force"):
        started_with(tmp_path)
    with pytest.raises(InputError, match="prune anew with --force"):
        fit(model, tiny, TrainConfig(**settings["train"]), out=tmp_path, resume=True)
    with pytest.raises(InputError, match="prune with --force"):
        load_run(tmp_path)


def test_choosing_what_stays_leaves_batch_norm_as_it_is(tiny: Dataset) -> None:
    config = ModelConfig(latents=4, encoder="conv", channels=2, depth=1)
    model = PoissonVAE(config, tiny.shape).train()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    assert any("running_mean" in name for name in before)
    with pruning.kept_sparse(model, torch.from_numpy(tiny.calibration()), CONFIG, steps=1):
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert density(model.encoder) < 0.5
    assert all(torch.equal(buffer, before[name]) for name, buffer in model.named_buffers())
    assert all(module.training for module in model.modules())


def test_latents_that_fire_more_keep_more(tiny: Dataset) -> None:
    model = trained(tiny)
    with torch.no_grad():
        model.encoder[1].weight.copy_(torch.ones(12, 16))
    rates = torch.arange(12.0) + 1
    (_, mask), _ = masks(model, rates, encoder_share=0.25, decoder_share=1.0)
    assert mask.sum(1).tolist() == [0] * 9 + [16] * 3


def test_convolutions_are_pruned_too() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    assert [tuple(weight.shape) for weight in pruning.prunable(model)] == [(4, 1, 3, 3), (3, 16)]


def test_a_pruned_model_is_sparse_in_the_network_the_simulator_and_the_counts(tiny: Dataset) -> None:
    model = trained(tiny)
    prune(model, tiny, TRAIN, CONFIG)
    network = convert(model, tiny.calibration())
    for layer, weight in zip(network.layers, (model.encoder[1].weight, model.decoder[0].weight), strict=True):
        gone = weight.detach().numpy() == 0
        assert not layer.synapse.weight[gone].any()
        assert fan_out(layer.synapse).sum() == np.count_nonzero(layer.synapse.weight) <= (~gone).sum()
    images = tiny.validation.images
    record = simulate(network, images, backend_name="reference")
    assert simulate(network, images).counts_sha256 == record.counts_sha256
    messages = network.input.encode(images) != 0
    stored = (network.latent.synapse.weight != 0).astype(int)
    ops = count(network, record)
    assert ops.layers[1].event_synops.sum() == (messages.astype(int) @ stored.T).sum()


@pytest.mark.parametrize(
    ("field", "value"),
    [("encoder_keep", 0.0), ("decoder_keep", 1.1), ("ramp", 1.0), ("epochs", 0), ("learning_rate", 0.0)],
)
def test_bad_settings_are_refused(field: str, value: float) -> None:
    with pytest.raises(InputError, match=field):
        replace(PruneConfig(), **{field: value})
