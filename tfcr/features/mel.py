"""Mel filterbanks, and the two mel spectrograms of DS-LSTM (Wang et al. 2020)."""

import functools
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.sparse

from tfcr.schema import SAMPLE_RATE

FLOOR_POWER = 1e-10  # rounding to 16 bits alone leaves 4e-10 (-94 dB) in the weakest band of the mel spectrograms
FLOOR_MEL_DB = -100.0  # 10 log10(FLOOR_POWER)

_BLOCK = 128  # frames transformed at a time: they stay in the processor's cache, and a long recording needs no more


@dataclass(frozen=True)
class Resolution:
    """A mel spectrogram of DS-LSTM: one is finer in time, the other in frequency.

    Attributes:
        fft_length: samples.
        frames: to which it is stretched or squeezed.
    """

    fft_length: int
    frames: int

    @property
    def hop_length(self) -> int:
        """Samples; frames overlap by half."""
        return self.fft_length // 2

    @property
    def num_mels(self) -> int:
        return self.fft_length // 4


MEL_512 = Resolution(fft_length=512, frames=230)  # 32 ms, 128 mels; 230 frames fill 3.7 s
MEL_1024 = Resolution(fft_length=1024, frames=120)  # 64 ms, 256 mels; 120 frames fill 3.8 s


def htk_points(count: int) -> np.ndarray:
    """Frequencies from 0 Hz to the Nyquist frequency, equally spaced on HTK's mel scale, 2595 log10(1 + f / 700 Hz).

    Returns:
        float64 [count], in Hz.
    """
    return 700.0 * np.expm1(np.linspace(0.0, np.log1p(SAMPLE_RATE / 2 / 700.0), count))


def slaney_points(count: int) -> np.ndarray:
    """Frequencies from 0 Hz to the Nyquist frequency, equally spaced on the mel scale of Slaney's Auditory Toolbox.

    One mel is 200/3 Hz up to 1 kHz, which is 15 mel; from there 27 mel are a factor of 6.4.

    Returns:
        float64 [count], in Hz.
    """
    hz_per_mel, corner, step = 200.0 / 3.0, 1000.0, np.log(6.4) / 27.0
    corner_mel = corner / hz_per_mel
    mels = np.linspace(0.0, corner_mel + np.log(SAMPLE_RATE / 2 / corner) / step, count)
    return np.where(mels < corner_mel, hz_per_mel * mels, corner * np.exp(step * (mels - corner_mel)))


@functools.cache
def mel_filterbank(fft_length: int, num_mels: int, slaney: bool) -> scipy.sparse.csr_array:
    """Overlapping triangles, straight in Hz, each from its left neighbour's middle to its right neighbour's.

    Args:
        fft_length: samples, at 16 kHz.
        num_mels: filters between 0 Hz and 8 kHz.
        slaney: False: HTK's mel scale, and triangles 1 high (what MFCC are computed from). True: Slaney's mel scale,
            and triangles whose area over Hz is 1 (librosa's default).

    Returns:
        float64 [fft_length // 2 + 1 bins, mels], sparse and not to be written to: weights of a power spectrum's bins.
    """
    points = (slaney_points if slaney else htk_points)(num_mels + 2)
    bins = np.arange(fft_length // 2 + 1)[:, None] * (SAMPLE_RATE / fft_length)
    widths = np.diff(points)
    rising = (bins - points[:-2]) / widths[:-1]
    falling = (points[2:] - bins) / widths[1:]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    if slaney:
        weights *= 2.0 / (points[2:] - points[:-2])
    # Nearly all is zero. Nor do sparse products start threads, which would get in the way of preparation's.
    filterbank = scipy.sparse.csr_array(weights)
    filterbank.data.flags.writeable = False
    return filterbank


def mel_powers(
    samples: np.ndarray, window: np.ndarray, hop_length: int, filterbank: scipy.sparse.csr_array
) -> np.ndarray:
    """Power spectra of a signal's frames, |X|² without any scaling, seen through a filterbank.

    Args:
        samples: float64 [samples], at least as many as the window has; samples after the last whole frame do not count.
        window: float64 [window]; a frame is followed by zeros up to the length of the transform.
        hop_length: samples.
        filterbank: float64 [fft_length // 2 + 1 bins, mels], of `mel_filterbank`.

    Returns:
        float64 [1 + (samples - window) // hop_length frames, mels].
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, len(window))[::hop_length]
    powers = np.empty((len(frames), filterbank.shape[1]))
    for first in range(0, len(frames), _BLOCK):
        block = slice(first, first + _BLOCK)
        spectrum = scipy.fft.rfft(frames[block] * window, n=2 * (filterbank.shape[0] - 1), axis=1)
        powers[block] = (spectrum.real**2 + spectrum.imag**2) @ filterbank
    return powers


def mel_spectrogram(samples: np.ndarray, resolution: Resolution) -> np.ndarray:
    """Mel spectrogram with the defaults of `librosa.feature.melspectrogram`, which the authors of DS-LSTM call.

    Frames are centred on multiples of the hop, with zeros around the recording; periodic Hann window; power; Slaney's
    mel scale and triangles of area 1.

    Args:
        samples: float [samples] in [-1, 1), 16 kHz.
        resolution: of the spectrogram.

    Returns:
        float64 [1 + samples // hop_length frames, mels]: power, without a floor.
    """
    half = resolution.fft_length // 2
    window = np.hanning(resolution.fft_length + 1)[:-1]  # periodic
    filterbank = mel_filterbank(resolution.fft_length, resolution.num_mels, slaney=True)
    return mel_powers(np.pad(np.asarray(samples, np.float64), half), window, resolution.hop_length, filterbank)


def resized(frames: np.ndarray, count: int) -> np.ndarray:
    """Stretches or squeezes a sequence along time, linearly between its two nearest frames.

    The first and last frame stay where they are. Squeezing does not smooth: most utterances of a corpus are near the
    size that they get, and a long one is read at fewer points.

    Args:
        frames: float [frames, components], at least one frame.
        count: frames wanted.

    Returns:
        [count, components] of the same type.
    """
    places = np.linspace(0.0, len(frames) - 1.0, count)
    before = places.astype(int)
    after = np.minimum(before + 1, len(frames) - 1)
    return frames[before] + (places - before)[:, None] * (frames[after] - frames[before])


def mel_spectrograms(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two mel spectrograms of DS-LSTM (Wang et al. 2020): 10 log10 of the power, then resized in time.

    The floor of -100 dB is ours; digital silence is this floor everywhere.

    Args:
        samples: float [samples] in [-1, 1), 16 kHz; one sample is enough.

    Returns:
        float32 [230 frames, 128 mels] and float32 [120 frames, 256 mels], in dB.
    """
    finer_in_time, finer_in_frequency = (
        resized(_decibels(mel_spectrogram(samples, resolution)), resolution.frames).astype(np.float32)
        for resolution in (MEL_512, MEL_1024)
    )
    return finer_in_time, finer_in_frequency


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10.0 * np.log10(np.maximum(power, FLOOR_POWER))
