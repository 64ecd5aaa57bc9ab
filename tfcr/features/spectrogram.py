"""Spectrograms as pylab's `specgram` computes them (Sec. 4.2), in float64, stored as float32 pictures."""

import numpy as np

from tfcr.schema import FFT_LENGTH, FLOOR_DB, FLOOR_PSD, HOP_LENGTH, NUM_BINS, SAMPLE_RATE, SEGMENT_FRAMES

POOLED_FRAMES = 999  # "about 8 s": what the authors' code keeps of an utterance
POOLING = 8  # frames whose mean is one column of the authors' picture: 999 frames fill 125 columns

_HANN = np.hanning(FFT_LENGTH)
# Scaled so that the squared spectrum is the one-sided density: both signs of a frequency fall on its bin.
_WINDOW = _HANN * np.sqrt(2.0 / (SAMPLE_RATE * np.sum(_HANN**2)))
_INT16 = 2.0**15  # samples of a 16-bit file as the authors' code reads them are this much larger


def num_frames(num_samples: int) -> int:
    """Frames of the short-time Fourier transform over `num_samples` samples; shorter input is one zero-padded frame."""
    return max(1, (num_samples - FFT_LENGTH) // HOP_LENGTH + 1)


def num_segments(frames: int) -> int:
    """Segments that `frames` frames fill, the last one in part."""
    return -(-frames // SEGMENT_FRAMES)


def num_pooled_frames(num_samples: int) -> int:
    """Columns of `pooled_picture` that hold speech, at most 125."""
    return -(-min(num_frames(num_samples), POOLED_FRAMES) // POOLING)


def power_spectral_density(samples: np.ndarray, first: int = 0, last: int | None = None) -> np.ndarray:
    """One-sided power spectral density with a Hann window and no detrending.

    Args:
        samples: float [samples] in [-1, 1), 16 kHz.
        first, last: only the frames from the first up to, and without, the last.

    Returns:
        float64 [frames, 129 bins], in 1/Hz.
    """
    spectrum = _spectrum(samples, first, last)
    density = spectrum.real**2
    density += spectrum.imag**2
    density[:, 0] *= 0.5  # the mean and the Nyquist bin have one sign
    density[:, -1] *= 0.5
    return density


def amplitudes(samples: np.ndarray) -> np.ndarray:
    """The spectrum whose squared absolute values are `power_spectral_density`, complex128 [frames, 129 bins]."""
    spectrum = _spectrum(samples)
    spectrum[:, [0, -1]] *= np.sqrt(0.5)
    return spectrum


def _spectrum(samples: np.ndarray, first: int = 0, last: int | None = None) -> np.ndarray:
    """The short-time Fourier transform under the scaled window; mean and Nyquist bin are not halved yet."""
    samples = np.asarray(samples, np.float64)
    if len(samples) < FFT_LENGTH:
        samples = np.pad(samples, (0, FFT_LENGTH - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FFT_LENGTH)[::HOP_LENGTH][first:last]
    return np.fft.rfft(frames * _WINDOW, axis=1)


def decibels(density: np.ndarray) -> np.ndarray:
    """10 log10 of a power spectral density, with a floor of -140 dB. Shape and type stay."""
    return 10.0 * np.log10(np.maximum(density, FLOOR_PSD))


def spectrogram(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """The segments of one utterance (preset `paper`).

    Args:
        samples: float [samples] in [-1, 1), 16 kHz.

    Returns:
        float32 [segments, 128 frames, 128 bins] in dB, whose last frames are padded with the floor, and the number of
        real frames.
    """
    frames = num_frames(len(samples))
    segments = np.full((num_segments(frames), SEGMENT_FRAMES, NUM_BINS), FLOOR_DB, np.float32)
    for number, segment in enumerate(segments):  # one at a time stays in the processor's cache
        first = number * SEGMENT_FRAMES
        density = power_spectral_density(samples, first, first + SEGMENT_FRAMES)
        segment[: len(density)] = decibels(density[:, :NUM_BINS])
    return segments, frames


def pooled_picture(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """The one picture of an utterance (preset `authors`).

    Natural logarithm of the density of int16-scaled samples; the first 999 frames, averaged over 8, where frames that
    are missing in the last eight count as zero; zero columns up to 128. The authors' code has no floor, and takes the
    logarithm of zero in digital silence; here a density of exactly zero counts as 1e-14, which is -140 dB.

    Args:
        samples: float [samples] in [-1, 1), 16 kHz.

    Returns:
        float32 [1, 128 columns, 128 bins], without unit, and the number of columns that hold speech.
    """
    density = power_spectral_density(samples, last=POOLED_FRAMES)[:, :NUM_BINS]
    picture = np.zeros((SEGMENT_FRAMES * POOLING, NUM_BINS))
    picture[: len(density)] = np.log(np.where(density > 0, density, FLOOR_PSD) * _INT16**2)
    pooled = picture.reshape(SEGMENT_FRAMES, POOLING, NUM_BINS).mean(axis=1)
    return pooled[None].astype(np.float32), num_pooled_frames(len(samples))
