"""Spectrograms against the toolkit that the paper names: pylab's specgram is matplotlib.mlab.specgram (Sec. 4.2)."""

import warnings

import numpy as np
import pytest
from matplotlib import mlab

from tfcr.corpora import manifest
from tfcr.corpora.audio import read_audio
from tfcr.features.spectrogram import decibels, num_frames, num_segments, power_spectral_density, spectrogram
from tfcr.schema import FFT_LENGTH, FLOOR_DB, HOP_LENGTH, NUM_BINS, SAMPLE_RATE, SEGMENT_FRAMES


def matplotlibs(samples):
    """matplotlib's power spectral density [frames, 129] in dB with our floor, -140."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Only one segment is calculated"
        density, _, _ = mlab.specgram(np.asarray(samples, float), NFFT=256, Fs=16_000, noverlap=128)
    return 10 * np.log10(np.maximum(density.T, 1e-14))


def noise(length, scale=0.1):
    return np.random.default_rng(length).normal(0, scale, length)


def tone(length, frequency, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(length) / SAMPLE_RATE)


SIGNALS = {
    "a second of noise": noise(16_000),
    "quiet noise": noise(20_000, 1e-5),
    "below the floor": noise(3_000, 1e-9),
    "a tone": tone(5_000, 437.5),
    "a tone between two bins": tone(5_000, 1000 / 3),
    "the Nyquist frequency": tone(5_000, 8_000),
    "an offset": np.full(1_000, 0.25),
    "silence": np.zeros(4_000),
    "an impulse": np.eye(1, 700, 300)[0],
    "full scale": np.where(np.arange(2_000) % 7 < 3, 1.0, -1.0),
    **{f"{length} samples": noise(length) for length in (1, 2, 100, 127, 128, 255, 256, 257, 383, 384, 385, 511, 512)},
    "exactly one segment": noise(256 + 127 * 128),
    "one frame more than a segment": noise(256 + 128 * 128),
}


@pytest.mark.parametrize("name", SIGNALS)
def test_it_is_matplotlibs_spectrogram_in_decibels(name):
    samples = SIGNALS[name]
    expected = matplotlibs(samples)
    assert_is(expected, *spectrogram(samples))
    np.testing.assert_allclose(decibels(power_spectral_density(samples)), expected, atol=1e-6)


def assert_is(expected, segments, frames):
    assert frames == len(expected)
    assert segments.dtype == np.float32
    assert segments.shape == (-(-frames // 128), 128, 128)
    picture = segments.reshape(-1, NUM_BINS)
    np.testing.assert_allclose(picture[:frames], expected[:, :128], rtol=0, atol=1e-4)  # without the Nyquist bin
    assert (picture[frames:] == FLOOR_DB).all()


def test_on_every_recording_of_a_real_corpus(real_corpus):
    for utterance in manifest.read(real_corpus).utterances:
        samples = read_audio(utterance.audio)
        expected = matplotlibs(samples)
        segments, frames = spectrogram(samples)
        try:
            assert_is(expected, segments, frames)
        except AssertionError as error:
            raise AssertionError(utterance.id) from error


@pytest.mark.parametrize("length", [*range(1, 1200, 37), 16_000, 16_384, 16_512, 16_513, 100_001])
def test_the_number_of_frames_is_known_from_the_number_of_samples(length):
    assert num_frames(length) == spectrogram(np.zeros(length))[1]


def test_frames_and_segments_by_hand():
    # 256 samples hold one frame and every 128 more another one; 128 frames span 256 + 127 x 128 = 16,512 samples
    assert [num_frames(n) for n in (0, 1, 255, 256, 383, 384, 512)] == [1, 1, 1, 1, 1, 2, 3]
    assert [num_frames(n) for n in (16_511, 16_512, 16_640)] == [127, 128, 129]
    assert [num_segments(frames) for frames in (1, 127, 128, 129, 256, 257)] == [1, 1, 1, 2, 2, 3]
    assert SEGMENT_FRAMES * HOP_LENGTH / SAMPLE_RATE == 1.024  # "approximate one second"


@pytest.mark.parametrize("position", [1, 3, 16, 64, 127])
def test_a_tone_stands_in_its_bin_with_its_power(position):
    # bin k is k x 16000 / 256 = 62.5 k Hz; a sine of amplitude A has the power A^2 / 2. A density sums to the power
    # times the width of a bin; over frames of a steady tone it is exact for whole periods: each frame holds k of them
    amplitude = 0.3
    density = power_spectral_density(tone(4_096, 62.5 * position, amplitude))
    assert (density.argmax(axis=1) == position).all()
    power = density.sum(axis=1) * SAMPLE_RATE / FFT_LENGTH
    if 2 <= position <= 126:  # nearer to the ends the Hann window's three bins touch the mean or the Nyquist bin
        np.testing.assert_allclose(power, amplitude**2 / 2, rtol=0.01)
    segments, _ = spectrogram(tone(4_096, 62.5 * position, amplitude))
    assert (segments[0, :31].argmax(axis=1) == position).all()


def test_white_noise_has_its_variance_as_power():
    # sum of the density x 62.5 Hz = variance, on average over frames
    density = power_spectral_density(noise(400_000, 0.1))
    assert density.sum(axis=1).mean() * SAMPLE_RATE / FFT_LENGTH == pytest.approx(0.01, rel=0.02)


def test_twice_the_amplitude_is_six_decibels_more():
    louder, quieter = (spectrogram(noise(4_000, scale))[0][0, :30] for scale in (0.2, 0.1))
    np.testing.assert_allclose(louder - quieter, 20 * np.log10(2), atol=1e-3)


def test_silence_is_the_floor():
    segments, frames = spectrogram(np.zeros(1_000))
    assert frames == 6
    assert (segments == -140).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_of_any_width_are_computed_in_float64(dtype):
    samples = noise(2_000).astype(np.float32)
    np.testing.assert_array_equal(spectrogram(samples.astype(dtype))[0], spectrogram(samples)[0])
    assert power_spectral_density(samples.astype(dtype)).dtype == np.float64
