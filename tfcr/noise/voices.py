"""The speech of a test part under noise: in its recordings where they can be read, else in its spectrograms.

Babble is made of a few recordings of the same part, the pool, so that nothing of training is heard in it. No
TensorFlow.
"""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from tfcr.corpora.audio import read_audio
from tfcr.dataset_info import IndexRow
from tfcr.errors import TfcrError
from tfcr.features.presets import FeaturePreset
from tfcr.features.spectrogram import decibels
from tfcr.noise import spectrogram, speech
from tfcr.noise.draws import generator
from tfcr.noise.grades import Grade
from tfcr.schema import FLOOR_PSD, NUM_BINS

POOL = 24  # recordings that babble is made of
VOICES = 6  # that are heard at once
RECORDINGS, SPECTROGRAMS = "recordings", "spectrograms"  # where noise is added


class Speech(Protocol):
    """Degrades the pictures of utterances.

    Attributes:
        place: where noise is added, `recordings` or `spectrograms`.
    """

    place: str

    def __call__(self, grade: Grade, row: IndexRow, picture: np.ndarray) -> np.ndarray:
        """The picture float32 [segments, 128, 128] of an utterance at a grade; the given one is the clean one."""


class InRecordings:
    """Noise added to samples, of which pictures are made anew.

    Args:
        paths: id → recording, of all utterances asked for and the pool.
        pool: the utterances that babble is made of.
        preset: how pictures are made.
        seed: of every draw, which depends on the utterance's id besides.
    """

    place = RECORDINGS

    def __init__(
        self, paths: Mapping[str, pathlib.Path], pool: Sequence[IndexRow], preset: FeaturePreset, seed: int
    ) -> None:
        self.paths, self.pool, self.preset, self.seed = paths, pool, preset, seed

    def __call__(self, grade: Grade, row: IndexRow, picture: np.ndarray) -> np.ndarray:
        return self.preset.pictures(self.samples(grade, row))[0]

    def samples(self, grade: Grade, row: IndexRow) -> np.ndarray:
        """The recording at a grade, float64 [samples]."""
        clean, random = read_audio(self.paths[row.id]), generator(self.seed, grade.kind.name, row.id)
        match grade.kind.name:
            case "white":
                return speech.at_snr(clean, speech.white(len(clean), random), grade.level)
            case "pink":
                return speech.at_snr(clean, speech.pink(len(clean), random), grade.level)
            case "babble":
                voices = [self._pool[voice.id] for voice in voices_for(row, self.pool, random)]
                return speech.at_snr(clean, speech.babble(voices, len(clean), random), grade.level)
            case "reverberation":
                return speech.reverberant(clean, grade.level, random)
            case "telephone":
                return speech.over_telephone(clean)
            case "silence":
                return np.zeros_like(clean)
        raise ValueError(f"{grade.kind.name} is no degradation of speech")

    @cached_property
    def _pool(self) -> dict[str, np.ndarray]:
        return {row.id: read_audio(self.paths[row.id]) for row in self.pool}


class InSpectrograms:
    """Noise added to the powers of spectrograms in dB, those of the preset `paper`.

    Args:
        pool: the utterances that babble is made of.
        pictures: reads the spectrograms of the pool, each float32 [frames, 128] in dB, when babble is first asked for.
        seed: of every draw, which depends on the utterance's id besides.
    """

    place = SPECTROGRAMS

    def __init__(self, pool: Sequence[IndexRow], pictures: Callable[[], Mapping[str, np.ndarray]], seed: int) -> None:
        self.pool, self.pictures, self.seed = pool, pictures, seed

    def __call__(self, grade: Grade, row: IndexRow, picture: np.ndarray) -> np.ndarray:
        flat = picture.reshape(-1, NUM_BINS).copy()
        flat[: row.num_frames] = decibels(self.density(grade, row, density_of(flat[: row.num_frames])))
        return flat.reshape(picture.shape)

    def density(self, grade: Grade, row: IndexRow, clean: np.ndarray) -> np.ndarray:
        """The density at a grade, float64 [frames, 128 bins]."""
        frames, random = len(clean), generator(self.seed, grade.kind.name, row.id)
        match grade.kind.name:
            case "white" | "pink":
                draw = {"white": speech.white, "pink": speech.pink}[grade.kind.name]
                noise = spectrogram.spectrum_of(draw(spectrogram.num_samples(frames), random))
                return spectrogram.at_snr(clean, noise, grade.level, random)
            case "babble":
                voices = [self._pool[voice.id] for voice in voices_for(row, self.pool, random)]
                return spectrogram.at_snr(clean, spectrogram.babble(voices, frames, random), grade.level, random)
            case "reverberation":
                return spectrogram.reverberant(clean, grade.level, random)
            case "telephone":
                return spectrogram.over_telephone(clean)
            case "silence":
                return np.zeros_like(clean)
        raise ValueError(f"{grade.kind.name} is no degradation of speech")

    @cached_property
    def _pool(self) -> dict[str, np.ndarray]:
        return {id: density_of(picture) for id, picture in self.pictures().items()}


def density_of(picture: np.ndarray) -> np.ndarray:
    """The density of a spectrogram in dB, float64 [frames, 128]; its floor counts as silence."""
    density = 10 ** (picture.astype(np.float64) / 10)
    return np.where(density > FLOOR_PSD * (1 + 1e-6), density, 0.0)


def pool_of(rows: Sequence[IndexRow], seed: int) -> list[IndexRow]:
    """The utterances of a test part that its babble is made of, drawn; at most 24."""
    order = generator(seed, "pool").permutation(len(rows))[:POOL]
    return [rows[number] for number in sorted(order.tolist())]


def voices_for(row: IndexRow, pool: Sequence[IndexRow], random: np.random.Generator) -> list[IndexRow]:
    """Up to six utterances of the pool that babble behind one: never its own recording, and other speakers if any.

    Raises:
        TfcrError: the pool has no other recording.
    """
    others = [other for other in pool if other.recording != row.recording]
    if not others:
        raise TfcrError(
            f"babble behind {row.id!r} needs another recording of the same test part, which has none; name other kinds "
            "by --kinds"
        )
    others = [other for other in others if other.speaker != row.speaker] or others
    return [others[number] for number in random.permutation(len(others))[:VOICES].tolist()]
