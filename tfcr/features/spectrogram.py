"""Spectrograms as pylab's `specgram` computes them (Sec. 4.2), in float64, stored as float32 segments."""

import numpy as np

from tfcr.schema import FFT_LENGTH, FLOOR_DB, FLOOR_PSD, HOP_LENGTH, NUM_BINS, SAMPLE_RATE, SEGMENT_FRAMES

_WINDOW = np.hanning(FFT_LENGTH)


def num_frames(num_samples: int) -> int:
    """Frames of the short-time Fourier transform over `num_samples` samples; shorter input is one zero-padded frame."""
    return max(1, (num_samples - FFT_LENGTH) // HOP_LENGTH + 1)


def num_segments(frames: int) -> int:
    """Segments that `frames` frames fill, the last one in part."""
    return -(-frames // SEGMENT_FRAMES)


def power_spectral_density(samples: np.ndarray) -> np.ndarray:
    """One-sided power spectral density with a Hann window and no detrending.

    Args:
        samples: float [samples] in [-1, 1), 16 kHz.

    Returns:
        float64 [frames, 129 bins], in 1/Hz.
    """
    samples = np.asarray(samples, np.float64)
    if len(samples) < FFT_LENGTH:
        samples = np.pad(samples, (0, FFT_LENGTH - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, FFT_LENGTH)[::HOP_LENGTH]
    density = np.abs(np.fft.rfft(frames * _WINDOW, axis=1)) ** 2
    density /= SAMPLE_RATE * np.sum(_WINDOW**2)
    density[:, 1:-1] *= 2.0  # both signs of a frequency fall on its bin; the mean and the Nyquist bin have one
    return density


def decibels(density: np.ndarray) -> np.ndarray:
    """10 log10 of a power spectral density, with a floor of -140 dB. Shape and type stay."""
    return 10.0 * np.log10(np.maximum(density, FLOOR_PSD))


def spectrogram(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """The segments of one utterance.

    Args:
        samples: float [samples] in [-1, 1), 16 kHz.

    Returns:
        float32 [segments, 128 frames, 128 bins] in dB, whose last frames are padded with the floor, and the number of
        real frames.
    """
    picture = decibels(power_spectral_density(samples)[:, :NUM_BINS])
    frames = len(picture)
    segments = np.full((num_segments(frames) * SEGMENT_FRAMES, NUM_BINS), FLOOR_DB, np.float32)
    segments[:frames] = picture
    return segments.reshape(-1, SEGMENT_FRAMES, NUM_BINS), frames
