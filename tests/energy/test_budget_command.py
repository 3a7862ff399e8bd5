from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spiking_pvae import pruning
from spiking_pvae.cli.main import main
from spiking_pvae.energy import budget
from spiking_pvae.energy.budget import BudgetOutcome, Measured

SMALL = ("--data", "digits", "--latents", "24", "--epochs", "4", "--batch-size", "100", "--device", "cpu")


@pytest.fixture(autouse=True)
def cache_in_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKING_PVAE_CACHE", str(tmp_path / "cache"))


def call(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    code = main([*map(str, arguments), "--json", "--quiet"])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_training_and_pruning_meet_a_budget_on_held_out_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # What the small network costs first, and how much of it are the latents.
    code, plain = call(capsys, "train", *SMALL, "--energy-budget", "1pJ", "--out", tmp_path / "plain")
    assert code == 1
    first = plain["budget"]["steps"][0]
    rest = first["joules"] - first["latent_joules"]
    target = rest + 0.6 * first["latent_joules"]

    budget = ("--energy-budget", f"{target * 1e9:.6f}nJ", "--budget-epochs", "3")
    code, met = call(capsys, "train", *SMALL, *budget, "--out", tmp_path / "a")
    assert code == 0
    assert met["budget"]["met"] is True
    assert met["budget"]["joules"] == pytest.approx(target, rel=0.05)

    # The run folder holds the model that met it: measured again from the files.
    call(capsys, "convert", tmp_path / "a", "--out", tmp_path / "net")
    _, energy = call(capsys, "energy", tmp_path / "net", "--data", "digits")
    assert energy["joules_per_inference"]["value"] == pytest.approx(target, rel=0.05)
    manifest = json.loads((tmp_path / "a" / "run.json").read_text())
    assert manifest["model"]["beta"] == met["budget"]["beta"]

    code, pruned = call(
        capsys, "prune", tmp_path / "plain", "--encoder-keep", "0.2", "--epochs", "2", *budget, "--out", tmp_path / "p"
    )
    assert pruned["budget"]["least_joules"] < rest
    assert code == (0 if pruned["budget"]["met"] else 1)


def test_a_budget_that_can_not_be_met_gives_the_least(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["train", *SMALL, "--energy-budget", "1pJ", "--out", str(tmp_path / "run"), "--json"])
    shown = capsys.readouterr()
    budget = json.loads(shown.out)["budget"]
    assert code == 1
    assert budget["met"] is False
    assert 1e-12 < budget["least_joules"] < budget["joules"]
    assert "can't be met" in shown.err
    assert "The least" in shown.err
    assert "prune" in shown.err


def test_what_is_spent_counts_the_further_trainings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = budget.meet_budget

    def trains_twice(measure: Callable[[float], Measured], joules: float, first: Measured) -> BudgetOutcome:
        measure(2 * first.beta)
        last = measure(4 * first.beta)
        return search(measure, last.joules, last)

    monkeypatch.setattr(budget, "meet_budget", trains_twice)
    out = tmp_path / "run"
    code, result = call(capsys, "train", *SMALL, "--energy-budget", "1nJ", "--budget-epochs", "3", "--out", out)
    assert code == 0
    last = json.loads((out / "run.json").read_text())
    assert result["epochs"] == result["best_epoch"] == 4 + 2 * 3
    assert result["steps"] * 3 == last["steps"] * 10
    assert result["seconds"] > last["seconds"]


def test_an_interrupted_search_goes_on_past_the_trainings_that_are_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    search = budget.meet_budget
    interrupted = False
    seen: list[Measured] = []

    def scripted(measure: Callable[[float], Measured], joules: float, first: Measured) -> BudgetOutcome:
        last = measure(2 * first.beta)
        if interrupted:
            seen.append(last)
            raise KeyboardInterrupt
        last = measure(4 * first.beta)
        seen.append(last)
        return search(measure, last.joules, last)

    monkeypatch.setattr(budget, "meet_budget", scripted)
    wanted = ("--energy-budget", "1nJ", "--budget-epochs", "2")
    code, whole = call(capsys, "train", *SMALL, *wanted, "--out", tmp_path / "whole")
    assert code == 0

    interrupted, broken = True, tmp_path / "broken"
    assert main(["train", *map(str, (*SMALL, *wanted, "--out", broken, "--json"))]) == 130
    assert "--resume" in capsys.readouterr().err
    # The first training is there, whole.
    assert json.loads((broken / "run.json").read_text())["model"]["beta"] == 1.0
    call(capsys, "evaluate", broken)

    interrupted = False
    trained = pruning.prune
    betas = []

    def counted(model: Any, *arguments: Any, **options: Any) -> Any:
        betas.append(model.config.beta)
        return trained(model, *arguments, **options)

    monkeypatch.setattr(pruning, "prune", counted)
    code, resumed = call(capsys, "train", *SMALL, *wanted, "--out", broken, "--resume")
    assert code == 0
    assert betas == [4.0]  # the training at 2 was there
    assert resumed["budget"] == whole["budget"]
    assert {key: resumed[key] for key in ("epochs", "steps", "nelbo")} == {
        key: whole[key] for key in ("epochs", "steps", "nelbo")
    }
    for name in ("run.json", "model.safetensors"):
        made, again = (tmp_path / folder / name for folder in ("whole", "broken"))
        if name == "run.json":
            drop = {"seconds"}
            left, right = (json.loads(path.read_text()) for path in (made, again))
            assert {k: v for k, v in left.items() if k not in drop} == {k: v for k, v in right.items() if k not in drop}
        else:
            assert made.read_bytes() == again.read_bytes()
    assert not (broken / "budget-trainings").exists()


def test_a_pruning_without_a_search_is_not_resumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *SMALL, "--epochs", "1", "--out", str(tmp_path / "r"), "--quiet"]) == 0
    arguments = ["prune", str(tmp_path / "r"), "--out", str(tmp_path / "p"), "--resume"]
    assert main(arguments) == 2
    assert main([*arguments, "--energy-budget", "1nJ"]) == 2
    assert capsys.readouterr().err.count("no search to go on with") == 2


def test_only_the_search_that_was_interrupted_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, out = (str(tmp_path / name) for name in ("one", "other", "out"))
    for seed, folder in enumerate((one, other)):
        train = ["train", *SMALL, "--epochs", "1", "--seed", str(seed), "--quiet", "--out"]
        assert main([*train, folder]) == 0
    wanted = ["--out", other, "--energy-budget", "1nJ", "--budget-epochs", "1", "--epochs", "1", "--quiet"]
    finished = (tmp_path / "other" / "model.safetensors").read_bytes()
    assert main(["prune", one, *wanted, "--resume"]) == 2  # a run that another command ended
    assert "no search to go on with" in capsys.readouterr().err
    assert (tmp_path / "other" / "model.safetensors").read_bytes() == finished

    def interrupted(*_: object) -> BudgetOutcome:
        raise KeyboardInterrupt

    monkeypatch.setattr(budget, "meet_budget", interrupted)
    wanted[1] = out
    assert main(["prune", one, *wanted]) == 130
    capsys.readouterr()
    assert main(["prune", other, *wanted, "--resume"]) == 2
    assert "source.model_sha256" in capsys.readouterr().err
    assert main(["prune", one, *wanted, "--encoder-keep", "0.5", "--resume"]) == 2
    assert "prune.encoder_keep 0.5 instead of 0.1" in capsys.readouterr().err
    assert main(["prune", one, *wanted, "--resume"]) == 130
    assert main(["train", "--resume", "--out", out]) == 2  # the pruned model would become a dense one
    assert "prune anew" in capsys.readouterr().err
    assert main(["prune", other, *wanted[:2], *wanted[-3:], "--force"]) == 0
    assert not (tmp_path / "out" / "budget-trainings").exists()


def test_several_processes_do_not_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", *SMALL, "--energy-budget", "1nJ", "--out", str(tmp_path / "run")]) == 2
    assert "train --resume" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [(("--energy-budget", "40"), "energy budget"), (("--energy-budget", "1nJ", "--hardware", "x"), "'x'")],
)
def test_bad_budgets_are_refused_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], named: str
) -> None:
    assert main(["train", *SMALL, *options, "--out", str(tmp_path / "run")]) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
