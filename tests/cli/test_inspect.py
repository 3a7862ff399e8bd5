"""`inspect` and `evaluate --knn` on a small labelled run, against plain computations."""

import json

import numpy as np
import pytest

from spiking_pvae import data
from spiking_pvae.checkpoint import load_run
from spiking_pvae.cli.main import main

PICTURES = ("reconstructions", "prior", "dictionary", "ablation")


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "ü n"
    options = "--data digits --latents 20 --epochs 20 --batch-size 100 --beta 0.1 --device cpu --quiet"
    assert main(["train", "--out", str(out), *options.split()]) == 0
    return out


def called(capsys, *arguments):
    capsys.readouterr()
    code = main([*map(str, arguments), "--json", "--quiet"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if code == 0 else captured.err


def test_inspect_writes_pictures_and_a_table(digits_run, tmp_path, capsys):
    out = tmp_path / "look"
    code, result = called(capsys, "inspect", digits_run, "--out", out)
    assert code == 0
    assert json.loads((out / "inspect.json").read_text(encoding="utf-8")) == result
    for name in PICTURES:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    model, images = load_run(digits_run).model, data.load("digits").validation.images
    phi = model.dictionary().detach().numpy().astype(float)
    flat = images.reshape(len(images), -1).astype(float)
    weight, bias, base = (
        tensor.detach().numpy().astype(float)
        for tensor in (model.encoder[1].weight, model.encoder[1].bias, model.decoder[0].bias)
    )
    clamp = model.config.clamp
    log_residual = clamp - np.logaddexp(0, clamp - flat @ weight.T - bias)
    prior = np.exp(model.prior_log_rate.detach().numpy().astype(float))
    rate = prior * np.exp(log_residual)
    kl = (rate * log_residual - rate + prior).mean(0)
    table = result["latents"]
    assert sorted(row["latent"] for row in table) == list(range(20))
    assert [row["kl"] for row in table] == pytest.approx(sorted(kl, reverse=True), rel=1e-3, abs=1e-6)
    for row in table:
        assert row["mean"] == pytest.approx(rate[:, row["latent"]].mean(), rel=1e-3)
        assert row["atom_norm"] == pytest.approx(np.linalg.norm(phi[:, row["latent"]]), rel=1e-4)
    assert sorted(result["dead_latents"]) == np.flatnonzero(kl <= 0.01).tolist()
    curve = {point["kept"]: point["mse"] for point in result["ablation"]}
    assert list(curve) == [0, 1, 2, 4, 8, 16, 20]
    for kept, mse in curve.items():
        heard = [row["latent"] for row in table[:kept]]
        error = np.square(flat - base - rate[:, heard] @ phi[:, heard].T).sum(1) + rate[:, heard] @ np.square(
            phi[:, heard]
        ).sum(0)
        assert mse == pytest.approx(error.mean(), rel=1e-3)
    assert [entry["labels"] for entry in result["knn"]] == [50, 200, 1000, len(data.load("digits").train)]
    assert 0.3 < result["knn"][0]["accuracy"] < result["knn"][-1]["accuracy"] < 1


def test_inspect_refuses_what_it_can_not_do(digits_run, tmp_path, capsys):
    (tmp_path / "kept.txt").write_text("mine")
    code, error = called(capsys, "inspect", digits_run, "--out", tmp_path)
    assert (code, "not empty" in error) == (2, True)
    code, error = called(capsys, "inspect", digits_run, "--out", tmp_path / "n", "--samples", 0)
    assert (code, "samples" in error) == (2, True)
    code, error = called(capsys, "inspect", tmp_path)
    assert (code, "no finished run" in error) == (2, True)


def test_evaluate_counts_neighbours(digits_run, capsys):
    code, result = called(capsys, "evaluate", digits_run, "--knn", 20, 500)
    assert code == 0
    few, many = result["knn"]
    assert (few["labels"], many["labels"]) == (20, 500)
    assert 0.2 < few["accuracy"] < many["accuracy"] <= 1
    code, error = called(capsys, "evaluate", digits_run, "--knn", 10**6)
    assert (code, "labels" in error) == (2, True)


def test_the_text_of_a_picture_names_the_images(digits_run, tmp_path, capsys, monkeypatch):
    texts = []
    monkeypatch.setattr("spiking_pvae.plots.write.save", lambda drawing, out: (texts.append(drawing.text), out))
    for split, words in (("train", "16 training images"), ("val", "16 held-out images")):
        options = ["--data", "digits", "--split", split, "--samples", 40]
        assert called(capsys, "inspect", digits_run, *options, "--out", tmp_path / split)[0] == 0
        assert any(words in text for text in texts)
        texts.clear()
