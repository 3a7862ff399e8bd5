"""The parts of the training, each against something independent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spiking_pvae.cli.main import main
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.errors import DamagedFileError, InputError
from spiking_pvae.model import PoissonVAE, build_model
from spiking_pvae.recipes import RECIPES, find_recipe
from spiking_pvae.scalars import read_scalars, write_scalars
from spiking_pvae.schedules import one_cycle, ramp, warm_beta, warmup_cosine
from spiking_pvae.training import fit
from spiking_pvae.training.averaging import copied, holding, update_average
from spiking_pvae.training.feeding import (
    Feeder,
    Share,
    dihedral_permutations,
    epoch_order,
    one_ahead,
    place_images,
)
from spiking_pvae.training.stopping import Stopper, split_training
from spiking_pvae.types import Dataset, ImageSet


def torch_rates(scheduler: type, steps: int, peak: float, **options: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=peak)
    schedule = scheduler(optimizer, **options)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return rates


def test_the_cosine_is_torchs_cosine() -> None:
    expected = torch_rates(torch.optim.lr_scheduler.CosineAnnealingLR, 50, 0.005, T_max=49, eta_min=1e-5)
    assert [warmup_cosine(step + 7, 57, 0.005, warmup=7) for step in range(50)] == pytest.approx(expected, rel=1e-9)


def test_the_warm_up_is_linear_and_ends_at_the_peak() -> None:
    assert [warmup_cosine(step, 57, 0.005, warmup=5) for step in range(6)] == pytest.approx(
        [0.001, 0.002, 0.003, 0.004, 0.005, 0.005]
    )


def test_one_cycle_is_torchs_one_cycle() -> None:
    # Torch's peak lies at step rise * steps - 1, ours at rise * steps: compare the fall, which starts at the peak.
    steps = 100
    options = {"max_lr": 0.01, "total_steps": steps, "pct_start": 0.31, "cycle_momentum": False}
    torchs = torch_rates(torch.optim.lr_scheduler.OneCycleLR, steps, 0.01, **options, final_div_factor=400.0)
    ours = [one_cycle(step, steps, 0.01, rise=0.3) for step in range(steps)]
    assert ours[30:] == pytest.approx(torchs[30:], rel=1e-9)
    assert ours[0] == pytest.approx(torchs[0])


def test_beta_and_temperature_are_straight_lines() -> None:
    steps = 200
    line = np.interp(np.arange(steps), [0, 100], [1e-4, 4.0])
    assert [warm_beta(step, steps, 4.0, 0.5) for step in range(steps)] == pytest.approx(list(line))
    line = np.interp(np.arange(steps), [0, 100], [1.0, 0.05])
    assert [ramp(step, steps, 1.0, 0.05, 0.5) for step in range(steps)] == pytest.approx(list(line))
    assert warm_beta(0, steps, 4.0, 0.0) == 4.0
    assert warm_beta(0, steps, 0.0, 0.5) == 0.0


@settings(max_examples=40)
@given(
    count=st.integers(1, 60),
    batch=st.integers(1, 70),
    world=st.integers(1, 4),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_the_shares_of_all_processes_make_up_every_batch(
    count: int, batch: int, world: int, epochs: int, seed: int
) -> None:
    images = torch.arange(count, dtype=torch.float32).view(-1, 1, 1, 1)

    def feeder(rank: int, of: int) -> Feeder:
        share = Share(rank=rank, world=of)
        return Feeder(
            images=images, permutations=None, batch_size=batch, seed=seed, share=share, device=torch.device("cpu")
        )

    steps = feeder(0, 1).steps_an_epoch * epochs
    whole = list(feeder(0, 1).batches(0, steps))
    parts = [list(feeder(rank, world).batches(0, steps)) for rank in range(world)]
    for one, several in zip(whole, zip(*parts, strict=True), strict=True):
        assert torch.equal(torch.cat([part.images[: part.count] for part in several]), one.images)
        assert [part.first for part in several] == list(np.cumsum([0] + [part.count for part in several])[:-1])
        assert {part.size for part in several} == {len(one.images)}
        sizes = [part.count for part in several]
        assert all(len(part.images) == max(1, part.count) for part in several)
        assert max(sizes) - min(sizes) <= 1
    seen = torch.cat([one.images.flatten() for one in whole]).view(epochs, count)
    assert torch.equal(seen.sort(1).values, images.flatten().expand(epochs, -1))  # each image once an epoch
    middle = steps // 2
    for late, one in zip(feeder(0, 1).batches(middle, steps), whole[middle:], strict=True):
        assert late.step == one.step
        assert torch.equal(late.images, one.images)


def test_augmentation_shows_the_eight_views_of_a_square() -> None:
    square = torch.arange(9.0).view(1, 3, 3)
    permutations = dihedral_permutations((1, 3, 3))
    views = {tuple(square.flatten()[order].tolist()) for order in permutations}
    expected = set()
    for turns in range(4):
        turned = np.rot90(square[0].numpy(), turns)
        expected |= {tuple(turned.ravel().tolist()), tuple(np.fliplr(turned).ravel().tolist())}
    assert views == expected
    assert len(views) == 8
    with pytest.raises(InputError, match="square images"):
        dihedral_permutations((1, 3, 4))


def test_every_epoch_has_its_own_order() -> None:
    orders = [epoch_order(50, seed=seed, epoch=epoch) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order.tolist()) for order, _ in orders}) == 4
    assert len({tuple(views.tolist()) for _, views in orders}) == 4


def test_views_are_equally_likely() -> None:
    _, views = epoch_order(80_000, seed=0, epoch=0)
    counts = np.bincount(views.numpy(), minlength=8)
    # Each count has mean 10,000 and standard deviation sqrt(80,000 * 7 / 64) = 93.5; five of them.
    assert np.abs(counts - 10_000).max() < 5 * 93.5


def test_the_average_is_its_recursion() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    model.register_buffer("count", torch.zeros((), dtype=torch.int64))
    values = [0.3, -1.0, 2.0, 5.0]
    with torch.no_grad():
        model.weight.fill_(7.0)
        average, expected = copied(model), 7.0
        for step, value in enumerate(values):
            model.weight.fill_(value)
            model.count += 1
            update_average(average, model, 0.35, step)
            kept = min(0.35, (1 + step) / (10 + step))
            expected = kept * expected + (1 - kept) * value
    assert average["weight"].item() == pytest.approx(expected, rel=1e-6)
    assert average["count"].item() == 4
    with holding(model, average):
        assert model.weight.item() == pytest.approx(expected, rel=1e-6)
    assert model.weight.item() == 5.0


@given(values=st.lists(st.integers(0, 5), min_size=1, max_size=20), patience=st.integers(1, 4), first=st.integers(1, 5))
def test_stopping_is_its_definition(values: list[int], patience: int, first: int) -> None:
    stopper = Stopper(patience=patience, first=first)
    for epoch, value in enumerate(values, 1):
        stopper = stopper.seen(epoch, value)
        counted = values[first - 1 : epoch]
        if not counted:
            assert not stopper.done
            continue
        best = first + counted.index(min(counted))
        assert stopper.best_epoch == best
        assert stopper.improved == (best == epoch)
        assert stopper.done == (epoch - best >= patience)


def test_validation_images_decide_nothing(tiny: Dataset) -> None:
    config = TrainConfig(epochs=8, batch_size=20, patience=1, held_out=0.3, learning_rate=0.3, beta_warmup=0.1)
    other = replace(tiny, validation=ImageSet(images=tiny.validation.images * 3 + 1))
    runs = []
    for dataset in (tiny, other):
        model = PoissonVAE(ModelConfig(latents=7), dataset.shape, seed=0)
        runs.append(fit(model, dataset, config))
    one, two = runs
    assert one.steps < 8 * 2  # stopped early
    assert (one.steps, one.epoch) == (two.steps, two.epoch)
    assert all(torch.equal(value, two.model.state_dict()[name]) for name, value in one.model.state_dict().items())


def test_the_held_out_part_is_disjoint_and_of_the_stated_size() -> None:
    images = np.arange(103, dtype=np.float32).reshape(-1, 1, 1, 1)
    train, kept = split_training(images, 0.1, seed=4)
    assert len(kept) == 10
    assert sorted([*train.ravel(), *kept.ravel()]) == list(range(103))


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "wall_time": st.floats(0, 1e10),
                "train_learning_rate": st.floats(allow_nan=False, allow_infinity=False),
                "val_objective": st.floats(allow_nan=False, allow_infinity=False),
            }
        ),
        max_size=5,
    )
)
@settings(max_examples=20)
def test_scalars_survive_the_file(tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, float]]) -> None:
    folder = tmp_path_factory.mktemp("scalars")
    history = [dict(entry, epoch=place + 1, step=7 * place + 7) for place, entry in enumerate(entries)]
    write_scalars(folder, history)
    assert read_scalars(folder) == history


def test_foreign_scalars_are_refused(tmp_path: Path) -> None:
    (tmp_path / "scalars.jsonl").write_text('{"tag": "x"}\n')
    with pytest.raises(DamagedFileError, match="no list of scalars"):
        read_scalars(tmp_path)


def test_the_papers_recipe_is_the_published_one() -> None:
    recipe = find_recipe("paper")
    train = recipe.train
    assert (train.optimizer, train.schedule, train.learning_rate) == ("adamax", "warmup-cosine", 0.005)
    assert (train.estimator, train.indicator) == ("eat", "sigmoid")
    assert (train.temperature, train.temperature_warmup) == (0.05, 0.5)
    assert (train.warmup_epochs, train.epochs, train.batch_size) == (5, 3000, 1000)
    assert (train.gradient_clip, train.beta_warmup, train.seed, recipe.model.clamp) == (500.0, 0.5, 0, 10.0)
    assert (recipe.model.encoder, recipe.model.decoder, recipe.model.bias) == ("linear", "linear", False)
    assert [known.name for known in RECIPES] == ["default", "paper"]


def test_the_clamp_follows_beta_until_the_model_is_built() -> None:
    chosen = {0.0: 2.5, 0.01: 2.5, 0.1: 2.5, 1.0: 4.0, 10**0.5: 4.75, 8.0: 5.0, 1000.0: 5.0}
    for beta, clamp in chosen.items():
        assert ModelConfig(beta=beta).ceiling == pytest.approx(clamp)
        assert ModelConfig(beta=beta, clamp=7.0).ceiling == 7.0
    built = build_model(ModelConfig(latents=2, beta=1.0))
    assert built.config.clamp == built.latents.ceiling == 4.0
    assert build_model(replace(built.config, beta=0.1)).latents.ceiling == 4.0


def test_the_prior_starts_as_published_and_higher_below_a_clamp_of_5() -> None:
    def start(**settings: Any) -> torch.Tensor:
        return build_model(ModelConfig(latents=2000, **settings)).state_dict()["latents.prior_log_rate"]

    for decoder, high in (("linear", -4.0), ("mlp", -2.0)):
        for clamp in (5.0, 10.0):
            drawn = start(decoder=decoder, clamp=clamp)
            assert -6 <= drawn.min() < -5.96  # missed by chance: e^-20 or less
            assert high - 0.04 < drawn.max() < high
    torch.testing.assert_close(start(clamp=3.0), start(clamp=5.0) + 2.0)


def test_the_learning_rate_follows_the_decoder(tiny: Dataset) -> None:
    assert [TrainConfig().peak(decoder) for decoder in ("linear", "mlp", "conv")] == [0.01, 0.003, 0.003]
    assert TrainConfig(learning_rate=0.02).peak("mlp") == 0.02
    model = build_model(ModelConfig(latents=4, decoder="mlp", width=4), tiny.shape)
    run = fit(model, tiny, TrainConfig(epochs=2, device="cpu", schedule="warmup-cosine", warmup_epochs=1))
    assert run.train.learning_rate == run.history[0]["train_learning_rate"] == 0.003


def test_options_go_before_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from spiking_pvae.checkpoint import load_run

    out = tmp_path / "out"
    options = "--data digits --recipe paper --epochs 2 --latents 8 --device cpu --quiet --json"
    assert main(["train", "--out", str(out), *options.split()]) == 0
    run = load_run(out)
    paper = find_recipe("paper")
    assert run.train == replace(paper.train, epochs=2, device="cpu")
    assert run.model.config == replace(paper.model, latents=8)
    assert main(["train", "--out", str(out), "--recipe", "none"]) == 2
    assert "allowed: default, paper" in capsys.readouterr().err


def test_the_next_batch_is_prepared_before_the_present_one_is_used() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(4):
            made.append(number)
            yield number

    seen = [(number, len(made)) for number in one_ahead(numbers())]
    assert seen == [(0, 2), (1, 3), (2, 4), (3, 4)]


def test_images_stay_where_they_are_on_the_cpu() -> None:
    images = torch.zeros(3, 1, 2, 2)
    assert place_images(images, torch.device("cpu")) is images
