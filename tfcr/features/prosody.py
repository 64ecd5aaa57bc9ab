"""Prosody of an utterance in 35 numbers: how high, how clear, how loud, and how these move."""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from tfcr.schema import SAMPLE_RATE

MIN_PITCH = 60.0  # Hz
MAX_PITCH = 500.0  # Hz
PITCH_WINDOW_LENGTH = round(3 * SAMPLE_RATE / MIN_PITCH)  # samples: three periods of the lowest pitch, 50 ms
PITCH_HOP_LENGTH = SAMPLE_RATE * 10 // 1000  # samples: 10 ms

# The strengths and costs of Boersma (1993, Eq. 23, 24 and 27), as Praat sets them but for the octave cost: with Praat's
# 0.01, noise 6 to 10 dB below a voice halves some pitches.
VOICING_THRESHOLD = 0.45  # what the autocorrelation's peak must reach
SILENCE_THRESHOLD = 0.03  # amplitude, of the loudest frame's, below which voicing must be clearer
OCTAVE_COST = 0.02  # per octave that a candidate is lower
OCTAVE_JUMP_COST = 0.35  # per octave from one frame to the next
VOICING_CHANGE_COST = 0.14  # where a voice begins or ends
CANDIDATES = 5  # pitches of a frame that are looked at

REFERENCE_PITCH = 27.5  # Hz: 0 semitones, lower than any voice, so that 0 can mean "no pitch"
FLOOR_ENERGY_DB = -100.0  # of full scale: below it a frame is silent; rounding to 16 bits alone gives -101 dB
CLEAREST = 1.0 - 1e-4  # of an autocorrelation's peak: harmonics 40 dB above the noise
NOISIEST = 1e-2  # harmonics 20 dB below the noise

DESCRIPTORS = ("pitch", "harmonicity", "voicing", "energy", "zero_crossings")
FUNCTIONALS = ("mean", "deviation", "low", "median", "high", "slope", "change")
NAMES = tuple(f"{descriptor}_{functional}" for descriptor in DESCRIPTORS for functional in FUNCTIONALS)

_LOW, _HIGH = 5.0, 95.0  # percent: percentiles in place of the extremes, which one wrong frame decides
_BLOCK = 64  # frames transformed at a time, so that they stay in the processor's cache

_MIN_LAG = int(SAMPLE_RATE / MAX_PITCH)  # samples
_MAX_LAG = int(np.ceil(SAMPLE_RATE / MIN_PITCH))
_FFT_LENGTH = scipy.fft.next_fast_len(PITCH_WINDOW_LENGTH + _MAX_LAG + 1, real=True)  # no lag looked at wraps around
_WINDOW = np.hanning(PITCH_WINDOW_LENGTH + 2)[1:-1]


def _low_pass() -> np.ndarray:
    """float64 [bins]: 1 up to 2 kHz, falling as a cosine to 0 at 4 kHz."""
    frequencies = scipy.fft.rfftfreq(_FFT_LENGTH, 1 / SAMPLE_RATE)
    return 0.5 + 0.5 * np.cos(np.pi * np.clip((frequencies - 2000.0) / 2000.0, 0.0, 1.0))


def _window_autocorrelation() -> np.ndarray:
    """float64 [lags]: of the window, 1 at lag 0, for the lags that are looked at and one more on each side."""
    correlation = scipy.fft.irfft(np.abs(scipy.fft.rfft(_WINDOW, _FFT_LENGTH)) ** 2, _FFT_LENGTH)
    return correlation[_MIN_LAG - 1 : _MAX_LAG + 2] / correlation[0]


_LOW_PASS = _low_pass()
_WINDOW_AUTOCORRELATION = _window_autocorrelation()


@dataclass(frozen=True)
class Contours:
    """What `prosody` measures in every frame: 50 ms every 10 ms, whole frames only, at least one.

    Attributes:
        pitch: float64 [frames], in Hz; 0 where there is no voice.
        voicing: float64 [frames]: the autocorrelation at the pitch period, from 0 to 0.9999; where there is no voice,
            at its highest peak, 0 if there is none.
        energy: float64 [frames], in dB of full scale: mean square of the windowed frame around its mean; at least -100.
        zero_crossings: float64 [frames]: how often a second the signal crosses its frame's mean; 0 in silence.
    """

    pitch: np.ndarray
    voicing: np.ndarray
    energy: np.ndarray
    zero_crossings: np.ndarray


def prosody(samples: np.ndarray) -> np.ndarray:
    """Prosody of one utterance: 5 descriptors × 7 functionals, in the order of `NAMES`.

    MDRE (Yoon et al. 2018) has 35 numbers of F0, energy and voicing, and does not say which. Its code has openSMILE's
    F0, log F0, voicing, log HNR and loudness, each with seven functionals; these are ours.

    Descriptors, each over frames of 50 ms every 10 ms:

    - `pitch`: semitones above 27.5 Hz, over voiced frames (`contours`);
    - `harmonicity`: harmonics-to-noise ratio in dB, 10 log10(r / (1 - r)) of the voicing r (Boersma 1993, Eq. 4), over
      voiced frames, from -20 to 40 dB;
    - `voicing`: the autocorrelation at the pitch period, 0 to 1, over all frames;
    - `energy`: dB of full scale, over all frames, at least -100;
    - `zero_crossings`: a second, over all frames.

    Functionals: `mean`; standard `deviation`; `low`, `median` and `high`: 5, 50 and 95 %; `slope`: of the line of least
    squares, per second; `change`: mean absolute difference of successive frames, per second, where both have a value.

    Where nothing is voiced, all functionals of pitch and harmonicity are 0 (no voice is as low as 0 semitones). With
    one frame, deviation, slope and change are 0. So silence, and one sample, are zeros but for the energy's mean, low,
    median and high of -100.

    Args:
        samples: float [samples] in [-1, 1), 16 kHz; one sample is enough.

    Returns:
        float32 [35].
    """
    measured = contours(samples)
    voiced = measured.pitch > 0
    every = np.ones_like(voiced)
    semitones = 12.0 * np.log2(np.where(voiced, measured.pitch, REFERENCE_PITCH) / REFERENCE_PITCH)
    clarity = np.maximum(measured.voicing, NOISIEST)
    harmonicity = 10.0 * np.log10(clarity / (1.0 - clarity))
    functionals = [
        _functionals(semitones, voiced),
        _functionals(harmonicity, voiced),
        _functionals(measured.voicing, every),
        _functionals(measured.energy, every),
        _functionals(measured.zero_crossings, every),
    ]
    return np.concatenate(functionals).astype(np.float32)


def num_prosody_frames(samples: int) -> int:
    """Frames of `contours` over that many samples: the whole ones, at least one."""
    return 1 + max(0, samples - PITCH_WINDOW_LENGTH) // PITCH_HOP_LENGTH


def contours(samples: np.ndarray) -> Contours:
    """Pitch by normalised autocorrelation and the cheapest path (Boersma 1993), with energy and zero crossings.

    A frame's autocorrelation is divided by that of its Hann window, so that a perfectly periodic sound reaches 1 at its
    period. Of the peaks between 60 and 500 Hz the five best become candidates, higher pitch being preferred a little;
    a path through all frames chooses among them and "no voice", where jumps cost.

    Other than in the paper, sound above 2 to 4 kHz does not count: peaks are then so round that a parabola through
    three lags finds their top, where the paper needs sin(x)/x interpolation. And loudness is a frame's mean square, not
    its highest sample.

    Args:
        samples: float [samples] in [-1, 1), 16 kHz; input shorter than a frame is followed by zeros.

    Returns:
        The contours, `num_prosody_frames(len(samples))` long.
    """
    samples = np.asarray(samples, np.float64)
    if len(samples) < PITCH_WINDOW_LENGTH:
        samples = np.pad(samples, (0, PITCH_WINDOW_LENGTH - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(samples, PITCH_WINDOW_LENGTH)[::PITCH_HOP_LENGTH]
    blocks = [_measured(frames[first : first + _BLOCK]) for first in range(0, len(frames), _BLOCK)]
    lags, heights, power, crossings = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    energy = np.maximum(10.0 * np.log10(np.maximum(power, 1e-30)), FLOOR_ENERGY_DB)
    pitch = SAMPLE_RATE / lags
    chosen = _cheapest_path(pitch, heights, _unvoiced_strength(power))
    voiced = chosen < CANDIDATES
    rows, columns = np.arange(len(chosen)), np.where(voiced, chosen, 0)
    return Contours(
        pitch=np.where(voiced, pitch[rows, columns], 0.0),
        voicing=np.clip(np.where(voiced, heights[rows, columns], heights.max(axis=1)), 0.0, CLEAREST),
        energy=energy,
        zero_crossings=crossings,
    )


def _measured(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lags in samples and heights of candidates [frames, 5]; power and zero crossings per second [frames]."""
    centred = frames - frames.mean(axis=1, keepdims=True)
    windowed = centred * _WINDOW
    power = np.einsum("ij,ij->i", windowed, windowed) / np.sum(_WINDOW**2)
    silent = power <= 10.0 ** (FLOOR_ENERGY_DB / 10.0)
    above = centred >= 0.0
    crossings = np.count_nonzero(above[:, 1:] != above[:, :-1], axis=1) * (SAMPLE_RATE / (PITCH_WINDOW_LENGTH - 1))
    lags, heights = _candidates(_autocorrelation(windowed))
    heights[silent] = 0.0
    return lags, heights, power, np.where(silent, 0.0, crossings)


def _autocorrelation(windowed: np.ndarray) -> np.ndarray:
    """float64 [frames, lags] of the low-passed sound, 1 at lag 0 (Eq. 9): from 500 to 60 Hz, and one more lag each."""
    spectrum = scipy.fft.rfft(windowed, _FFT_LENGTH, axis=1)
    correlation = scipy.fft.irfft((spectrum.real**2 + spectrum.imag**2) * _LOW_PASS, _FFT_LENGTH, axis=1)
    scale = np.maximum(correlation[:, :1], 1e-30)  # silence has no correlation
    return correlation[:, _MIN_LAG - 1 : _MAX_LAG + 2] / (scale * _WINDOW_AUTOCORRELATION)


def _candidates(correlation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best peaks of every frame: lags in samples and heights, both float64 [frames, 5]; missing ones have height 0.

    A parabola through a peak and its neighbours gives its place and its height; a height above 1, which short frames
    can have, counts as its inverse, as in the paper.
    """
    left, middle, right = correlation[:, :-2], correlation[:, 1:-1], correlation[:, 2:]
    peaks = (middle > left) & (middle >= right) & (middle > 0.0)
    strength = np.where(peaks, middle - _LAG_COST, -np.inf)
    best = np.argpartition(strength, -CANDIDATES, axis=1)[:, -CANDIDATES:]
    left, middle, right, exists = (np.take_along_axis(part, best, axis=1) for part in (left, middle, right, peaks))
    curvature = np.where(exists, left - 2.0 * middle + right, -1.0)
    offset = np.where(exists, 0.5 * (left - right) / curvature, 0.0)
    height = middle - 0.25 * (left - right) * offset
    height = np.where(height > 1.0, 1.0 / np.maximum(height, 1.0), height)
    return np.clip(_MIN_LAG + best + offset, SAMPLE_RATE / MAX_PITCH, SAMPLE_RATE / MIN_PITCH), np.where(
        exists, height, 0.0
    )


# What makes the first of a period's multiples the best one (Eq. 24), 0 at the lowest pitch.
_LAG_COST = OCTAVE_COST * np.log2(MIN_PITCH * np.arange(_MIN_LAG, _MAX_LAG + 1) / SAMPLE_RATE)


def _unvoiced_strength(power: np.ndarray) -> np.ndarray:
    """float64 [frames]: strength of "no voice" (Eq. 23), higher in frames much softer than the loudest."""
    amplitude = np.sqrt(power / max(power.max(), 1e-30))
    return VOICING_THRESHOLD + np.maximum(0.0, 2.0 - amplitude * (1.0 + VOICING_THRESHOLD) / SILENCE_THRESHOLD)


def _cheapest_path(pitch: np.ndarray, heights: np.ndarray, unvoiced: np.ndarray) -> np.ndarray:
    """Viterbi's algorithm over the candidates of all frames.

    Args:
        pitch: float64 [frames, 5], in Hz.
        heights: float64 [frames, 5]; 0 is no candidate.
        unvoiced: float64 [frames], strength of no voice.

    Returns:
        int64 [frames]: the candidate of each frame, 5 for no voice.
    """
    octaves = np.log2(pitch / MIN_PITCH)
    strength = np.concatenate([np.where(heights > 0.0, heights + OCTAVE_COST * octaves, -np.inf), unvoiced[:, None]], 1)
    costs = np.zeros((len(pitch) - 1, CANDIDATES + 1, CANDIDATES + 1))  # from a frame's candidate to the next frame's
    costs[:, :-1, :-1] = OCTAVE_JUMP_COST * np.abs(octaves[:-1, :, None] - octaves[1:, None, :])
    costs[:, -1, :-1] = costs[:, :-1, -1] = VOICING_CHANGE_COST
    total = strength[0]
    came_from = np.empty((len(costs), CANDIDATES + 1), np.int64)
    for number, cost in enumerate(costs):
        totals = total[:, None] - cost
        came_from[number] = totals.argmax(axis=0)
        total = totals.max(axis=0) + strength[number + 1]
    chosen = np.empty(len(pitch), np.int64)
    chosen[-1] = total.argmax()
    for number in range(len(costs) - 1, -1, -1):
        chosen[number] = came_from[number, chosen[number + 1]]
    return chosen


def _functionals(values: np.ndarray, defined: np.ndarray) -> np.ndarray:
    """The seven `FUNCTIONALS` of the frames where a descriptor is defined: float64 [7], zeros if there are none."""
    places = np.flatnonzero(defined)
    if not len(places):
        return np.zeros(len(FUNCTIONALS))
    frames_per_second = SAMPLE_RATE / PITCH_HOP_LENGTH
    chosen = values[places]
    around = places - places.mean()
    slope = np.sum(around * chosen) / max(np.sum(around**2), 1.0) * frames_per_second
    steps = np.abs(np.diff(chosen))[np.diff(places) == 1]
    change = steps.mean() * frames_per_second if len(steps) else 0.0
    return np.array([chosen.mean(), chosen.std(), *np.percentile(chosen, [_LOW, 50.0, _HIGH]), slope, change])
