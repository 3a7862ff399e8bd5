"""Bad input: one clear message on stderr, exit code 2, no traceback, nothing half-written."""

import numpy as np
import pytest
import sets

from spiking_pvae.cli.main import main


def tree(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def fails(tmp_path, capsys):
    """Run a command that must fail; return its message. `tmp_path/out` must not come into being."""

    def run(*arguments, keep=()):
        before = tree(tmp_path)
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert code == 2
        assert captured.out == ""
        assert "Traceback" not in captured.err
        assert [path for path in tree(tmp_path) if path not in before and not path.startswith(keep)] == []
        # One message: our own line, or the box in which the parser shows what a setting says of its value.
        lines = captured.err.splitlines()
        (message,) = [line for line in lines if line.startswith("error: ") or "Error parsing" in line]
        return message

    return run


def saved(path, images):
    np.save(path, images)
    return path


def good(samples=100):
    return sets.edges(samples).train.images


TRAIN = ["--latents", "8", "--epochs", "1", "--batch-size", "50", "--device", "cpu"]


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (np.zeros((3, 4)), "shape"),
        (np.zeros((20, 2, 3, 4, 5)), "shape"),
        (np.array([[[b"x"]]] * 20), "dtype|type"),
        (np.zeros((20, 4, 4), complex), "dtype|type"),
        (np.where(np.arange(320).reshape(20, 4, 4) == 7, np.nan, 1.0), "NaN"),
        (np.where(np.arange(320).reshape(20, 4, 4) == 7, np.inf, 1.0), "inf"),
        (np.zeros((0, 4, 4)), "empty|no image|0 image|images"),
        (np.ones((50, 4, 4)), "constant|same"),
        (good()[:5], "few|at least|10"),
    ],
    ids=["2-d", "5-d", "text", "complex", "nan", "inf", "empty", "constant", "too few"],
)
def test_bad_images(tmp_path, fails, images, says):
    import re

    path = saved(tmp_path / "images.npy", images)
    message = fails("train", "--data", path, "--out", tmp_path / "out", *TRAIN)
    assert re.search(says, message, re.IGNORECASE), message


def test_missing_path_and_unknown_names(tmp_path, fails):
    assert "natural" in fails("train", "--data", "naturel", "--out", tmp_path / "out")
    assert "missing.npy" in fails("train", "--data", tmp_path / "missing.npy", "--out", tmp_path / "out")
    assert "no-such" in fails("evaluate", tmp_path / "no-such")
    assert "no-such" in fails("simulate", tmp_path / "no-such")
    assert "loihi_davies2018" in fails("energy", tmp_path, "--hardware", "loihi_davis2018")
    assert "no-such" in fails("convert", tmp_path / "no-such", "--out", tmp_path / "out")
    assert "loihi" in fails("hardware", "loihi9")


def test_truncated_array(tmp_path, fails):
    path = saved(tmp_path / "images.npy", good())
    path.write_bytes(path.read_bytes()[:-100])
    assert "images.npy" in fails("train", "--data", path, "--out", tmp_path / "out", *TRAIN)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--beta", "-1", "beta"),
        ("--beta", "nan", "beta"),
        ("--latents", "0", "latents"),
        ("--epochs", "0", "epochs"),
        ("--latents", "100000000", "GiB"),
        ("--device", "cuda:99", "device"),
        ("--device", "tpu", "device"),
        ("--clamp", "0", "clamp"),
        ("--seed", "18446744073709551616", "seed"),
    ],
)
def test_bad_settings(tmp_path, fails, option, value, says):
    path = saved(tmp_path / "images.npy", good())
    assert says in fails("train", "--data", path, "--out", tmp_path / "out", option, value)


@pytest.mark.parametrize("rank", ["x", "-1", "", "²"])
def test_bad_rank(tmp_path, fails, monkeypatch, rank):
    monkeypatch.setenv("RANK", rank)
    path = saved(tmp_path / "images.npy", good())
    assert "RANK" in fails("train", "--data", path, "--out", tmp_path / "out", *TRAIN)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("train", "options: got no --out PATH (run folder to write); allowed"),
        ("evaluate", "options: got no PATH (run folder); allowed"),
        ("train --out x --latents many", "--latents: got many; allowed: INT."),
        ("train --out x --latents=many", "--latents: got many; allowed: INT."),
        ("train --out x --latents", "--latents: got no value"),
        ("train --out x --latent 5", "options: got --latent 5; allowed: the command's own. Did you mean --latents?"),
        ("simulate x y", "options: got y"),
        ("simulate x --schedule fast", "--schedule: got 'fast'; allowed: graded, streaming, unary."),
        ("sweep --out x --betas 1 q", "--betas: got 1 q; allowed: FLOAT FLOAT ..."),
        ("sweep --out x --models poisson foo", "--models: got 'foo'; allowed: grelu, grelu-learned, poisson."),
        ("simulate x --samples None", "--samples: got None; allowed: INT."),
    ],
)
def test_the_parsers_errors_have_the_form_of_all_others(capsys, monkeypatch, arguments, says):
    monkeypatch.setenv("COLUMNS", "40")
    assert main(arguments.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith(f"error: {says}")
    assert line.endswith(f"See spiking-pvae {arguments.split()[0]} --help.")


def test_flat_images_are_told_their_shape(tmp_path, fails):
    path = saved(tmp_path / "flat.npy", np.zeros((20, 784), np.float32))
    assert "images.reshape(-1, 28, 28)" in fails("train", "--data", path, "--out", tmp_path / "out")


def test_no_advice_to_load_pickles(tmp_path, fails):
    (tmp_path / "text.npy").write_text("not an array")
    objects = saved(tmp_path / "objects.npy", np.array([{}] * 20, dtype=object))
    for path in (tmp_path / "text.npy", objects):
        message = fails("train", "--data", path, "--out", tmp_path / "out")
        assert "allow_pickle" not in message
        assert "no array, or one of Python objects" in message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--hardware", "loihi9"], "loihi9"),
        (["run", "--out", "FULL"], "not empty"),
        (["train", "--out", "FULL"], "not empty"),
        (["train", "--out", "NEW", "--device", "cuda:99"], "device"),
        (["sweep", "--out", "FULL"], "not empty"),
        (["sweep", "--out", "NEW", "--hardware", "loihi9"], "loihi9"),
        (["sweep", "--out", "NEW", "--workers", "0"], "workers"),
        (["sweep", "--out", "NEW", "--scheduler", "nonsense"], "tcp://host:8786"),
        (["sweep", "--out", "NEW", "--scheduler", "tcp://host:1", "--workers", "4"], "without --scheduler"),
        (["simulate", "RUN", "--scheduler", "nonsense"], "tcp://host:8786"),
        (["convert", "RUN", "--out", "NEW", "--finetune", "-1"], "finetune"),
        (["simulate", "RUN", "--samples", "0"], "samples"),
        (["simulate", "RUN", "--record", "FULL", "--force"], "something else"),
        (["export", "RUN", "--to", "nir", "--out", "FULL", "--force"], "something else"),
    ],
)
def test_cheap_checks_come_before_the_data(tmp_path, fails, monkeypatch, arguments, says):
    from spiking_pvae import data

    def loaded(*_, **__):
        raise AssertionError("data was loaded")

    monkeypatch.setattr(data, "load", loaded)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    places = {"FULL": tmp_path / "full", "NEW": tmp_path / "new", "RUN": tmp_path / "run"}
    assert says in fails(*(places.get(word, word) for word in arguments))
    assert (tmp_path / "full" / "thesis.tex").read_text() == "x"


@pytest.mark.parametrize(
    "arguments", [["train"], ["train", "--latents", "many"], ["evaluate"], ["simulate", "x", "--schedule", "fast"]]
)
def test_usage(arguments, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err


@pytest.mark.parametrize("arguments", ["train --resume --help", "run --resume -h", "train --recipe nonsense --help"])
def test_help_comes_before_what_is_wrong(arguments, capsys):
    assert main(arguments.split()) == 0
    assert f"usage: spiking-pvae {arguments.split()[0]}" in capsys.readouterr().out


def test_output_that_can_not_be_used(tmp_path, fails):
    path = saved(tmp_path / "images.npy", good())
    (tmp_path / "file").write_text("x")
    assert "file" in fails("train", "--data", path, "--out", tmp_path / "file", *TRAIN)
    assert "written" in fails("train", "--data", path, "--out", tmp_path / "file" / "below", *TRAIN)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("x")
    assert "--force" in fails("train", "--data", path, "--out", tmp_path / "full", *TRAIN)
    assert "--force" in fails("run", "--data", path, "--out", tmp_path / "full", *TRAIN)
    assert "checkpoint" in fails("train", "--data", path, "--out", tmp_path / "full", *TRAIN, "--resume")


def test_read_only_output(tmp_path, fails, monkeypatch):
    """A file system that refuses to write. Root may write anywhere, so a refusal stands in for a folder's mode."""
    from pathlib import Path

    path = saved(tmp_path / "images.npy", good())
    mkdir = Path.mkdir

    def refuse(self, *arguments, **options):
        if self.name == "out":
            raise PermissionError(13, "Permission denied", str(self))
        mkdir(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert "Permission denied" in fails("train", "--data", path, "--out", tmp_path / "out", *TRAIN)


def test_damaged_checkpoint(tmp_path, fails, capsys):
    path = saved(tmp_path / "images.npy", good())
    assert main(["train", "--data", str(path), "--out", str(tmp_path / "r"), *TRAIN, "--quiet"]) == 0
    capsys.readouterr()
    for name in ("model.safetensors", "checkpoint.safetensors"):
        file = tmp_path / "r" / name
        content = file.read_bytes()
        command = ["evaluate", tmp_path / "r"]
        if name == "checkpoint.safetensors":
            command = ["train", "--data", path, "--out", tmp_path / "r", *TRAIN, "--resume"]
        file.write_bytes(content[: len(content) // 2])
        assert "truncated" in fails(*command)
        changed = bytearray(content)
        changed[-1] ^= 1
        file.write_bytes(changed)
        assert "damaged" in fails(*command)
        file.write_bytes(content)
    assert main(["evaluate", str(tmp_path / "r"), "--quiet"]) == 0


def test_wrong_shape_for_the_network(tmp_path, fails, capsys):
    path = saved(tmp_path / "images.npy", good())
    assert main(["run", "--data", str(path), "--out", str(tmp_path / "r"), *TRAIN, "--quiet"]) == 0
    capsys.readouterr()
    other = saved(tmp_path / "other.npy", sets.edges(100, side=8).train.images)
    assert "shape" in fails("simulate", tmp_path / "r" / "network", "--data", other)
    assert "shape" in fails("evaluate", tmp_path / "r", "--data", other)
    assert "samples" in fails("simulate", tmp_path / "r" / "network", "--data", path, "--samples", 10**6)
    assert "split" in fails("simulate", tmp_path / "r" / "network", "--data", path, "--split", "test")
    # The one folder in place of the other.
    assert "Its network is" in fails("simulate", tmp_path / "r")
    assert "Its network is" in fails("energy", tmp_path / "r")
    assert "which holds a spiking-pvae network" in fails("evaluate", tmp_path / "r" / "network")
    assert "which holds a spiking-pvae record" in fails("convert", tmp_path / "r" / "record", "--out", tmp_path / "n")
    (tmp_path / "r" / "network" / "manifest.json").write_text("{}")
    assert "network" in fails("simulate", tmp_path / "r" / "network", "--data", path)
