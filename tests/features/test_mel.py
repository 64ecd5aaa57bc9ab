"""Mel spectrograms against librosa, which the authors of DS-LSTM used, and what resizing keeps."""

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfcr.corpora import manifest
from tfcr.corpora.audio import read_audio
from tfcr.features.mel import (
    FLOOR_MEL_DB,
    FLOOR_POWER,
    MEL_512,
    MEL_1024,
    htk_points,
    mel_filterbank,
    mel_spectrogram,
    mel_spectrograms,
    resized,
    slaney_points,
)
from tfcr.schema import SAMPLE_RATE

RESOLUTIONS = [(MEL_512, 512, 256, 128), (MEL_1024, 1024, 512, 256)]


def noise(length, scale=0.1):
    return np.random.default_rng(length).normal(0, scale, length)


def tone(length, frequency, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(length) / SAMPLE_RATE)


SIGNALS = {
    "a second of noise": noise(16_000),
    "quiet noise": noise(20_000, 1e-5),
    "a tone": tone(5_000, 437.5),
    "an offset": np.full(3_000, 0.25),
    "an impulse": np.eye(1, 2_000, 300)[0],
    "clipped": np.clip(noise(4_000, 3.0), -1, 1),
    "exactly two hops": noise(1_024),
}


def librosas(samples, fft_length, hop_length, num_mels):
    """librosa's mel spectrogram with its defaults, [frames, mels]."""
    return librosa.feature.melspectrogram(
        y=samples, sr=16_000, n_fft=fft_length, hop_length=hop_length, n_mels=num_mels
    ).T


def assert_equals_librosa(samples):
    for resolution, fft_length, hop_length, num_mels in RESOLUTIONS:
        ours, theirs = (
            mel_spectrogram(samples, resolution),
            librosas(samples, fft_length, hop_length, num_mels),
        )
        assert ours.shape == theirs.shape
        # librosa rounds its filters' weights to float32, 6e-8 of their size; what the window leaks of a loud tone or an
        # offset lies 1e-16 of the loudest band below, where the two transforms round differently.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-14 * theirs.max())


@pytest.mark.parametrize("name", SIGNALS)
def test_the_spectrogram_is_librosas(name):
    assert_equals_librosa(SIGNALS[name])


def test_the_spectrogram_of_real_speech_is_librosas(real_corpus):
    for utterance in manifest.read(real_corpus).utterances[::28]:
        assert_equals_librosa(read_audio(utterance.audio))


@pytest.mark.full
def test_the_spectrogram_of_all_real_speech_is_librosas(real_corpus):
    for utterance in manifest.read(real_corpus).utterances:
        assert_equals_librosa(read_audio(utterance.audio))


@pytest.mark.parametrize(("fft_length", "num_mels", "slaney"), [(512, 26, False), (512, 128, True), (1024, 256, True)])
def test_filterbanks_are_librosas(fft_length, num_mels, slaney):
    theirs = librosa.filters.mel(
        sr=16_000, n_fft=fft_length, n_mels=num_mels, htk=not slaney, norm="slaney" if slaney else None, dtype=float
    )
    np.testing.assert_allclose(mel_filterbank(fft_length, num_mels, slaney).toarray(), theirs.T, atol=1e-12)


@pytest.mark.parametrize("points", [htk_points, slaney_points])
def test_mel_points_lead_from_nothing_to_the_nyquist_frequency(points):
    hz = points(28)
    assert hz[0] == 0
    assert hz[-1] == pytest.approx(8_000)
    assert (np.diff(hz, 2) > -1e-9).all()  # never closer together than below


def test_every_filter_hears_something():
    for _, fft_length, _, num_mels in RESOLUTIONS:
        assert (mel_filterbank(fft_length, num_mels, True).toarray().max(axis=0) > 0).all()


def test_triangles_of_height_1_share_every_bin_between_the_first_and_the_last_middle():
    points = htk_points(28)
    bins = np.arange(257) * 31.25  # Hz
    inner = (bins >= points[1]) & (bins <= points[-2])
    np.testing.assert_allclose(mel_filterbank(512, 26, False).toarray()[inner].sum(axis=1), 1.0)


def test_a_filterbank_that_is_shared_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        mel_filterbank(512, 26, False).data[0] = 1.0


@pytest.mark.parametrize("frequency", [250.0, 1_000.0, 4_000.0])
def test_a_tone_is_loudest_in_the_filter_around_it(frequency):
    for picture, (_, _, _, num_mels) in zip(mel_spectrograms(tone(32_000, frequency)), RESOLUTIONS, strict=True):
        points = slaney_points(num_mels + 2)
        loudest = picture[5:-5].argmax(axis=1)
        assert (np.abs(points[loudest + 1] - frequency) <= points[loudest + 2] - points[loudest]).all()


def test_twice_the_amplitude_is_six_decibels_more():
    for louder, quieter in zip(mel_spectrograms(noise(9_000, 0.1)), mel_spectrograms(noise(9_000, 0.05)), strict=True):
        np.testing.assert_allclose(louder - quieter, 20 * np.log10(2), atol=1e-3)


def test_silence_is_the_floor():
    for picture in mel_spectrograms(np.zeros(20_000)):
        assert (picture == -100).all()


def test_the_floor_lies_below_what_rounding_to_16_bits_leaves():
    rounding = np.random.default_rng(0).uniform(-0.5, 0.5, 160_000) / 2**15
    for resolution, *_ in RESOLUTIONS:
        assert mel_spectrogram(rounding, resolution).mean(axis=0).min() > 3 * FLOOR_POWER


def test_decibels_of_an_utterance_that_needs_no_resizing():
    samples = noise(229 * 256)  # 230 frames of the first resolution
    expected = 10 * np.log10(librosas(samples, 512, 256, 128))
    np.testing.assert_allclose(mel_spectrograms(samples)[0], expected, atol=1e-4)


def test_the_pictures_are_the_spectrograms_resized():
    samples = noise(30_000)
    for picture, (_, fft_length, hop_length, num_mels) in zip(mel_spectrograms(samples), RESOLUTIONS, strict=True):
        frames = 10 * np.log10(librosas(samples, fft_length, hop_length, num_mels))
        # The same interpolation from NumPy, one mel at a time.
        places = np.linspace(0, len(frames) - 1, len(picture))
        expected = np.stack([np.interp(places, np.arange(len(frames)), mel) for mel in frames.T], axis=1)
        np.testing.assert_allclose(picture, expected, atol=1e-4)


def test_resizing_by_hand():
    # Three frames at 0, 1 and 2 read at 0, 0.5, 1, 1.5 and 2.
    frames = np.array([[0.0, 4.0], [2.0, 4.0], [3.0, 0.0]])
    np.testing.assert_allclose(resized(frames, 5), [[0, 4], [1, 4], [2, 4], [2.5, 2], [3, 0]])
    np.testing.assert_allclose(resized(frames, 2), [[0, 4], [3, 0]])


@pytest.mark.parametrize("length", [1, 2, 119, 230, 231, 1_000])
def test_a_constant_stays_constant_and_no_change_is_exact(length):
    constant = np.full((length, 3), -37.1)
    np.testing.assert_array_equal(resized(constant, 230), np.full((230, 3), -37.1))
    varying = noise(3 * length).reshape(length, 3)
    np.testing.assert_allclose(resized(varying, length), varying, rtol=1e-12)
    np.testing.assert_array_equal(resized(varying, 120)[0], varying[0])


@given(
    length=st.one_of(st.integers(1, 2_000), st.integers(1, 48_000)),
    offset=st.sampled_from([0.0, 0.3]),
    scale=st.sampled_from([0.0, 1e-6, 0.1, 10.0]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_input_of_any_length_and_kind_fills_both_pictures(length, offset, scale, dtype):
    samples = np.clip(noise(length, scale) + offset, -1, 1).astype(dtype)
    first, second = mel_spectrograms(samples)
    assert first.shape == (230, 128)
    assert second.shape == (120, 256)
    for picture, again in zip((first, second), mel_spectrograms(samples.copy()), strict=True):
        assert picture.dtype == np.float32
        assert np.isfinite(picture).all()
        assert picture.min() >= FLOOR_MEL_DB
        np.testing.assert_array_equal(picture, again)


def test_samples_of_any_width_are_computed_in_float64():
    samples = noise(2_000).astype(np.float32)
    np.testing.assert_array_equal(mel_spectrograms(samples)[0], mel_spectrograms(samples.astype(float))[0])
