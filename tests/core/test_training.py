"""Training learns, its run folder holds what it learned, and its parts do what they say."""

from dataclasses import replace

import numpy as np
import pytest
import sets
import torch

from spiking_pvae.checkpoint import load_run
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.errors import DamagedFileError, InputError
from spiking_pvae.memory import require_memory
from spiking_pvae.model import PoissonVAE
from spiking_pvae.storage import load_arrays, save_arrays
from spiking_pvae.training import fit
from spiking_pvae.training.feeding import dihedral_permutations, epoch_order

MODEL = ModelConfig(latents=24, beta=0.2)
TRAIN = TrainConfig(epochs=6, batch_size=64, device="cpu")


@pytest.fixture
def folder(tmp_path):
    dataset = sets.edges(augment="dihedral")
    run = fit(PoissonVAE(MODEL, dataset.shape, seed=0), dataset, TRAIN, out=tmp_path)
    return tmp_path, run


def test_it_beats_silence():
    dataset = sets.edges()
    model = PoissonVAE(MODEL, dataset.shape)
    run = fit(model, dataset, replace(TRAIN, epochs=40))
    silent = float((dataset.validation.images**2).sum((1, 2, 3)).mean())
    assert run.history[-1]["val_objective"] < 0.7 * silent


def test_run_folder_round_trip(folder):
    path, run = folder
    loaded = load_run(path)
    assert loaded.model.config == replace(MODEL, clamp=MODEL.ceiling)
    assert loaded.train == replace(TRAIN, learning_rate=0.01)
    assert loaded.history == run.history
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, loaded.model.state_dict()[name])
    assert not [file for file in path.rglob("*") if file.suffix in {".pt", ".pkl", ".pth"}]


def test_edited_run_is_refused(folder):
    path, _ = folder
    content = (path / "run.json").read_text()
    (path / "run.json").write_text(content.replace('"latents": 24', '"latents": 25'))
    with pytest.raises(DamagedFileError, match="was edited"):
        load_run(path)
    (path / "run.json").write_text(content)
    (path / "run.json").write_text(content.replace('"beta": 0.2', '"beta": 0.3'))
    with pytest.raises(DamagedFileError, match="was edited"):
        load_run(path)
    (path / "run.json").write_text(content)
    weights = bytearray((path / "model.safetensors").read_bytes())
    weights[-5] ^= 1
    (path / "model.safetensors").write_bytes(weights)
    with pytest.raises(DamagedFileError, match="edited or damaged"):
        load_run(path)


def test_weights_of_an_older_format_are_refused_by_name(folder):
    path, _ = folder
    weights = path / "model.safetensors"
    arrays, _ = load_arrays(weights, kind="spiking-pvae model 2")
    save_arrays(weights, arrays, kind="spiking-pvae model 1", metadata={})
    with pytest.raises(DamagedFileError, match="holds 'spiking-pvae model 1'"):
        load_run(path)


def test_wrong_shape_and_memory():
    with pytest.raises(InputError, match="shape"):
        fit(PoissonVAE(MODEL, (1, 5, 5)), sets.edges(), TRAIN)
    with pytest.raises(InputError, match=r"GiB.*fewer latents"):
        require_memory(ModelConfig(latents=10**10), (1, 16, 16), TRAIN)


def test_divergence_is_an_error():
    dataset = sets.edges()
    with pytest.raises(InputError, match=r"objective of (inf|nan)"):
        fit(PoissonVAE(MODEL, dataset.shape), dataset, replace(TRAIN, learning_rate=1e6))


def test_dihedral_permutations():
    permutations = dihedral_permutations((2, 4, 4))
    image = torch.arange(32.0)
    views = {tuple(image[order].tolist()) for order in permutations}
    grid = np.arange(32).reshape(2, 4, 4)
    expected = {
        tuple(np.rot90(flip, turns, (1, 2)).ravel().astype(float).tolist())
        for flip in (grid, grid[:, :, ::-1])
        for turns in range(4)
    }
    assert views == expected
    assert len(views) == 8


def test_an_epoch_shows_every_image_once():
    order, views = epoch_order(1000, 5, 0)
    assert sorted(order.tolist()) == list(range(1000))
    assert torch.equal(order, epoch_order(1000, 5, 0)[0])
    assert not torch.equal(order, epoch_order(1000, 5, 1)[0])
    # 8 views with probability 1/8: a count of each is within 5 standard deviations of 125.
    assert (torch.bincount(views, minlength=8) - 125).abs().max() < 5 * (1000 * 7 / 64) ** 0.5
