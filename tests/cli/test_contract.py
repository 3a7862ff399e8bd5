"""Every command on a small network: the keys of its JSON, exit codes, files."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import sets
from safetensors.numpy import load_file

from spiking_pvae.cli.main import COMMANDS, main

BAND = {"value", "low", "high"}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """The main job on a small array file with a blank and an umlaut in its path."""
    home = tmp_path_factory.mktemp("job ü")
    data = home / "edges ü.npy"
    images = sets.edges(600).train.images
    np.save(data, images)
    options = ["--latents", "16", "--epochs", "4", "--batch-size", "50", "--beta", "0.2", "--device", "cpu", "--quiet"]
    code = main(["run", "--data", str(data), "--out", str(home / "run"), *options])
    assert code == 0
    return home


@pytest.fixture
def call(capsys):
    """Run a command with --json; return its exit code and the one object on stdout."""

    def run(*arguments):
        capsys.readouterr()
        code = main([*map(str, arguments), "--json"])
        captured = capsys.readouterr()
        lines = captured.out.splitlines()
        assert len(lines) == (1 if code == 0 else 0), captured.out
        return code, json.loads(lines[0]) if lines else {}, captured.err

    return run


def test_run_wrote_everything(job):
    summary = json.loads((job / "run" / "summary.json").read_text())
    assert summary.keys() >= {"run_dir", "network", "train", "evaluate", "fidelity", "simulate", "energy"}
    assert {path.name for path in (job / "run").iterdir()} >= {
        "run.json",
        "model.safetensors",
        "checkpoint.safetensors",
        "scalars.jsonl",
        "network",
        "record",
        "overview.png",
    }
    assert (job / "run" / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_train_resume_force(job, tmp_path, call):
    data = job / "edges ü.npy"
    options = ["train", "--data", data, "--out", tmp_path / "r", "--latents", 8, "--epochs", 2, "--batch-size", 50]
    code, result, _ = call(*options, "--device", "cpu")
    assert code == 0
    assert result.keys() >= {"run_dir", "epochs", "steps", "seconds", "objective", "nelbo", "mse", "kl"}
    assert result["epochs"] == 2
    assert result["nelbo"] == pytest.approx(result["mse"] + result["kl"])
    code, _, err = call(*options, "--device", "cpu")
    assert code == 2
    assert "--force" in err
    code, again, _ = call(*options, "--device", "cpu", "--resume")
    assert code == 0
    assert again["objective"] == result["objective"]
    code, again, _ = call(*options, "--device", "cpu", "--force")
    assert code == 0
    assert again["objective"] == result["objective"]


def test_evaluate(job, call):
    code, result, _ = call("evaluate", job / "run", "--split", "val")
    assert code == 0
    wanted = "samples mse kl nelbo objective beta latents metabolic_cost proportion_zeros spikes_per_inference r2 "
    wanted += "mse_posterior_mean active_latents lifetime_sparseness population_sparseness"
    assert result.keys() >= set(wanted.split())
    assert result["objective"] == pytest.approx(result["mse"] + 0.2 * result["kl"])
    assert result["spikes_per_inference"] == pytest.approx(result["metabolic_cost"] * 16)


def test_convert(job, tmp_path, call):
    code, result, _ = call("convert", job / "run", "--weight-bits", 4, "--input-bits", 6, "--out", tmp_path / "net")
    assert code == 0
    assert result.keys() >= {
        "network",
        "layers",
        "weight_bits",
        "nelbo_float",
        "nelbo_integer",
        "nelbo_change_percent",
        "gap",
    }
    assert result["weight_bits"] == 4
    change = 100 * (result["nelbo_integer"] / result["nelbo_float"] - 1)
    assert result["nelbo_change_percent"] == pytest.approx(change)
    assert sum(v for name, v in result["gap"].items() if name != "total") == pytest.approx(result["gap"]["total"])
    code, _, err = call("convert", job / "run", "--out", tmp_path / "net")
    assert code == 2
    assert "--force" in err
    assert call("convert", job / "run", "--out", tmp_path / "net", "--force")[0] == 0


def test_convert_says_units_and_what_had_no_effect(job, tmp_path, capsys):
    options = ["--out", str(tmp_path / "net"), "--equalisation", "--finetune", "1"]
    assert main(["convert", str(job / "run"), *options]) == 0
    captured = capsys.readouterr()
    assert "Nothing to equalise" in captured.err
    shown = " ".join(captured.out.split())
    for words in ("KL (nats)", "summed over the pixels", "± standard error", "by fine tuning", "by interaction"):
        assert words in shown


def test_simulate_and_energy(job, tmp_path, call):
    data = ["--data", job / "edges ü.npy"]
    record = tmp_path / "rec"
    code, graded, _ = call("simulate", job / "run" / "network", *data, "--seed", 3, "--record", record)
    assert code == 0
    assert graded.keys() >= {
        "samples",
        "seconds",
        "inferences_per_second",
        "schedule",
        "backend",
        "spikes_per_inference",
        "layers",
        "counts_sha256",
    }
    assert all(layer.keys() >= {"name", "neurons", "spikes", "events"} for layer in graded["layers"])
    assert call("simulate", job / "run" / "network", *data, "--seed", 3)[1]["counts_sha256"] == graded["counts_sha256"]
    # The network keeps what it was made for.
    assert call("simulate", job / "run" / "network", "--seed", 3)[1]["counts_sha256"] == graded["counts_sha256"]
    verified = call("verify", job / "run" / "network", "--backends", "numba", "--samples", 9)[1]
    assert Path(verified["data"]) == job / "edges ü.npy"
    random = call("verify", job / "run" / "network", "--backends", "numba", "--samples", 9, "--data", "random")[1]
    assert (random["data"], random["passed"]) == ("random", True)
    assert call("simulate", job / "run" / "network", *data, "--seed", 4)[1]["counts_sha256"] != graded["counts_sha256"]
    unary = call("simulate", job / "run" / "network", *data, "--schedule", "unary", "--steps", 64, "--samples", 20)[1]
    assert unary["samples"] == 20
    assert unary["schedule"] == "unary"

    code, energy, _ = call("energy", record, "--hardware", "loihi_davies2018")
    assert code == 0
    wanted = "samples hardware event_synops spike_synops neuron_updates joules_per_inference by_layer by_term kl_nats "
    assert energy.keys() >= set((wanted + "joules_per_nat latent_share ann_baseline_joules").split())
    assert energy["joules_per_inference"].keys() >= BAND | {"ci95"}
    whole = energy["joules_per_inference"]
    for parts in (energy["by_layer"], energy["by_term"]):
        for end in BAND:
            assert math.fsum(part[end] for part in parts.values()) == pytest.approx(whole[end], rel=1e-12)
    again = call("energy", job / "run" / "network", *data, "--seed", 3)[1]
    assert again["joules_per_inference"]["value"] == pytest.approx(whole["value"], rel=1e-12)


def test_data_hardware_doctor(call):
    sets_ = call("data")[1]["datasets"]
    assert {entry["name"] for entry in sets_} >= {"natural", "digits", "mnist5k", "mnist", "fashion-mnist", "cifar16"}
    assert all(entry["source"] and entry["licence"] for entry in sets_)
    assert call("data", "digits")[1]["datasets"][0]["shape"] == [1, 8, 8]
    presets = call("hardware")[1]["presets"]
    assert "loihi_davies2018" in {preset["name"] for preset in presets}
    (one,) = call("hardware", "loihi_davies2018")[1]["presets"]
    assert all(term["source"] and term["evidence"] for term in one["terms"].values())
    assert call("doctor")[1].keys() >= {"packages", "devices", "backends"}


def test_tables_for_people(job, capsys):
    run = str(job / "run")
    for arguments in (["data"], ["hardware"], ["hardware", "odin"], ["doctor"], ["evaluate", run, "--quiet"]):
        assert main(arguments) == 0
        assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example(name, capsys):
    assert main([name, "--help"]) == 0
    assert f"Example: spiking-pvae {name}" in " ".join(capsys.readouterr().out.split())


def test_top_level(capsys):
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)
    assert main(["--version"]) == 0
    assert main([]) == 2
    assert main(["trian"]) == 2
    assert "train" in capsys.readouterr().err


def test_debug_shows_the_traceback(tmp_path):
    from spiking_pvae.errors import InputError

    assert main(["evaluate", str(tmp_path)]) == 2
    with pytest.raises(InputError):
        main(["evaluate", str(tmp_path), "--debug"])


def test_interrupt(job, tmp_path, monkeypatch, capsys):
    """Ctrl-C ends with the way to go on, and what was saved is whole."""
    from spiking_pvae.training import loop

    original, looks = loop.held_out, []

    def interrupted(*arguments):
        looks.append(1)
        if len(looks) == 3:
            raise KeyboardInterrupt
        return original(*arguments)

    options = ["train", "--data", str(job / "edges ü.npy"), "--out", str(tmp_path / "r"), "--latents", "8"]
    options += ["--epochs", "4", "--batch-size", "50", "--device", "cpu"]
    monkeypatch.setattr(loop, "held_out", interrupted)
    assert main(options) == 130  # before the first checkpoint was due
    assert "nothing was saved" in capsys.readouterr().err
    looks.clear()
    monkeypatch.setitem(loop.fit.__kwdefaults__, "checkpoint_seconds", 0.0)
    assert main([*options, "--force"]) == 130
    assert "--resume" in capsys.readouterr().err
    monkeypatch.setattr(loop, "held_out", original)
    going_on = ["train", "--resume", "--out", str(tmp_path / "r")]
    assert main([*going_on, "--learning-rate", "0.5", "--data", "digits"]) == 2
    refused = capsys.readouterr().err
    assert "train.learning_rate 0.5 instead of 0.01" in refused
    assert "data.name digits instead of" in refused
    assert main([*going_on, "--recipe", "paper"]) == 2
    assert "train.optimizer adamax instead of adam" in capsys.readouterr().err
    assert main([*going_on, "--latents", "8"]) == 0
    whole = [str(tmp_path / "whole") if word == str(tmp_path / "r") else word for word in options]
    assert main(whole) == 0
    stopped, unbroken = (load_file(tmp_path / name / "model.safetensors") for name in ("r", "whole"))
    assert stopped.keys() == unbroken.keys()
    assert all(np.array_equal(stopped[name], unbroken[name]) for name in stopped)


def test_the_main_job_goes_on(job, tmp_path, capsys, monkeypatch):
    from spiking_pvae.training import loop

    original, looks = loop.held_out, []

    def interrupted(*arguments):
        looks.append(1)
        if len(looks) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(loop, "held_out", interrupted)
    monkeypatch.setitem(loop.fit.__kwdefaults__, "checkpoint_seconds", 0.0)
    options = ["--data", str(job / "edges ü.npy"), "--latents", "8", "--epochs", "3", "--batch-size", "50"]
    out = tmp_path / "a run"
    assert main(["run", *options, "--device", "cpu", "--out", str(out)]) == 130
    assert f"the same command and --resume --out '{out}'" in capsys.readouterr().err
    assert main(["run", "--resume"]) == 2
    assert "--out" in capsys.readouterr().err
    for _ in range(2):  # the second goes on with a finished one
        assert main(["run", "--resume", "--out", str(out), "--quiet"]) == 0
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert (summary["train"]["epochs"], summary["evaluate"]["latents"]) == (3, 8)
