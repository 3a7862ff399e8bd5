"""The command `sweep`: what it prints, what it leaves, what it says when it is stopped."""

import json
import re
from importlib import resources
from importlib.util import find_spec

import numpy as np
import pytest
from needs import needed

from spiking_pvae.cli.main import main
from spiking_pvae.sweep import engine

KEYS = {"out", "points", "done", "failed", "seconds", "cpu_seconds", "tables", "failures", "report"}
GRID = ["--models", "poisson", "grelu", "--latents", "4", "--betas", "0.1", "4"]
SHORT = ["--first-epochs", "1", "--next-epochs", "1", "--last-epochs", "1", "--samples", "20"]
POINTS = 4
PRICES = resources.files("spiking_pvae.energy") / "presets" / "loihi_davies2018.toml"


@pytest.fixture
def command(tmp_path):
    """The arguments of a sweep of seconds, and its folder."""
    rng = np.random.default_rng(0)
    images = (rng.poisson(0.5, (300, 4)) @ rng.normal(size=(4, 64))).reshape(-1, 8, 8).astype(np.float32)
    np.save(tmp_path / "images.npy", images)
    out = tmp_path / "a sweep"
    data = ["--data", str(tmp_path / "images.npy"), "--batch-size", "100"]
    return ["sweep", "--out", str(out), *data, *GRID, *SHORT], out


@pytest.mark.slow
def test_a_sweep_prints_what_it_promises_and_leaves_its_files(command, capsys, tmp_path, monkeypatch):
    needed(find_spec("pyarrow") is not None, "pyarrow", "pip install pyarrow")
    arguments, out = command
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_bytes(PRICES.read_bytes())
    assert main([*arguments, "--json", "--workers", "2", "--hardware", "mine.toml"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == KEYS
    assert printed["out"] == str(out)
    assert (printed["points"], printed["done"], printed["failed"], printed["failures"]) == (POINTS, POINTS, 0, [])
    assert printed["seconds"] > 0
    assert printed["cpu_seconds"] > 0
    assert printed["tables"] == [str(out / "results.csv"), str(out / "results.parquet")]
    assert printed["report"] == str(out / "report.html")
    for path in (*printed["tables"], printed["report"]):
        assert (out / path).stat().st_size > 0
    drawn = {path.name for path in (out / "figures").iterdir()}
    stems = {name.removesuffix(".png") for name in drawn if name.endswith(".png")}
    assert len(stems) == 14
    assert drawn == {f"{stem}{suffix}" for stem in stems for suffix in (".png", ".svg")}
    claims = json.loads((out / "claims.json").read_text(encoding="utf-8"))["claims"]
    assert {"mc-falls", "grelu-half", "joules-fall"} <= {claim["name"] for claim in claims}
    (tmp_path / "mine.toml").unlink()
    monkeypatch.chdir(out)
    assert main(["report", str(out), "--force", "--quiet"]) == 0


@pytest.mark.parametrize(("force", "way"), [([], ""), (["--force"], ", without --force,")])
def test_a_stopped_sweep_says_what_is_kept_and_how_it_goes_on(command, capsys, monkeypatch, force, way):
    arguments, out = command

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "run_local", stop)
    assert main([*arguments, *force]) == 130
    assert f"Stopped: 0 of {POINTS} points are kept. The same command{way} goes on." in capsys.readouterr().err
    assert (out / "results.csv").is_file()


def test_the_help_says_where_the_grid_comes_from(capsys):
    assert main(["sweep", "--help"]) == 0
    text = " ".join(re.sub("[│╭╰─]", " ", capsys.readouterr().out).split())
    for option in ("models", "latents", "betas", "seeds", "first-epochs", "cold-betas", "samples", "hardware"):
        described = re.search(rf"--{option} .*?\(default: (.*?)\)", text)
        assert described[1] == "the preset's", option
