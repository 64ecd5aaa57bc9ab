"""Synthetic voices: words in, speech-like sound out, by a source and a filter (Fant 1960).

Pulses of a glottis and noise are shaped, frame by frame, by formants that follow the letters. It is no intelligible
speech, but it has what an emotion changes in a voice: loudness, pitch and its range, tempo, spectral tilt, breath.
"""

import re
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage

from tfcr.schema import SAMPLE_RATE

# How much of an utterance's emotion can be heard. The effect of an emotion is VOICE_EFFECT times the row below; every
# utterance deviates from it by VOICE_SPREAD times the spreads. More effect or less spread makes audio easier.
VOICE_EFFECT = 1.15
VOICE_SPREAD = 0.55
STRENGTH_SPREAD = 0.25  # some utterances show their emotion strongly, some hardly: deviation of a factor around 1

MIN_SECONDS = 0.8
MAX_SECONDS = 3.0

_FRAME = 256  # samples (16 ms)
_HOP = _FRAME // 2
_FFT = 2 * _FRAME  # room for the filter's ringing on both sides of a frame
_FREQUENCIES = scipy.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)  # Hz
_FULL_SCALE = 32_767


@dataclass(frozen=True)
class Manner:
    """How something is said, as a difference from a speaker's neutral voice.

    Attributes:
        pitch: semitones.
        pitch_range: natural logarithm of a factor.
        loudness: dB.
        rate: natural logarithm of a factor of syllables per second.
        tilt: dB per octave above 500 Hz; higher is brighter.
        formants: natural logarithm of a factor of the formants' frequencies (a smile shortens the vocal tract).
        breath: dB of noise in the voice.
    """

    pitch: float
    pitch_range: float
    loudness: float
    rate: float
    tilt: float
    formants: float
    breath: float

    def as_array(self) -> np.ndarray:
        """float64 [7], in the order of the attributes."""
        return np.array(list(vars(self).values()))


MANNERS = {
    "neutral": Manner(0.0, 0.00, 0.0, 0.00, 0.0, 0.00, 0.0),
    "happiness": Manner(4.0, 0.50, 2.5, 0.12, 0.4, 0.09, -1.0),
    "excitement": Manner(5.0, 0.65, 4.0, 0.16, 0.8, 0.10, -1.0),
    "sadness": Manner(-2.0, -0.50, -5.0, -0.20, -1.6, -0.02, 5.0),
    "anger": Manner(1.5, 0.30, 5.5, 0.08, 3.0, -0.05, -2.0),
}
_SPREAD = Manner(2.0, 0.35, 3.0, 0.15, 1.2, 0.035, 3.0)


@dataclass(frozen=True)
class Speaker:
    """A voice: pitch in Hz, vocal-tract factor on the formants, tilt in dB per octave, level in dB of full scale."""

    pitch: float
    formants: float
    tilt: float
    level: float
    syllables_per_second: float

    @classmethod
    def drawn(cls, gender: str, random: np.random.Generator) -> "Speaker":
        """Draws a female (`F`) or male (`M`) voice."""
        female = gender == "F"
        return cls(
            pitch=float((205.0 if female else 118.0) * np.exp(0.08 * random.standard_normal())),
            formants=float((1.14 if female else 1.0) * np.exp(0.025 * random.standard_normal())),
            tilt=float(-9.0 + 0.5 * random.standard_normal()),
            level=float(-27.0 + 1.0 * random.standard_normal()),
            syllables_per_second=float(7.0 * np.exp(0.05 * random.standard_normal())),
        )


def drawn_manner(emotion: str, random: np.random.Generator) -> Manner:
    """How one utterance of an emotion is said: the emotion's effect with the utterance's own spread."""
    strength = max(0.0, 1.0 + STRENGTH_SPREAD * random.standard_normal())
    effect = VOICE_EFFECT * strength * MANNERS[emotion].as_array()
    spread = VOICE_SPREAD * _SPREAD.as_array() * random.standard_normal(len(effect))
    return Manner(*(effect + spread))


def spoken(words: list[str], speaker: Speaker, manner: Manner, random: np.random.Generator) -> np.ndarray:
    """Says words.

    Args:
        words: at least one letter in all; other characters are passed over.
        speaker: whose voice.
        manner: how.
        random: draws what no two utterances share: jitter, accents, breath, background noise.

    Returns:
        int16 [samples], 16 kHz, 0.8 to 3 s.
    """
    sounds = _sounds(words)
    durations = _durations(sounds, speaker.syllables_per_second * np.exp(manner.rate), random)
    num_frames = int(durations.sum() * SAMPLE_RATE) // _HOP
    sound_of_frame = _sound_of_frame(durations, num_frames)
    voiced, noisy = _envelopes(sounds, speaker, manner, random)
    pulses = _pulses(_pitch(sounds, durations, speaker, manner, random), (num_frames + 1) * _HOP, random)
    breath = random.standard_normal((num_frames + 1) * _HOP, dtype=np.float32)
    spectrum = _spectra(pulses + 0.05 * 10 ** (manner.breath / 20) * breath) * _gliding(voiced, sound_of_frame)
    spectrum += _spectra(breath[::-1]) * _gliding(noisy, sound_of_frame)
    speech = _overlapped(spectrum)
    # Loudness is that of the whole utterance: a voice does not get louder for having more vowels in it.
    level = 10 ** ((speaker.level + manner.loudness) / 20)
    speech *= level / np.sqrt(np.mean(speech**2) + 1e-12)
    speech += _background(len(speech), random)
    peak = float(np.abs(speech).max())
    return np.rint(speech * (_FULL_SCALE * min(1.0, 0.98 / peak))).astype(np.int16)


# Letters to sounds: seconds, gain of the voice in dB, gain of noise in dB, and the noise's middle frequency in Hz.
_SILENT = -70.0
_CONSONANTS = (
    ("sh|ch|j|g(?=e)", 0.085, _SILENT, -4.0, 3200.0),
    ("s|z|x|c(?=[ei])", 0.085, _SILENT, -4.0, 5600.0),
    ("th|f|ph|v", 0.065, -24.0, -16.0, 4500.0),
    ("h", 0.045, _SILENT, -18.0, 1600.0),
    ("t|d", 0.055, _SILENT, -10.0, 4200.0),
    ("ck|k|c|q|g", 0.060, _SILENT, -12.0, 2100.0),
    ("p|b", 0.060, _SILENT, -18.0, 900.0),
    ("m|n", 0.060, -10.0, _SILENT, 1000.0),
    ("l|r|w", 0.050, -6.0, _SILENT, 1000.0),
)
_VOWELS = (  # first three formants of a man's vowels in Hz (after Peterson and Barney 1952)
    ("ee|ea|ie|y", (270.0, 2290.0, 3010.0)),
    ("oo|ue", (300.0, 870.0, 2240.0)),
    ("ou|ow|au|aw", (570.0, 840.0, 2410.0)),
    ("ai|ay|ei|ey|e", (530.0, 1840.0, 2480.0)),
    ("i", (390.0, 1990.0, 2550.0)),
    ("a", (730.0, 1090.0, 2440.0)),
    ("oa|oi|oy|o", (570.0, 840.0, 2410.0)),
    ("u", (640.0, 1190.0, 2390.0)),
)
_NEUTRAL_VOWEL = (500.0, 1500.0, 2500.0)  # a consonant's, and of words without a vowel letter
_VOWEL_SHARE = 0.62  # of a syllable's time, the rest being consonants
_NOISE_LEVEL = 14.0  # dB that the noise of consonants has over the glottis, before the filter
_USUAL_RATE = 5.6  # syllables per second at which consonants last as long as above


@dataclass(frozen=True)
class _Sound:
    is_vowel: bool
    seconds: float  # of a consonant; a vowel's follow from the rate
    voice: float  # dB
    noise: float  # dB
    noise_frequency: float  # Hz
    formants: tuple[float, float, float]  # Hz


_PAUSE = _Sound(False, 0.03, _SILENT, _SILENT, 1000.0, _NEUTRAL_VOWEL)


def _sound_table() -> tuple[re.Pattern[str], dict[str, _Sound]]:
    """One pattern with a named group per sound, longer spellings first, and the sounds by group name."""
    rows: list[tuple[str, _Sound]] = [(letters, _Sound(True, 0.0, 0.0, _SILENT, 1000.0, hz)) for letters, hz in _VOWELS]
    for letters, seconds, voice, noise, frequency in _CONSONANTS:
        rows.append((letters, _Sound(False, seconds, voice, noise, frequency, _NEUTRAL_VOWEL)))
    groups = (f"(?P<s{index}>{letters})" for index, (letters, _) in enumerate(rows))
    return re.compile("|".join(groups)), {f"s{index}": sound for index, (_, sound) in enumerate(rows)}


_LETTERS, _SOUND_OF = _sound_table()


def _sounds(words: list[str]) -> list[_Sound]:
    sounds = [_PAUSE]
    for word in words:
        said = [_SOUND_OF[str(match.lastgroup)] for match in _LETTERS.finditer(word.lower())]
        if len(said) > 2 and word.lower().endswith("e"):
            said = said[:-1]  # a final e is silent
        sounds += [*said, _PAUSE]
    if not any(sound.is_vowel for sound in sounds):
        sounds.append(_Sound(True, 0.0, 0.0, _SILENT, 1000.0, _NEUTRAL_VOWEL))
    return sounds


def _durations(sounds: list[_Sound], syllables_per_second: float, random: np.random.Generator) -> np.ndarray:
    """float64 [sounds], in seconds; the whole is between the shortest and the longest utterance."""
    vowel = _VOWEL_SHARE / syllables_per_second
    scale = _USUAL_RATE / syllables_per_second
    seconds = np.array([vowel if sound.is_vowel else scale * sound.seconds for sound in sounds])
    seconds *= np.exp(0.15 * random.standard_normal(len(sounds)))
    margin = 2 * _HOP / SAMPLE_RATE
    total = np.clip(seconds.sum(), MIN_SECONDS + margin, MAX_SECONDS - margin)
    return seconds * (total / seconds.sum())


def _sound_of_frame(durations: np.ndarray, num_frames: int) -> np.ndarray:
    """Which sound each frame begins in: int [frames]."""
    ends = np.cumsum(durations) * SAMPLE_RATE / _HOP
    return np.minimum(np.searchsorted(ends, np.arange(num_frames), side="right"), len(durations) - 1)


def _gliding(envelopes: np.ndarray, sound_of_frame: np.ndarray) -> np.ndarray:
    """float32 [frames, 257]: factors of a filter that slides from one sound to the next, given their logarithms."""
    return np.exp(scipy.ndimage.uniform_filter1d(envelopes[sound_of_frame], 3, axis=0, mode="nearest"))


def _envelopes(
    sounds: list[_Sound], speaker: Speaker, manner: Manner, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Natural logarithms of the filters of voice and noise: float32 [sounds, 257 frequencies] each."""
    scale = speaker.formants * np.exp(manner.formants)
    formants = np.array([[*sound.formants, 3500.0, 4500.0, 5600.0] for sound in sounds])
    formants *= scale * np.exp(0.03 * random.standard_normal(formants.shape))
    bandwidths = 50.0 + 0.05 * formants
    heights = np.array([30.0, 30.0, 25.0, 15.0, 10.0, 5.0])[:, None]
    peaks = np.log1p(heights / (1 + ((_FREQUENCIES - formants[..., None]) / bandwidths[..., None]) ** 2)).sum(axis=1)
    octaves = np.log2(np.maximum(_FREQUENCIES, 500.0) / 500.0)
    low_cut = 2 * np.log(_FREQUENCIES / (_FREQUENCIES + 80.0) + 1e-3)
    gains = np.array([[sound.voice, sound.noise] for sound in sounds])
    gains += np.where(gains > _SILENT, 1.5 * random.standard_normal((len(sounds), 1)), 0.0)
    decibel = np.log(10) / 20
    voiced = decibel * (gains[:, :1] + (speaker.tilt + manner.tilt) * octaves) + peaks + low_cut
    middle = np.array([[sound.noise_frequency] for sound in sounds]) * scale
    hiss = -0.5 * (np.log2(np.maximum(_FREQUENCIES, 60.0) / middle) / 0.6) ** 2
    noisy = decibel * (_NOISE_LEVEL + gains[:, 1:] + 0.5 * manner.tilt * octaves) + np.maximum(hiss, -5.0)
    return voiced.astype(np.float32), noisy.astype(np.float32)


def _pitch(
    sounds: list[_Sound], durations: np.ndarray, speaker: Speaker, manner: Manner, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and Hz at the middle of every sound: a falling line, an accent per vowel, jitter."""
    times = np.cumsum(durations) - durations / 2
    vowels = np.array([sound.is_vowel for sound in sounds])
    span = np.exp(manner.pitch_range)
    semitones = manner.pitch + span * (2.0 * (0.5 - times / durations.sum()))
    semitones += span * np.where(vowels, 1.6 * random.standard_normal(len(sounds)), 0.0)
    semitones += 0.15 * random.standard_normal(len(sounds))
    return times, speaker.pitch * 2.0 ** (semitones / 12)


def _pulses(pitch: tuple[np.ndarray, np.ndarray], num_samples: int, random: np.random.Generator) -> np.ndarray:
    """float32 [samples]: one pulse per glottal period, between two samples where it falls there, with shimmer."""
    seconds = np.arange(num_samples) / SAMPLE_RATE
    cycles = np.cumsum(np.interp(seconds, *pitch) / SAMPLE_RATE) + random.random()
    places = np.flatnonzero(np.diff(np.floor(cycles)) > 0)
    late = cycles[places + 1] % 1.0 / (cycles[places + 1] - cycles[places])  # of a sample, before places + 1
    heights = np.exp(0.1 * random.standard_normal(len(places))) * np.sqrt(SAMPLE_RATE / 150.0)
    pulses = np.zeros(num_samples, np.float32)
    pulses[places] += heights * late
    pulses[places + 1] += heights * (1 - late)
    return pulses


def _spectra(signal: np.ndarray) -> np.ndarray:
    """complex64 [frames, 257]: spectra of windowed frames, each in the middle of a longer transform."""
    frames = np.lib.stride_tricks.sliding_window_view(signal.astype(np.float32), _FRAME)[::_HOP]
    padded = np.zeros((len(frames), _FFT), np.float32)
    padded[:, _HOP : _HOP + _FRAME] = frames * _WINDOW
    return scipy.fft.rfft(padded, axis=1)


_WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)).astype(np.float32)  # overlaps add up to 1


def _overlapped(spectra: np.ndarray) -> np.ndarray:
    """float32 [samples]: the frames' signals, added where they overlap; without the first and last half frame."""
    signals = scipy.fft.irfft(spectra, n=_FFT, axis=1).reshape(len(spectra), _FFT // _HOP, _HOP)
    parts = _FFT // _HOP
    output = np.zeros((len(spectra) + parts - 1, _HOP), np.float32)
    for part in range(parts):
        output[part : part + len(spectra)] += signals[:, part]
    return output[1 : len(spectra) + 1].ravel()


def _background(num_samples: int, random: np.random.Generator) -> np.ndarray:
    """float32 [samples]: the noise of a room, -68 to -56 dB of full scale, darker than white."""
    white = random.standard_normal(num_samples + 1, dtype=np.float32)
    level = 10 ** (random.uniform(-68.0, -56.0) / 20)
    return np.float32(level) * (white[1:] + np.float32(0.6) * white[:-1])
