"""The same degradations where only the powers of a spectrogram are known. No TensorFlow.

Of noise its complex spectrum is drawn, N; of the speech the powers are given, and its phases are drawn anew for every
frame and bin. Then |X + N|² has the mean and the spread that it has in the recording: the cross term 2 Re(X N*) is in
it.

Densities are float64 [frames, 128 bins] in 1/Hz, spectra complex128 of the same shape with |.|² a density; the rows are
frames of 256 samples every 128.
"""

from collections.abc import Sequence

import numpy as np
from scipy import signal

from tfcr.features.spectrogram import amplitudes
from tfcr.noise import speech
from tfcr.schema import FFT_LENGTH, HOP_LENGTH, NUM_BINS, SAMPLE_RATE

_FINE = 16  # steps to a bin over which a filter's gain is averaged


def num_samples(frames: int) -> int:
    """Samples that so many frames span."""
    return (frames - 1) * HOP_LENGTH + FFT_LENGTH


def spectrum_of(samples: np.ndarray) -> np.ndarray:
    """The spectrum of noise that is there as samples."""
    return amplitudes(samples)[:, :NUM_BINS]


def at_snr(density: np.ndarray, noise: np.ndarray, snr: float, random: np.random.Generator) -> np.ndarray:
    """The density of the sum of speech and noise, `snr` dB apart in their mean power.

    Args:
        noise: a spectrum.
    """
    signal_power, noise_power = density.sum(), np.sum(np.abs(noise) ** 2)
    if not signal_power or not noise_power:
        return density
    return _density_of_sum(density, noise * np.sqrt(signal_power / noise_power / 10 ** (snr / 10)), random)


def babble(voices: Sequence[np.ndarray], frames: int, random: np.random.Generator) -> np.ndarray:
    """The spectrum of other recordings of equal power at once (`tfcr.noise.speech.babble`).

    Args:
        voices: their densities.
    """
    total = np.zeros((frames, NUM_BINS), np.complex128)
    for voice in voices:
        rows = (int(random.integers(len(voice))) + np.arange(frames)) % len(voice)
        total += _spectrum_of_density(voice[rows] / (voice.sum() / len(voice) or 1.0), random)
    return total


def over_telephone(density: np.ndarray) -> np.ndarray:
    """What passes a telephone: each bin times the gain over the frequencies that fall on it."""
    return density * _TELEPHONE


def reverberant(density: np.ndarray, seconds: float, random: np.random.Generator) -> np.ndarray:
    """The density in a drawn room (`tfcr.noise.speech.reverberant`).

    What the room adds is a sum of many reflections, so its spectrum is drawn as Gaussian noise; its power is that of
    the frames before, which decays from hop to hop.
    """
    half = np.exp(-0.5 * speech.decay_rate(seconds) * HOP_LENGTH / SAMPLE_RATE)  # over half a hop
    whole = half**2
    # the energy that reaches a frame from itself, and from all before it
    tail = signal.lfilter([1 - half, half * (1 - whole) - whole * (1 - half)], [1, -whole], density, axis=0)
    return _density_of_sum(density / 2, _gaussian(tail / 2, random), random)


def _density_of_sum(density: np.ndarray, noise: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.abs(_spectrum_of_density(density, random) + noise) ** 2


def _spectrum_of_density(density: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A spectrum with this density and drawn phases; the mean, bin 0, is real."""
    phases = np.exp(2j * np.pi * random.random(density.shape))
    phases[:, 0] = np.sign(phases[:, 0].real)
    return np.sqrt(density) * phases


def _gaussian(density: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A Gaussian spectrum with this density as its mean; bin 0 is real."""
    drawn = random.standard_normal((*density.shape, 2))
    spectrum = (drawn[..., 0] + 1j * drawn[..., 1]) / np.sqrt(2)
    spectrum[:, 0] = drawn[:, 0, 0]
    return np.sqrt(density) * spectrum


def _gain_of_telephone() -> np.ndarray:
    """Its power gain at every bin, averaged as the window of a frame sees the frequencies around it, float64 [128]."""
    fine = _FINE * FFT_LENGTH
    gain = speech.telephone_gain(np.abs(np.fft.fftfreq(fine, 1 / SAMPLE_RATE)))
    seen = np.abs(np.fft.fft(np.hanning(FFT_LENGTH), fine)) ** 2
    averaged = np.fft.ifft(np.fft.fft(gain) * np.fft.fft(seen)).real / seen.sum()
    return averaged[::_FINE][:NUM_BINS]


_TELEPHONE = _gain_of_telephone()
