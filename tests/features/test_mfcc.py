"""MFCC against librosa's parts put together as HTK does, and derivatives worked out by hand."""

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcr.corpora import manifest
from tfcr.corpora.audio import read_audio
from tfcr.features.mfcc import deltas, mfcc, num_mfcc_frames


def noise(length, scale=0.1):
    return np.random.default_rng(length).normal(0, scale, length)


def librosas(samples):
    """[frames, 39] from librosa, written out with the numbers of the recipe."""
    emphasised = librosa.effects.preemphasis(samples, coef=0.97, zi=[-0.97 * samples[0]])
    frames = librosa.util.frame(emphasised, frame_length=400, hop_length=160, axis=0)
    power = np.abs(np.fft.rfft(frames * np.hamming(400), 512)) ** 2
    filters = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=26, htk=True, norm=None, dtype=np.float64)
    logarithms = np.log(np.maximum(filters @ power.T, 1e-10))
    cepstra = librosa.feature.mfcc(S=logarithms, n_mfcc=13)[1:].T
    # Not librosa's own lifter, which counts from c0, while HTK's counts from c1.
    cepstra *= 1 + 11 * np.sin(np.pi * np.arange(1, 13) / 22)
    mean_square = librosa.feature.rms(y=samples, frame_length=400, hop_length=160, center=False, dtype=float)[0] ** 2
    static = np.column_stack([cepstra, np.log(np.maximum(400 * mean_square, 400 / 12 / 2**30))])
    # A straight line through five frames is a Savitzky-Golay filter of order 1.
    slopes = librosa.feature.delta(static, width=5, order=1, axis=0, mode="nearest")
    return np.concatenate([static, slopes, librosa.feature.delta(slopes, width=5, order=1, axis=0, mode="nearest")], 1)


def assert_equals_librosa(samples):
    # Both compute in float64; ours is stored as float32, which rounds numbers up to 128 by less than 4e-6.
    np.testing.assert_allclose(mfcc(samples), librosas(samples), rtol=1e-6, atol=1e-5)


SIGNALS = {
    "a second of noise": noise(16_000),
    "quiet noise": noise(20_000, 1e-5),
    "clipped": np.clip(noise(4_000, 3.0), -1, 1),
    "an offset under noise": 0.5 + noise(5_000, 0.01),
    "one window": noise(400),
    "a voice and then digital silence": np.concatenate([noise(3_000), np.zeros(3_000)]),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_mfcc_are_those_of_librosas_parts(name):
    assert_equals_librosa(SIGNALS[name])


def test_mfcc_of_real_speech_are_those_of_librosas_parts(real_corpus):
    for utterance in manifest.read(real_corpus).utterances[::28]:
        assert_equals_librosa(read_audio(utterance.audio))


@pytest.mark.full
def test_mfcc_of_all_real_speech_are_those_of_librosas_parts(real_corpus):
    for utterance in manifest.read(real_corpus).utterances:
        assert_equals_librosa(read_audio(utterance.audio))


def test_deltas_of_a_ramp_by_hand():
    ramp = np.arange(8.0)[:, None]
    # Inside: (1·2 + 2·4) / 10 = 1.
    # First: (1·(1 - 0) + 2·(2 - 0)) / 10 = 0.5. Second: (1·(2 - 0) + 2·(3 - 0)) / 10 = 0.8.
    slopes = deltas(ramp)
    np.testing.assert_allclose(slopes[:, 0], [0.5, 0.8, 1, 1, 1, 1, 0.8, 0.5])
    # First: (0.3 + 2·0.5) / 10. Second: (0.5 + 2·0.5) / 10. Third: (0.2 + 2·0.5) / 10. Fourth: (0 + 2·0.2) / 10.
    expected = [0.13, 0.15, 0.12, 0.04, -0.04, -0.12, -0.15, -0.13]
    np.testing.assert_allclose(deltas(slopes)[:, 0], expected, atol=1e-15)


def test_a_sound_that_grows_by_a_factor_has_a_steady_slope_of_energy():
    # Twice the amplitude every 1600 samples: 2 log 2 of energy in ten frames.
    samples = 1e-3 * 2 ** (np.arange(12_000) / 1_600) * np.resize([1, -1], 12_000)
    energy, slope, acceleration = mfcc(samples)[4:-4, [12, 25, 38]].T
    np.testing.assert_allclose(np.diff(energy), np.log(4) / 10, atol=1e-5)
    np.testing.assert_allclose(slope, np.log(4) / 10, atol=1e-5)
    np.testing.assert_allclose(acceleration, 0, atol=1e-5)


def test_loudness_moves_the_energy_alone():
    louder, quieter = mfcc(noise(8_000, 0.2)), mfcc(noise(8_000, 0.1))
    np.testing.assert_allclose(louder[:, 12] - quieter[:, 12], np.log(4), atol=1e-5)
    np.testing.assert_allclose(np.delete(louder, 12, axis=1), np.delete(quieter, 12, axis=1), atol=1e-4)


def test_silence_is_the_floor_of_energy_and_no_cepstra():
    frames = mfcc(np.zeros(1_600))
    assert frames.shape == (8, 39)  # (1600 - 400) / 160 + 1 = 8.5
    np.testing.assert_allclose(frames[:, 12], np.log(400 / 12 / 2**30), rtol=1e-6)
    np.testing.assert_allclose(np.delete(frames, 12, axis=1), 0, atol=1e-5)


@pytest.mark.parametrize(("samples", "frames"), [(1, 1), (399, 1), (400, 1), (559, 1), (560, 2), (16_000, 98)])
def test_only_whole_frames_count_but_there_is_always_one(samples, frames):
    assert num_mfcc_frames(samples) == frames
    assert len(mfcc(noise(samples))) == frames


def test_what_is_too_short_is_followed_by_zeros():
    samples = noise(123)
    np.testing.assert_array_equal(mfcc(samples), mfcc(np.concatenate([samples, np.zeros(277)])))


@given(
    length=st.one_of(st.integers(1, 2_000), st.integers(1, 48_000)),
    offset=st.sampled_from([0.0, 0.3]),
    scale=st.sampled_from([0.0, 1e-6, 0.1, 10.0]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_input_of_any_length_and_kind_gives_the_promised_frames(length, offset, scale, dtype):
    samples = np.clip(noise(length, scale) + offset, -1, 1).astype(dtype)
    frames = mfcc(samples)
    assert frames.shape == (num_mfcc_frames(length), 39)
    assert frames.dtype == np.float32
    assert np.isfinite(frames).all()
    np.testing.assert_array_equal(frames, mfcc(samples.copy()))


def test_samples_are_not_changed_and_of_any_width_computed_in_float64():
    samples = noise(2_000).astype(np.float32)
    wide = samples.astype(np.float64)
    kept = wide.copy()
    np.testing.assert_array_equal(mfcc(samples), mfcc(wide))
    np.testing.assert_array_equal(wide, kept)
