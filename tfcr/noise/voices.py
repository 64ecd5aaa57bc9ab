"""The speech of a test part under noise: in its recordings where they can be read, else in its spectrograms.

Babble is made of a few recordings of the same part, the pool, so that nothing of training is heard in it. No
TensorFlow.
"""

import abc
import pathlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import ModuleType

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

_COLOURS = {"white": speech.white, "pink": speech.pink}
_Draw = Callable[[int, np.random.Generator], np.ndarray]  # of noise, as so many samples


class Speech(abc.ABC):
    """Degrades the pictures of utterances.

    What is degraded is `clean`, a sequence over time: samples in one subclass, densities of frames in the other.

    Attributes:
        place: where noise is added, `recordings` or `spectrograms`.
        domain: the module that has `babble`, `reverberant` and `over_telephone` for such sequences.

    Args:
        pool: the utterances that babble is made of.
        seed: of every draw, which depends on the utterance's id besides.
    """

    place: str
    domain: ModuleType

    def __init__(self, pool: Sequence[IndexRow], seed: int) -> None:
        self.pool, self.seed = pool, seed

    @abc.abstractmethod
    def __call__(self, grade: Grade, row: IndexRow, picture: np.ndarray) -> np.ndarray:
        """The picture float32 [segments, 128, 128] of an utterance at a grade; the given one is the clean one."""

    def degraded(self, grade: Grade, row: IndexRow, clean: np.ndarray) -> np.ndarray:
        """The sequence `clean` of an utterance at a grade, as long as it is."""
        count, random = len(clean), generator(self.seed, grade.kind.name, row.id)
        match grade.kind.name:
            case "white" | "pink" as colour:
                noise = self._drawn(_COLOURS[colour], count, random)
            case "babble":
                voices = [self._voices[voice.id] for voice in voices_for(row, self.pool, random)]
                noise = self.domain.babble(voices, count, random)
            case "reverberation":
                return self.domain.reverberant(clean, grade.level, random)
            case "telephone":
                return self.domain.over_telephone(clean)
            case "silence":
                return np.zeros_like(clean)
            case other:
                raise ValueError(f"{other} is no degradation of speech")
        return self._at_snr(clean, noise, grade.level, random)

    @property
    @abc.abstractmethod
    def _voices(self) -> Mapping[str, np.ndarray]:
        """The clean sequences of the pool, by id."""

    @abc.abstractmethod
    def _drawn(self, draw: _Draw, count: int, random: np.random.Generator) -> np.ndarray:
        """Noise over `count` steps of time."""

    @abc.abstractmethod
    def _at_snr(self, clean: np.ndarray, noise: np.ndarray, snr: float, random: np.random.Generator) -> np.ndarray:
        """The sum of both, `snr` dB apart."""


class InRecordings(Speech):
    """Noise added to samples, of which pictures are made anew.

    Args:
        paths: id → recording, of all utterances asked for and the pool.
        pool, seed: those of `Speech`.
        preset: how pictures are made.
    """

    place, domain = RECORDINGS, speech

    def __init__(
        self, paths: Mapping[str, pathlib.Path], pool: Sequence[IndexRow], preset: FeaturePreset, seed: int
    ) -> None:
        super().__init__(pool, seed)
        self.paths, self.preset = paths, preset

    def __call__(self, grade: Grade, row: IndexRow, picture: np.ndarray) -> np.ndarray:
        return self.preset.pictures(self.samples(grade, row))[0]

    def samples(self, grade: Grade, row: IndexRow) -> np.ndarray:
        """The recording at a grade, float64 [samples]."""
        return self.degraded(grade, row, read_audio(self.paths[row.id]))

    @cached_property
    def _voices(self) -> dict[str, np.ndarray]:
        return {row.id: read_audio(self.paths[row.id]) for row in self.pool}

    def _drawn(self, draw: _Draw, count: int, random: np.random.Generator) -> np.ndarray:
        return draw(count, random)

    def _at_snr(self, clean: np.ndarray, noise: np.ndarray, snr: float, random: np.random.Generator) -> np.ndarray:
        return speech.at_snr(clean, noise, snr)


class InSpectrograms(Speech):
    """Noise added to the powers of spectrograms in dB, those of the preset `paper`.

    Args:
        pool, seed: those of `Speech`.
        pictures: reads the spectrograms of the pool, each float32 [frames, 128] in dB, when babble is first asked for.
    """

    place, domain = SPECTROGRAMS, spectrogram

    def __init__(self, pool: Sequence[IndexRow], pictures: Callable[[], Mapping[str, np.ndarray]], seed: int) -> None:
        super().__init__(pool, seed)
        self.pictures = pictures

    def __call__(self, grade: Grade, row: IndexRow, picture: np.ndarray) -> np.ndarray:
        flat = picture.reshape(-1, NUM_BINS).copy()
        clean = density_of(flat[: row.num_frames])
        flat[: row.num_frames] = decibels(self.degraded(grade, row, clean))
        return flat.reshape(picture.shape)

    @cached_property
    def _voices(self) -> dict[str, np.ndarray]:
        return {id: density_of(picture) for id, picture in self.pictures().items()}

    def _drawn(self, draw: _Draw, count: int, random: np.random.Generator) -> np.ndarray:
        return spectrogram.spectrum_of(draw(spectrogram.num_samples(count), random))

    def _at_snr(self, clean: np.ndarray, noise: np.ndarray, snr: float, random: np.random.Generator) -> np.ndarray:
        return spectrogram.at_snr(clean, noise, snr, random)


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
