"""The filters against closed forms and loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spiking_pvae.data import NaturalConfig
from spiking_pvae.data.filters import normalise_contrast, prepare, standardise, whiten


@pytest.mark.parametrize("shape", [(32, 48), (31, 45), (64, 64), (48, 33)])
@pytest.mark.parametrize("cycles", [(0, 3), (5, 0), (4, 7), (-6, 2), (15, 11)])
def test_a_sinusoid_leaves_with_exactly_the_gain_of_its_frequency(shape, cycles):
    height, width = shape
    rows, columns = np.mgrid[:height, :width]
    wave = np.cos(2 * np.pi * (cycles[0] * rows / height + cycles[1] * columns / width) + 0.7)
    f = math.hypot(cycles[0] / height, cycles[1] / width)
    expected = f * math.exp(-((f / 0.4) ** 4)) * wave
    np.testing.assert_allclose(whiten(wave, 0.4), expected, atol=1e-14)


def test_whitening_removes_the_mean_and_adds_over_waves_of_a_stack():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 3, 20, 30))
    np.testing.assert_allclose(whiten(first + second + 5, 0.4), whiten(first, 0.4) + whiten(second, 0.4), atol=1e-13)
    np.testing.assert_array_equal(whiten(first, 0.4)[1], whiten(first[1], 0.4))


def test_whitening_turns_a_one_over_f_spectrum_flat_below_the_cutoff():
    size = 128
    f = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    f[0, 0] = 1
    noise = np.fft.rfft2(np.random.default_rng(1).standard_normal((size, size)))
    pink = np.fft.irfft2(noise / f, s=(size, size))
    power = np.abs(np.fft.rfft2(whiten(pink, 0.4))) ** 2 / np.abs(noise) ** 2
    low = (f > 0) & (f < 0.1)
    # The low-pass factor at a quarter of the cutoff is exp(-2 / 256), within 1%.
    np.testing.assert_allclose(power[low], 1, atol=0.01)


def test_contrast_normalisation_against_loops():
    sd, radius = 1.5, 3
    image = np.random.default_rng(2).standard_normal((11, 13))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sd) ** 2)
    window = np.outer(taps, taps) / taps.sum() ** 2

    def smooth(values):
        padded = np.pad(values, radius, mode="symmetric")
        side = 2 * radius + 1
        return np.array([[(padded[r : r + side, c : c + side] * window).sum() for c in range(13)] for r in range(11)])

    centred = image - smooth(image)
    local = np.sqrt(smooth(centred**2))
    expected = centred / np.maximum(local, local.mean())
    np.testing.assert_allclose(normalise_contrast(image, sd), expected, rtol=1e-12)
    np.testing.assert_allclose(normalise_contrast(np.stack([image, 3 * image + 1]), sd)[1], expected, rtol=1e-11)


def test_constant_images_stay_finite():
    flat = np.full((2, 16, 16), 0.3)
    assert not standardise(np.zeros((2, 4, 4))).any()
    assert np.isfinite(prepare(flat, NaturalConfig())).all()
    assert np.isfinite(normalise_contrast(np.zeros((8, 8)), 3.0)).all()


def test_every_step_can_be_left_out():
    image = np.random.default_rng(3).random((40, 50))
    nothing = NaturalConfig(whiten=False, contrast_normalise=False, zscore=False, border=0)
    np.testing.assert_array_equal(prepare(image, nothing), image.astype(np.float32))
    scored = prepare(image, NaturalConfig(whiten=False, contrast_normalise=False, border=0))
    assert scored.mean() == pytest.approx(0, abs=1e-6)
    assert scored.std() == pytest.approx(1, abs=1e-6)
    whole = prepare(image, NaturalConfig(border=0))
    np.testing.assert_array_equal(prepare(image, NaturalConfig(border=4)), whole[4:-4, 4:-4])
