"""The picture of the preset `authors`, against NumPy written out loop by loop and against matplotlib's density."""

import warnings

import numpy as np
import pytest
from matplotlib import mlab

from tfcr.corpora import manifest
from tfcr.corpora.audio import read_audio
from tfcr.features.presets import PRESETS
from tfcr.features.spectrogram import num_pooled_frames, pooled_picture


def picture_by_hand(samples):
    """Column by column: the mean over eight frames, of which the missing ones are zero, of ln density, up to frame 999.

    Samples as a 16-bit file holds them, -32768 to 32767; bins 0 to 127 of 129.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Only one segment is calculated"
        density, _, _ = mlab.specgram(np.asarray(samples, float) * 32768, NFFT=256, Fs=16_000, noverlap=128)
    picture = np.zeros((128, 128))
    with np.errstate(divide="ignore"):  # the authors' code takes the logarithm of zero in digital silence
        for column in range(125):
            for frame in range(8 * column, min(8 * column + 8, 999, density.shape[1])):
                picture[column] += np.log(density[:128, frame]) / 8
    return picture


def noise(length, scale=0.1):
    return np.random.default_rng(length).normal(0, scale, length)


@pytest.mark.parametrize(
    "length",
    [
        2, 256, 383, 384,  # one frame, and the first sample of a second
        256 + 128 * 7, 256 + 128 * 8,  # eight frames fill a column, nine begin another one
        16_000, 100_000,
        256 + 128 * 997, 256 + 128 * 998, 256 + 128 * 999, 200_000,  # 998 and 999 frames; more are not seen
    ],
)  # fmt: skip
def test_it_is_the_picture_written_out_by_hand(length):
    picture, columns = pooled_picture(noise(length))
    assert picture.shape == (1, 128, 128) and picture.dtype == np.float32
    np.testing.assert_allclose(picture[0], picture_by_hand(noise(length)), rtol=0, atol=1e-5)
    assert columns == num_pooled_frames(length)
    assert (picture[0, columns:] == 0).all() and (picture[0, columns - 1] != 0).any()


def test_on_every_recording_of_a_real_corpus(real_corpus):
    for utterance in manifest.read(real_corpus).utterances:
        samples = read_audio(utterance.audio)
        expected = picture_by_hand(samples)
        picture = pooled_picture(samples)[0][0]
        finite = np.isfinite(expected)
        np.testing.assert_allclose(picture[finite], expected[finite], rtol=0, atol=1e-5, err_msg=utterance.id)
        assert np.isfinite(picture).all()


def test_digital_silence_is_finite_and_the_floor_of_the_other_preset():
    # ln(1e-14 x 32768^2) = -11.441; the last frame of 1,000 samples is the sixth, so two of eight are missing
    picture, columns = pooled_picture(np.zeros(1_000))
    assert columns == 1
    np.testing.assert_allclose(picture[0, 0], 6 / 8 * np.log(1e-14 * 2.0**30), rtol=1e-6)


def test_what_is_not_silent_has_no_floor():
    quiet = noise(2_000, 1e-12)
    assert pooled_picture(quiet)[0].min() < -30
    np.testing.assert_allclose(pooled_picture(quiet)[0][0], picture_by_hand(quiet), rtol=0, atol=1e-4)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
@pytest.mark.parametrize("length", [1, 256, 5_000, 16_512, 16_513, 150_000])
def test_every_preset_knows_its_frames_before_it_computes_them(preset, length):
    pictures, frames = preset.pictures(noise(length))
    assert frames == preset.num_frames(length)
    assert len(pictures) == -(-frames // 128)
