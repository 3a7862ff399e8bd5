"""Filters that turn a photograph into a natural-image stimulus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spiking_pvae.data.natural_config import NaturalConfig

Images = NDArray[np.float64]


def whitening_gain(frequency: NDArray[np.float64], cutoff: float) -> NDArray[np.float64]:
    """Gain of the whitening filter, g(f) = f exp(-(f/f0)^4).

    Parameters
    ----------
    frequency : ndarray
        Radial frequency f in cycles a pixel.
    cutoff : float
        f0 in cycles a pixel.

    Returns
    -------
    ndarray of frequency's shape

    References
    ----------
    Olshausen, B. A., and Field, D. J. (1997), Vision Research 37, 3311-3325.
    """
    return frequency * np.exp(-((frequency / cutoff) ** 4))


def whiten(images: Images, cutoff: float) -> Images:
    """Flatten the 1/f amplitude spectrum of natural images.

    The gain stands on the same grid as the transform: ``fftfreq`` puts zero frequency first, and so does the
    transform. (The public code of the P-VAE spans -0.5 to 0.5 without a shift, which gives the lowest frequencies
    the gain of the highest.) A sinusoid of f cycles a pixel leaves with exactly the gain g(f); a constant leaves as 0.

    Parameters
    ----------
    images : ndarray, shape (..., height, width)
        Luminance.
    cutoff : float
        f0 in cycles a pixel.

    Returns
    -------
    ndarray, shape (..., height, width)
    """
    height, width = images.shape[-2:]
    vertical = np.fft.fftfreq(height)[:, None]
    horizontal = np.fft.rfftfreq(width)[None, :]
    gain = whitening_gain(np.hypot(vertical, horizontal), cutoff)
    return np.fft.irfft2(np.fft.rfft2(images) * gain, s=(height, width))


def normalise_contrast(images: Images, window_sd: float) -> Images:
    """Local contrast normalisation, subtractive then divisive.

    With a Gaussian window w that sums to 1: v = x - w*x, s = sqrt(w*v^2), y = v / max(s, mean(s)), where the mean runs
    over the image. The floor keeps the noise of flat areas small.

    Parameters
    ----------
    images : ndarray, shape (..., height, width)
        Images, one or a stack.
    window_sd : float
        Standard deviation of w in pixels; w ends at 2 of them. The image is mirrored at its edges.

    Returns
    -------
    ndarray, shape (..., height, width)
        Zero where an image is constant.

    References
    ----------
    Jarrett, K., et al. (2009), What is the best multi-stage architecture for object recognition?, ICCV.
    """
    from scipy.ndimage import gaussian_filter

    def smooth(values: Images) -> Images:
        blurred: Images = gaussian_filter(values, window_sd, truncate=2.0, mode="reflect", axes=(-2, -1))
        return blurred

    centred = images - smooth(images)
    local_sd = np.sqrt(smooth(centred**2))
    floor = local_sd.mean(axis=(-2, -1), keepdims=True)
    divisor = np.maximum(local_sd, floor)
    normalised: Images = np.divide(centred, divisor, out=np.zeros_like(centred), where=divisor > 0)
    return normalised


def standardise(images: Images) -> Images:
    """Give each image zero mean and unit variance; a constant image becomes 0.

    Parameters
    ----------
    images : ndarray, shape (..., height, width)
        Images, one or a stack.

    Returns
    -------
    ndarray, shape (..., height, width)
    """
    centred = images - images.mean(axis=(-2, -1), keepdims=True)
    sd = centred.std(axis=(-2, -1), keepdims=True)
    scores: Images = np.divide(centred, sd, out=np.zeros_like(centred), where=sd > 0)
    return scores


def prepare(images: Images, config: NaturalConfig) -> NDArray[np.float32]:
    """Apply the steps that `config` asks for: whitening, contrast, z-score, border.

    Parameters
    ----------
    images : ndarray, shape (..., height, width)
        Luminance, larger than twice the border.
    config : NaturalConfig
        The recipe.

    Returns
    -------
    ndarray of float32, shape (..., height - 2 border, width - 2 border)
    """
    values = images
    if config.whiten:
        # The filter removes the mean anyway; taken away first, its rounding does not stand beside the signal.
        values = whiten(values - values.mean(axis=(-2, -1), keepdims=True), config.cutoff)
    if config.contrast_normalise:
        values = normalise_contrast(values, config.window_sd)
    if config.zscore:
        values = standardise(values)
    height, width = values.shape[-2:]
    inner = values[..., config.border : height - config.border, config.border : width - config.border]
    return np.ascontiguousarray(inner, dtype=np.float32)
