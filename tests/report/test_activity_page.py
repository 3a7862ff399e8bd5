"""Runs whose latents are not counts have a page too, without the sections that need an integer network."""

import re

import numpy as np
import pytest

import spiking_pvae as sp
from spiking_pvae.cli.main import main
from spiking_pvae.storage import read_json

ALWAYS = {"summary", "learned", "reconstructions", "activity", "provenance"}
PRICED = {"energy", "metabolic"}


@pytest.fixture
def run(tmp_path):
    """Return a function that trains a tiny model and returns its run folder."""
    rng = np.random.default_rng(0)
    images = (rng.poisson(0.5, (120, 4)) @ rng.normal(size=(4, 16))).reshape(-1, 4, 4).astype(np.float32)
    np.save(tmp_path / "images.npy", images)

    def train(model, decoder="linear"):
        config = sp.ModelConfig(model=model, latents=6, decoder=decoder)
        data = sp.data.load(tmp_path / "images.npy")
        (tmp_path / "run").mkdir()
        settings = sp.TrainConfig(epochs=1, batch_size=50, device="cpu")
        sp.fit(sp.build_model(config, data.shape), data, settings, out=tmp_path / "run")
        return tmp_path / "run"

    return train


def sections(folder):
    text = (folder / "report.html").read_text(encoding="utf-8")
    return set(re.findall(r'<section id="([^"]+)"', text)), text


def test_a_linear_run_of_the_control_has_a_page_with_joules(run):
    folder = run("grelu")
    assert main(["report", str(folder), "--quiet", "--json"]) == 0
    found, text = sections(folder)
    assert found == ALWAYS | PRICED
    assert read_json(folder / "run.json")["model_sha256"] in text


@pytest.mark.parametrize("model", ["gaussian", "categorical"])
def test_a_run_without_an_account_of_energy_has_a_page_without_joules(run, model, capsys):
    folder = run(model, decoder="mlp")
    assert main(["report", str(folder), "--quiet", "--json"]) == 0
    assert sections(folder)[0] == ALWAYS
    again = ["report", str(folder), "--force", "--quiet", "--hardware", "loihi_davies2018"]
    assert main(again) == 2
    assert "linear encoder and decoder" in capsys.readouterr().err
