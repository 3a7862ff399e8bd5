"""The fidelity report: the gap adds up, and it is what plain evaluation finds."""

import matplotlib
import numpy as np
import pytest
import sets
import torch

from spiking_pvae.config import ModelConfig, TrainConfig
from spiking_pvae.deploy import QuantizeConfig, fidelity, lower, quantize, simulate
from spiking_pvae.errors import InputError, UnsupportedError
from spiking_pvae.evaluation import evaluate
from spiking_pvae.model import PoissonVAE
from spiking_pvae.plots.fidelity import draw_fidelity
from spiking_pvae.training import fit


@pytest.fixture(scope="module")
def trained():
    dataset = sets.edges(800)
    model = PoissonVAE(ModelConfig(latents=24, beta=0.2, bias=True), dataset.shape)
    fit(model, dataset, TrainConfig(epochs=40, batch_size=64, device="cpu"))
    return model, dataset


def test_float_figures_are_the_model_s(trained):
    model, dataset = trained
    source = lower(model)
    report = fidelity(source, quantize(source, dataset.calibration()), dataset.validation.images)
    plain = evaluate(model, dataset.validation)
    assert report.float_figures.mse == pytest.approx(plain.mse, rel=1e-5)
    assert report.float_figures.kl == pytest.approx(plain.kl, rel=1e-5)
    assert report.float_figures.metabolic_cost == pytest.approx(plain.metabolic_cost, rel=1e-5)


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_gap_adds_up_and_integer_figures_are_the_simulator_s(trained, bits):
    model, dataset = trained
    source = lower(model)
    network = quantize(source, dataset.calibration(), QuantizeConfig(weight_bits=bits))
    images = dataset.validation.images
    report = fidelity(source, network, images)
    causes = {name: value for name, value in report.gap.items() if name != "total"}
    assert sum(causes.values()) == pytest.approx(report.gap["total"], abs=1e-9)
    assert report.gap["total"] == pytest.approx(report.integer_figures.nelbo - report.float_figures.nelbo)

    # The integer figures once more from the simulator's reconstruction, averaged over seeds.
    errors, kl = [], []
    for seed in range(60):
        record = simulate(network, images, seed=seed, keep=("readout",))
        rebuilt = record.traces["readout"].charge * network.readout.scale
        errors.append(np.square(images.reshape(len(images), -1) - rebuilt).sum(1).mean())
        kl.append(record.latent.kl.sum() / record.samples)
    assert np.mean(kl) == pytest.approx(report.integer_figures.kl, rel=1e-9)
    standard_error = np.std(errors, ddof=1) / np.sqrt(len(errors))
    # The decoder's bias is rounded on the chip and exact in the report: its share is far below 0.1%.
    assert abs(np.mean(errors) - report.integer_figures.mse) < 4.5 * standard_error + 1e-3 * report.integer_figures.mse


def test_eight_bits_cost_less_than_half_a_percent(trained):
    model, dataset = trained
    source = lower(model)
    report = fidelity(source, quantize(source, dataset.calibration()), dataset.validation.images)
    assert abs(report.nelbo_change_percent) < 0.5
    assert report.rates.correlation > 0.999


def test_the_picture_says_what_the_report_says(trained, tmp_path):
    model, dataset = trained
    source = lower(model)
    report = fidelity(source, quantize(source, dataset.calibration()), dataset.validation.images)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        draw_fidelity(report, tmp_path / "new" / "fidelity.svg")
    text = (tmp_path / "new" / "fidelity.svg").read_text()
    for cause in report.gap.keys() - {"total"}:
        assert cause.replace("_", " ") in text
    for layer in report.layers:
        assert f">{layer.name}<" in text
    assert f"total {report.nelbo_change_percent:+.3f}" in text.replace("\N{MINUS SIGN}", "-")
    for worst in report.rates.worst(3):
        assert f">{worst['neuron']}<" in text


def test_unsupported_module_is_named(trained):
    model, _ = trained
    changed = PoissonVAE(model.config, model.image_shape)
    changed.encoder.append(torch.nn.SiLU())
    with pytest.raises(UnsupportedError, match=r"encoder\.2.*SiLU.*nn\.ReLU"):
        lower(changed)


def test_bad_arguments(trained):
    model, dataset = trained
    source = lower(model)
    network = quantize(source, dataset.calibration())
    with pytest.raises(InputError, match="unary steps"):
        fidelity(source, network, dataset.validation.images, steps=0)
    with pytest.raises(InputError, match="images"):
        fidelity(source, network, dataset.validation.images[:0])
