"""A run that was stopped ends exactly as the unbroken one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from spiking_pvae.checkpoint import Run, load_checkpoint, load_run
from spiking_pvae.cli.terminal import Terminal
from spiking_pvae.cli.train import Train, train
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.errors import DamagedFileError, InputError
from spiking_pvae.model import PoissonVAE
from spiking_pvae.training import Progress, fit, loop
from spiking_pvae.training.feeding import Batch
from spiking_pvae.training.job import Job, State
from spiking_pvae.types import Dataset

MODEL = ModelConfig(latents=7)
BASE = TrainConfig(epochs=4, batch_size=20, device="cpu")  # 53 images: the last batch has 13
CONFIGS = {
    "default": BASE,
    "paper": replace(BASE, optimizer="adamax", schedule="warmup-cosine", warmup_epochs=1, learning_rate=0.005),
    "averaged": replace(BASE, average=0.9),
    "stopping": replace(BASE, patience=1, held_out=0.3, epochs=8, learning_rate=0.3, beta_warmup=0.1),
}


SAMPLED = ModelConfig(encoder="conv", decoder="mlp", latents=7, width=8, channels=3)
"""Batch norm, whose statistics are a state of their own, and counts drawn by the arrival-time sampler."""


def run(
    dataset: Dataset, config: TrainConfig, out: Path | None = None, stop_at: int = 0, model_config: ModelConfig = MODEL
) -> dict[str, Tensor]:
    """Train, or go on; raise KeyboardInterrupt after step `stop_at`."""

    def report(progress: Progress) -> None:
        if progress.step == stop_at:
            raise KeyboardInterrupt

    model = PoissonVAE(model_config, dataset.shape, seed=config.seed)
    # Every step writes a checkpoint, before it is reported as done in the next one.
    fit(model, dataset, config, out=out, resume=True, report=report, checkpoint_seconds=0.0)
    return model.state_dict()


def timeless(run: Run) -> list[dict[str, float]]:
    return [{key: value for key, value in entry.items() if "time" not in key} for entry in run.history]


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize("name", CONFIGS)
def test_a_stopped_run_ends_as_the_unbroken_one(name: str, tiny: Dataset, tmp_path: Path) -> None:
    config = CONFIGS[name]
    (tmp_path / "whole").mkdir()
    whole = run(tiny, config, tmp_path / "whole")
    expected = load_run(tmp_path / "whole")
    if name == "stopping":
        assert expected.epoch < config.epochs  # it does stop early, or the test shows nothing
    for step in {1, 3, 5, expected.steps - 1}:  # within an epoch, at its end, near the end of all
        out = tmp_path / f"stopped at {step}"
        out.mkdir()
        with pytest.raises(KeyboardInterrupt):
            run(tiny, config, out, stop_at=step)
        assert_same(run(tiny, config, out), whole)
        found = load_run(out)
        assert (found.steps, found.epoch) == (expected.steps, expected.epoch)
        assert timeless(found) == timeless(expected)


def test_a_finished_run_resumed_stays_as_it_is(tiny: Dataset, tmp_path: Path) -> None:
    assert_same(run(tiny, BASE, tmp_path), run(tiny, BASE, tmp_path))


def test_the_seed_changes_the_result(tiny: Dataset) -> None:
    one, other = (run(tiny, replace(BASE, seed=seed)) for seed in (0, 1))
    assert not torch.equal(one["latents.prior_log_rate"], other["latents.prior_log_rate"])


def test_seeds_up_to_63_bits_train_and_larger_ones_are_refused(tiny: Dataset) -> None:
    run(tiny, replace(BASE, epochs=1, seed=2**63 - 1))
    with pytest.raises(InputError, match="seed"):
        replace(BASE, seed=2**63)


def test_a_run_begun_anew_leaves_nothing_of_the_old_one(
    tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = Train(out=tmp_path, model=MODEL, train=BASE, force=True)
    train(tiny, options, Terminal())

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_advance", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(tiny, options, Terminal())
    assert "nothing was saved" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="no finished run"):
        load_run(tmp_path)


def test_a_refused_run_leaves_the_old_one(tiny: Dataset, tmp_path: Path) -> None:
    run(tiny, BASE, tmp_path)
    with pytest.raises(InputError, match="shape"):
        fit(PoissonVAE(MODEL, (1, 5, 5)), tiny, BASE, out=tmp_path)
    assert load_run(tmp_path).steps == 12


def test_the_last_good_checkpoint_survives_a_divergence(
    tiny: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = loop._advance

    def diverge(job: Job, state: State, batch: Batch) -> Tensor:
        objective = advance(job, state, batch)
        if state.step == 5:  # the objective, of the weights before the step, is still finite
            next(job.model.parameters()).data.fill_(torch.nan)
        return objective

    monkeypatch.setattr(loop, "_advance", diverge)
    with pytest.raises(InputError, match="not finite at step 5"):
        run(tiny, BASE, tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint.step == 4
    assert all(bool(tensor.isfinite().all()) for tensor in checkpoint.tensors.values())


def test_the_summary_tells_epochs_run_from_the_best(tiny: Dataset, tmp_path: Path) -> None:
    config = CONFIGS["stopping"]
    result = train(tiny, Train(out=tmp_path, model=MODEL, train=config), Terminal(quiet=True))
    found = load_run(tmp_path)
    assert result["epochs"] == len(found.history)
    assert result["steps"] == 2 * result["epochs"]  # 37 images, 20 a step
    assert result["best_epoch"] == found.epoch == result["epochs"] - config.patience
    assert result["objective"] == found.history[found.epoch - 1]["val_objective"]


def test_other_settings_are_refused_by_name(tiny: Dataset, tmp_path: Path) -> None:
    run(tiny, BASE, tmp_path)
    with pytest.raises(InputError, match=r"train\.learning_rate 0\.02 instead of 0\.01"):
        run(tiny, replace(BASE, learning_rate=0.02), tmp_path)


@pytest.mark.parametrize("keep", [0, 9, 400, -1])
def test_a_truncated_checkpoint_is_refused(keep: int, tiny: Dataset, tmp_path: Path) -> None:
    run(tiny, BASE, tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DamagedFileError):
        run(tiny, BASE, tmp_path)


def _child(dataset: Dataset, config: TrainConfig, out: str, model_config: ModelConfig) -> None:
    torch.set_num_threads(1)
    run(dataset, config, Path(out), model_config=model_config)


@pytest.mark.slow
@pytest.mark.parametrize(("model_config", "kills"), [(MODEL, 20), (SAMPLED, 4)], ids=["exact", "batch norm, sampled"])
def test_kills_at_random_moments_change_nothing(
    model_config: ModelConfig, kills: int, tiny: Dataset, tmp_path: Path
) -> None:
    """SIGKILL lands anywhere: within a step, within the writing of a checkpoint, between two renames."""
    # 30 steps, each with a checkpoint; beta, temperature and learning rate change at each, and weights are averaged
    config = replace(CONFIGS["averaged"], epochs=10, beta_warmup=0.9, temperature_warmup=0.9)
    torch.set_num_threads(1)
    (tmp_path / "whole").mkdir()
    whole = run(tiny, config, tmp_path / "whole", model_config=model_config)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["spiking_pvae.training", "spiking_pvae.sampling.arrivals_numba"])
    draws = torch.rand(kills, generator=torch.Generator().manual_seed(7)).tolist()
    reached = []
    for number, share in enumerate(draws):
        out = tmp_path / f"killed {number}"
        out.mkdir()
        child = context.Process(target=_child, args=(tiny, config, str(out), model_config))
        child.start()
        until = int(share * 27)
        while child.is_alive() and (not (out / "scalars.jsonl").exists() or _steps(out) < until):
            time.sleep(0.0005)
        time.sleep(share * 0.004)  # anywhere within the next step or two
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        assert child.exitcode == -signal.SIGKILL
        reached.append(load_checkpoint(out).step)
        assert_same(run(tiny, config, out, model_config=model_config), whole)
    assert len(set(reached)) >= kills // 2  # the moments differ


def _steps(out: Path) -> int:
    return load_checkpoint(out).step if (out / "checkpoint.safetensors").exists() else 0
