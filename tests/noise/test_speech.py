"""Degraded recordings: the ratios asked for are the ratios measured, and the powers of spectrograms tell the same."""

import types

import numpy as np
import pytest

from tfcr.corpora import manifest
from tfcr.corpora.audio import read_audio
from tfcr.errors import TfcrError
from tfcr.features.presets import PRESETS
from tfcr.features.spectrogram import amplitudes, power_spectral_density
from tfcr.noise import speech
from tfcr.noise.draws import generator
from tfcr.noise.grades import AUDIO, KINDS, Grade, grades
from tfcr.noise.voices import InRecordings, InSpectrograms, density_of, pool_of, voices_for
from tfcr.schema import FLOOR_DB, NUM_BINS, SAMPLE_RATE

NOISES = grades(["white", "pink", "babble"])
# How far means and standard deviations in dB per bin may lie apart between both ways, and the distributions of a bin
# (Kolmogorov and Smirnov's distance), over all frames of all recordings: what was measured and some room.
TOLERANCE = {
    "white": (0.35, 0.35, 0.03),
    "pink": (0.35, 0.35, 0.03),
    "babble": (1.0, 0.8, 0.06),
    "reverberation": (0.8, 0.6, 0.04),
    "telephone": (0.3, 0.3, 0.02),
}
PASSED = slice(6, None)  # from 375 Hz; below a telephone's band the window leaks what the filter takes away
OF_FEW = 1.7  # times as far apart, of the frames of a few recordings


def utterance(id: str, samples: np.ndarray, speaker: str = "") -> types.SimpleNamespace:
    """What the index knows of a recording."""
    frames = PRESETS["paper"].num_frames(len(samples))
    return types.SimpleNamespace(id=id, recording=id, speaker=speaker or id[:2], num_frames=frames)


class Both:
    """Some recordings, degraded in either way."""

    def __init__(self, paths: dict):
        self.clean = {id: read_audio(path) for id, path in paths.items()}
        self.rows = [utterance(id, samples) for id, samples in self.clean.items()]
        self.pictures = {id: PRESETS["paper"].pictures(samples)[0] for id, samples in self.clean.items()}
        self.paths, self.pool = paths, pool_of(self.rows, 0)

    def in_recordings(self, seed: int = 0) -> InRecordings:
        return InRecordings(self.paths, self.pool, PRESETS["paper"], seed)

    def in_spectrograms(self, seed: int = 0) -> InSpectrograms:
        return InSpectrograms(
            self.pool, lambda: {row.id: self.frames(row, self.pictures[row.id]) for row in self.pool}, seed
        )

    def frames(self, row, picture: np.ndarray) -> np.ndarray:
        return picture.reshape(-1, NUM_BINS)[: row.num_frames]

    def all_frames(self, grade: Grade, way) -> np.ndarray:
        """Decibels of every frame at a grade, [frames, 128]."""
        return np.concatenate([self.frames(row, way(grade, row, self.pictures[row.id])) for row in self.rows])


@pytest.fixture(scope="module")
def real(real_corpus) -> Both:
    """Every 42nd recording of real speech, of all speakers."""
    said = manifest.read(real_corpus).utterances[::42]
    return Both({each.id: each.audio for each in said})


def decibels(ratio: float) -> float:
    return 10 * np.log10(ratio)


@pytest.mark.parametrize("grade", NOISES, ids=lambda grade: grade.name)
def test_the_ratio_measured_on_degraded_recordings_is_the_one_asked_for(real, grade):
    for row in real.rows:
        clean = real.clean[row.id]
        noise = real.in_recordings().samples(grade, row) - clean
        assert decibels(speech.power(clean) / speech.power(noise)) == pytest.approx(grade.level, abs=1e-6)


@pytest.mark.parametrize("kind", ["white", "pink", "babble"])
def test_the_ratio_measured_on_degraded_spectrograms_is_the_one_asked_for(real, kind):
    """What noise adds to the mean power, over many draws: the cross terms cancel in the mean alone."""
    row = real.rows[0]
    clean = density_of(real.frames(row, real.pictures[row.id]))
    ways = map(real.in_spectrograms, range(40))
    added = np.mean([way.degraded(Grade(KINDS[kind], 0.0), row, clean).sum() for way in ways]) - clean.sum()
    assert decibels(clean.sum() / added) == pytest.approx(0, abs=0.1)


def test_power_in_a_spectrogram_is_power_in_the_recording(real):
    """So a ratio means the same in both: within 0.1 dB."""
    for row in real.rows:
        samples = real.clean[row.id]
        of_bins = density_of(real.frames(row, real.pictures[row.id])).sum(axis=1) * SAMPLE_RATE / 256
        assert decibels(of_bins.mean() / speech.power(samples)) == pytest.approx(0, abs=0.1)


def agree(both: Both, grade: Grade, draws: int = 2) -> tuple[float, float, float]:
    """The largest differences per bin: of means and standard deviations in dB, and of the distributions."""
    one = np.concatenate([both.all_frames(grade, both.in_recordings(seed)) for seed in range(draws)])
    other = np.concatenate([both.all_frames(grade, both.in_spectrograms(100 + seed)) for seed in range(draws)])
    if grade.kind.name == "telephone":
        one, other = one[:, PASSED], other[:, PASSED]
    distances = [_kolmogorov_smirnov(*columns) for columns in zip(one.T, other.T, strict=True)]
    return abs(one.mean(0) - other.mean(0)).max(), abs(one.std(0) - other.std(0)).max(), max(distances)


def _kolmogorov_smirnov(one: np.ndarray, other: np.ndarray) -> float:
    one, other = np.sort(one), np.sort(other)
    places = np.concatenate([one, other])
    shares = (np.searchsorted(each, places, "right") / len(each) for each in (one, other))
    return float(np.abs(np.subtract(*shares)).max())


@pytest.mark.parametrize("name", ["white-10", "pink-0", "babble-5", "reverberation-0.5", "telephone"])
def test_noise_in_spectrograms_has_the_mean_and_spread_of_noise_in_recordings(real, name):
    grade = next(grade for grade in grades() if grade.name == name)
    assert np.all(np.array(agree(real, grade)) <= OF_FEW * np.array(TOLERANCE[grade.kind.name]))


def test_without_the_cross_term_the_spread_would_be_another(real, monkeypatch):
    """The mean of the powers would still be right, so the spread is what shows it."""
    from tfcr.noise import spectrogram

    monkeypatch.setattr(spectrogram, "_density_of_sum", lambda density, noise, random: density + np.abs(noise) ** 2)
    grade = Grade(KINDS["white"], 0.0)
    _, spread, distance = agree(real, grade, draws=1)
    assert spread > 3 * OF_FEW * TOLERANCE["white"][1] and distance > 1.5 * OF_FEW * TOLERANCE["white"][2]


@pytest.mark.full
@pytest.mark.parametrize(
    "grade", [grade for grade in grades() if grade.kind.modality == AUDIO], ids=lambda grade: grade.name
)
def test_both_ways_agree_on_all_recordings(real_corpus, grade):
    both = Both({each.id: each.audio for each in manifest.read(real_corpus).utterances})
    found = agree(both, grade, draws=1)
    assert np.all(np.array(found) <= TOLERANCE.get(grade.kind.name, (0, 0, 0))), found


def test_amplitudes_are_those_of_the_density():
    samples = np.random.default_rng(0).standard_normal(1000)
    np.testing.assert_allclose(np.abs(amplitudes(samples)) ** 2, power_spectral_density(samples), rtol=1e-12)


def test_pink_noise_loses_three_decibels_an_octave():
    density = power_spectral_density(speech.pink(16_000 * 60, np.random.default_rng(0))).mean(axis=0)
    octaves = [density[2**k : 2 ** (k + 1)].mean() for k in range(2, 7)]
    np.testing.assert_allclose(10 * np.diff(np.log10(octaves)), -3.01, atol=0.3)


def test_a_telephone_passes_its_band_and_takes_24_decibels_an_octave_beyond():
    gains = 10 * np.log10(speech.telephone_gain(np.array([75, 150, 1000, 2500, 7000.0])))
    assert abs(gains[2]) < 0.1 and abs(gains[3]) < 0.5
    assert gains[1] - gains[0] == pytest.approx(24, abs=1.5)
    assert gains[1] < -20 and gains[4] < -20


def test_a_room_decays_by_60_decibels_in_its_reverberation_time_and_holds_half_of_the_energy():
    impulse = np.zeros(SAMPLE_RATE)
    impulse[0] = 1
    answer = speech.reverberant(impulse, 0.5, np.random.default_rng(0))
    assert answer[0] ** 2 == pytest.approx(0.5) and np.sum(answer**2) == pytest.approx(1)
    left = np.cumsum(answer[:0:-1] ** 2)[::-1]  # Schroeder's integral
    early, late = (10 * np.log10(left[int(seconds * SAMPLE_RATE)] / left[0]) for seconds in (0.1, 0.3))
    assert early - late == pytest.approx(60 * 0.2 / 0.5, abs=2)


def test_silence_is_the_floor_and_digital_silence_stays_silent():
    samples = np.zeros(4000)
    np.testing.assert_array_equal(speech.at_snr(samples, np.ones(4000), 0), samples)
    row, picture = utterance("u", samples), PRESETS["paper"].pictures(samples)[0]
    way = InSpectrograms([], dict, 0)
    for grade in (Grade(KINDS["silence"], 0.0), Grade(KINDS["white"], 0.0)):
        assert (way(grade, row, picture) == np.float32(FLOOR_DB)).all()


def test_noise_is_the_same_at_every_ratio_and_another_for_another_utterance_or_seed(real):
    first, second = real.rows[:2]

    def noise(level, row, seed):
        return real.in_recordings(seed).samples(Grade(KINDS["white"], level), row) - real.clean[row.id]

    np.testing.assert_allclose(noise(0.0, first, 0), noise(20.0, first, 0) * 10, rtol=1e-6, atol=1e-12)
    size = min(len(real.clean[row.id]) for row in (first, second))
    for other in (noise(0.0, second, 0), noise(0.0, first, 1)):
        assert abs(np.corrcoef(noise(0.0, first, 0)[:size], other[:size])[0, 1]) < 0.05


def test_babble_is_of_other_speakers_and_never_of_the_recording_itself():
    rows = [utterance(f"{speaker}{number}", np.zeros(1), speaker) for speaker in ("ab", "cd") for number in range(9)]
    for row in rows:
        voices = voices_for(row, rows, generator(0, row.id))
        assert len(voices) == 6 == len({voice.id for voice in voices})
        assert {voice.speaker for voice in voices} == {"ab", "cd"} - {row.speaker}
        same_speaker = voices_for(row, [other for other in rows if other.speaker == row.speaker], generator(0))
        assert row.id not in {voice.id for voice in same_speaker}
    with pytest.raises(TfcrError, match="needs another recording of the same test part, which has none"):
        voices_for(rows[0], rows[:1], generator(0))
