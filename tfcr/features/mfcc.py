"""Mel-frequency cepstral coefficients, as MDRE and DS-LSTM hear speech: HTK's recipe (Young et al., The HTK Book)."""

import numpy as np
import scipy.fft

from tfcr.features.mel import FLOOR_POWER, mel_filterbank, mel_powers
from tfcr.schema import SAMPLE_RATE

MFCC_WINDOW_LENGTH = SAMPLE_RATE * 25 // 1000  # samples: 25 ms
MFCC_HOP_LENGTH = SAMPLE_RATE * 10 // 1000  # samples: 10 ms
MFCC_FFT_LENGTH = 1 << (MFCC_WINDOW_LENGTH - 1).bit_length()  # samples: the next power of two, 512
PRE_EMPHASIS = 0.97
NUM_MELS = 26  # from 0 Hz to 8 kHz
NUM_CEPSTRA = 12  # c1 to c12; the log energy stands for c0
LIFTER = 22
DELTA_WINDOW = 2  # frames on both sides

# The energy that rounding to 16 bits alone puts into a frame: a step of 2^-15, with a variance of its square over 12.
FLOOR_ENERGY = MFCC_WINDOW_LENGTH * 2.0**-30 / 12.0

_WINDOW = np.hamming(MFCC_WINDOW_LENGTH)
_LIFTER = 1.0 + LIFTER / 2 * np.sin(np.pi * np.arange(1, NUM_CEPSTRA + 1) / LIFTER)


def num_mfcc_frames(samples: int) -> int:
    """Frames of `mfcc` over that many samples: the whole ones, at least one."""
    return 1 + max(0, samples - MFCC_WINDOW_LENGTH) // MFCC_HOP_LENGTH


def mfcc(samples: np.ndarray) -> np.ndarray:
    """12 cepstral coefficients and the log energy, with their first and second derivatives.

    The facts are those of MDRE (Yoon et al. 2018): frames of 25 ms every 10 ms, pre-emphasis 0.97, Hamming window, 26
    mels from 0 to 8 kHz, lifter 22, 39 numbers a frame. Where they leave a choice:

    - only whole frames count, and input shorter than one is followed by zeros;
    - pre-emphasis runs over the recording, as if its first sample had been there before;
    - power, not magnitude, goes into triangles 1 high that are straight in Hz; a mel band is at least 1e-10;
    - the cosine transform is HTK's: of natural logarithms, scaled by √(2/26), type II;
    - the log energy is the natural logarithm of the sum of a frame's squared samples before pre-emphasis and window;
      it is at least what rounding to 16 bits would give, -17.3;
    - Δ is the slope of a line through five frames (HTK's regression formula), ΔΔ that of Δ; the first and the last
      frame are repeated beyond the ends.

    Args:
        samples: float [samples] in [-1, 1), 16 kHz; one sample is enough.

    Returns:
        float32 [`num_mfcc_frames(len(samples))`, 39]: c1 … c12 and the log energy, their Δ, their ΔΔ.
    """
    samples = np.asarray(samples, np.float64)
    if len(samples) < MFCC_WINDOW_LENGTH:
        samples = np.pad(samples, (0, MFCC_WINDOW_LENGTH - len(samples)))
    filterbank = mel_filterbank(MFCC_FFT_LENGTH, NUM_MELS, slaney=False)
    powers = mel_powers(_emphasised(samples), _WINDOW, MFCC_HOP_LENGTH, filterbank)
    cepstra = scipy.fft.dct(np.log(np.maximum(powers, FLOOR_POWER)), axis=1, norm="ortho")[:, 1 : NUM_CEPSTRA + 1]
    static = np.column_stack([cepstra * _LIFTER, _log_energy(samples)])
    slopes = deltas(static)
    return np.concatenate([static, slopes, deltas(slopes)], axis=1).astype(np.float32)


def deltas(frames: np.ndarray) -> np.ndarray:
    """Slope per frame of the line that fits a frame and its two neighbours on both sides (The HTK Book, Sec. 5.9).

    Args:
        frames: float [frames, components]; the first and the last are repeated beyond the ends.

    Returns:
        The same shape: Σ θ (c[t + θ] - c[t - θ]) / (2 Σ θ²), θ = 1, 2.
    """
    padded = np.pad(frames, ((DELTA_WINDOW, DELTA_WINDOW), (0, 0)), mode="edge")
    slopes = np.zeros_like(frames)
    for distance in range(1, DELTA_WINDOW + 1):
        later = padded[DELTA_WINDOW + distance :][: len(frames)]
        earlier = padded[DELTA_WINDOW - distance :][: len(frames)]
        slopes += distance * (later - earlier)
    return slopes / (2 * sum(distance**2 for distance in range(1, DELTA_WINDOW + 1)))


def _emphasised(samples: np.ndarray) -> np.ndarray:
    emphasised = samples.copy()
    emphasised[1:] -= PRE_EMPHASIS * samples[:-1]
    emphasised[0] -= PRE_EMPHASIS * samples[0]
    return emphasised


def _log_energy(samples: np.ndarray) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(samples, MFCC_WINDOW_LENGTH)[::MFCC_HOP_LENGTH]
    return np.log(np.maximum(np.einsum("ij,ij->i", frames, frames), FLOOR_ENERGY))
