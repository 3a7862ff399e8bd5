from __future__ import annotations

import numpy as np
import pytest
import torch
from networks import random_images, random_network

from spiking_pvae.config import ModelConfig
from spiking_pvae.deploy import fidelity, load_network, lower, quantize, save_network, simulate
from spiking_pvae.deploy.event_inputs import with_event_inputs
from spiking_pvae.errors import InputError
from spiking_pvae.model import PoissonVAE


def test_small_values_are_silent_and_large_ones_unchanged():
    network, images = random_network(0), random_images(1, 20)
    quiet = with_event_inputs(network, 0.4)  # 8 counts of 0.05
    before, after = network.input.encode(images), quiet.input.encode(images)
    assert quiet.input.threshold == 8
    assert np.array_equal(after, np.where(np.abs(before) >= 8, before, 0))
    assert 0 < np.count_nonzero(after) < np.count_nonzero(before)


def test_no_threshold_changes_nothing():
    network, images = random_network(0), random_images(1, 20)
    assert np.array_equal(with_event_inputs(network, 0.0).input.encode(images), network.input.encode(images))


def test_a_threshold_between_counts_is_rounded_up():
    assert with_event_inputs(random_network(0), 0.401).input.threshold == 9


def test_backends_and_files_keep_the_threshold(tmp_path):
    network, images = with_event_inputs(random_network(3, hidden=(5,)), 0.5), random_images(1, 20)
    save_network(network, tmp_path / "net")
    again = load_network(tmp_path / "net")
    sha256 = simulate(network, images, backend_name="reference").counts_sha256
    assert simulate(again, images).counts_sha256 == sha256
    assert (
        simulate(again, images).tally("input").events.sum()
        < simulate(random_network(3, hidden=(5,)), images).tally("input").events.sum()
    )


@pytest.mark.parametrize("threshold", [-0.1, float("nan"), 6.4])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(InputError, match="input threshold"):
        with_event_inputs(random_network(0), threshold)  # the port ends at 127 counts of 0.05


def test_the_gap_of_a_conversion_names_the_threshold():
    model = PoissonVAE(ModelConfig(latents=8), (1, 4, 4), seed=1)
    model.prior_log_rate.data += 4
    images = random_images(2, 64)
    source = lower(model)
    network = quantize(source, images)
    plain = fidelity(source, network, images)
    quiet = fidelity(source, with_event_inputs(network, 0.5), images)
    assert plain.gap["input_threshold"] == 0
    scale = network.input.scale
    silenced = np.where(np.abs(images) < (np.ceil(0.5 / scale) - 0.5) * scale, 0, images).astype(np.float32)
    # Oracle: the float model on silenced images, judged against the whole ones.
    with torch.no_grad():
        posterior = model.posterior(torch.from_numpy(silenced))
        target = torch.from_numpy(images)
        error = (target - model.decode(posterior.mean)).square().flatten(1).sum(1)
        error = error + posterior.variance @ model.dictionary().square().sum(0)
        nelbo = float((error + posterior.kl().sum(1)).mean())
    assert quiet.gap["input_threshold"] == pytest.approx(nelbo - plain.float_figures.nelbo, abs=2e-5)  # float32
    assert quiet.gap["total"] != plain.gap["total"]
