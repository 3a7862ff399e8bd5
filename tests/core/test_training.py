"""Training: it learns, it is reproducible, and a resumed run equals the unbroken one bit for bit."""

import numpy as np
import pytest
import sets
import torch

from spiking_pvae.checkpoint import load_checkpoint, load_run
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.devices import require_memory
from spiking_pvae.errors import DamagedFileError, InputError
from spiking_pvae.model import PoissonVAE
from spiking_pvae.training import batches, dihedral_permutations, fit

MODEL = ModelConfig(latents=24, beta=0.2)
TRAIN = TrainConfig(epochs=6, batch_size=64, device="cpu")


def trained(out=None, **options):
    model = PoissonVAE(MODEL, (1, 6, 6), seed=0)
    return fit(model, sets.edges(augment="dihedral"), TRAIN, out=out, **options)


def test_it_beats_silence():
    dataset = sets.edges()
    model = PoissonVAE(MODEL, dataset.shape)
    run = fit(model, dataset, TrainConfig(epochs=40, batch_size=64, device="cpu"))
    silent = float((dataset.validation.images**2).sum((1, 2, 3)).mean())
    assert run.history[-1]["val_objective"] < 0.7 * silent


class Stop(Exception):
    """Raised by a report to break off a run."""


@pytest.mark.parametrize("stop_at", [1, 6, 13, 29])
def test_resume_is_bit_identical(tmp_path, stop_at):
    whole = trained(tmp_path / "whole")

    def report(progress):
        if progress.step == stop_at:
            raise Stop

    out = tmp_path / "broken"
    out.mkdir()
    with pytest.raises(Stop):
        trained(out, report=report)
    resumed = trained(out, resume=True)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name])
    assert resumed.history == whole.history
    assert load_run(out).steps == whole.steps
    ours, theirs = load_checkpoint(out).tensors, load_checkpoint(tmp_path / "whole").tensors
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture(autouse=True)
def folders(tmp_path):
    (tmp_path / "whole").mkdir()


def test_run_folder_round_trip(tmp_path):
    run = trained(tmp_path / "whole")
    loaded = load_run(tmp_path / "whole")
    assert loaded.model.config == MODEL
    assert loaded.train == TRAIN
    assert loaded.history == run.history
    for name, tensor in run.model.state_dict().items():
        assert torch.equal(tensor, loaded.model.state_dict()[name])
    assert not [path for path in (tmp_path / "whole").rglob("*") if path.suffix in {".pt", ".pkl", ".pth"}]


def test_other_settings_do_not_resume(tmp_path):
    trained(tmp_path / "whole")
    model = PoissonVAE(MODEL, (1, 6, 6))
    other = TrainConfig(epochs=6, batch_size=64, device="cpu", learning_rate=0.02)
    with pytest.raises(InputError, match="settings"):
        fit(model, sets.edges(augment="dihedral"), other, out=tmp_path / "whole", resume=True)


def test_edited_run_is_refused(tmp_path):
    folder = tmp_path / "whole"
    trained(folder)
    content = (folder / "run.json").read_text()
    (folder / "run.json").write_text(content.replace('"latents": 24', '"latents": 25'))
    with pytest.raises(DamagedFileError, match="does not fit together"):
        load_run(folder)
    (folder / "run.json").write_text(content)
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-5] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    with pytest.raises(DamagedFileError, match="edited or damaged"):
        load_run(folder)


def test_wrong_shape_and_memory():
    with pytest.raises(InputError, match="shape"):
        fit(PoissonVAE(MODEL, (1, 5, 5)), sets.edges(), TRAIN)
    with pytest.raises(InputError, match=r"GiB.*fewer latents"):
        require_memory(ModelConfig(latents=10**10), (1, 16, 16), TRAIN)


def test_divergence_is_an_error():
    dataset = sets.edges()
    config = TrainConfig(epochs=2, batch_size=64, device="cpu", learning_rate=1e6)
    with pytest.raises(InputError, match=r"objective of (inf|nan)"):
        fit(PoissonVAE(MODEL, dataset.shape), dataset, config)


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


def test_batches_cover_every_image_once():
    images = torch.arange(10.0).view(10, 1, 1, 1)
    config = TrainConfig(batch_size=4, seed=5)
    seen = [torch.cat(list(batches(images, None, config, epoch))).flatten() for epoch in (0, 1, 0)]
    assert sorted(seen[0].tolist()) == list(range(10))
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])
