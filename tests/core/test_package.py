"""The surface of the package: lazy names, quick help, frozen settings."""

import subprocess
import sys

import pytest

import spiking_pvae
from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.errors import InputError


def test_every_public_name_is_there():
    for module in (spiking_pvae, spiking_pvae.deploy):
        for name in module.__all__:
            assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = spiking_pvae.nothing


def test_help_needs_no_heavy_import():
    code = (
        "import sys\nfrom spiking_pvae.cli.main import COMMANDS, main\n"
        "for name in COMMANDS: main([name, '--help'])\n"
        "assert main(['--help']) == 0\n"
        "heavy = {'torch', 'numba', 'matplotlib', 'skimage', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    "bad",
    [{"latents": 0}, {"beta": -1.0}, {"beta": float("nan")}, {"beta": float("inf")}, {"clamp": 0.0}, {"clamp": 11.0}],
)
def test_bad_model_settings(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        ModelConfig(**bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"seed": -1},
        {"learning_rate": 0.0},
        {"gradient_clip": float("inf")},
        {"beta_warmup": 1.5},
    ],
)
def test_bad_training_settings(bad):
    with pytest.raises(InputError, match=next(iter(bad))):
        TrainConfig(**bad)
