"""The same speech in another format is the same picture: within 0.5 dB below 7 kHz, or 3 where the format is lossy."""

import numpy as np
import pytest
import soundfile
import soxr

from tfcr.corpora import read
from tfcr.corpora.audio import num_samples, read_audio
from tfcr.features.spectrogram import spectrogram
from tfcr.schema import FFT_LENGTH, NUM_BINS, SAMPLE_RATE

LOSSLESS, LOSSY = 0.5, 3.0  # dB, the median over all bins of a recording
BELOW_7_KHZ = 7000 * FFT_LENGTH // SAMPLE_RATE  # 112 bins of 62.5 Hz
HANDFUL = 5
CD_RATE = 44_100


def cd(samples: np.ndarray) -> np.ndarray:
    """At 44.1 kHz, where MP3 and Vorbis are at home."""
    return soxr.resample(samples, SAMPLE_RATE, CD_RATE)


def stereo(samples: np.ndarray) -> np.ndarray:
    """The speaker stands left of the middle; the mean of both channels is the speech as it was."""
    return np.stack([1.2 * samples, 0.8 * samples], axis=1)


# Name → suffix, what is written, rate, subtype and the limit in dB.
FORMS = {
    "FLAC of 44.1 kHz, 24 bits, stereo": ("flac", lambda speech: stereo(cd(speech)), CD_RATE, "PCM_24", LOSSLESS),
    "WAV of floats": ("wav", lambda speech: speech, SAMPLE_RATE, "FLOAT", LOSSLESS),
    "OGG": ("ogg", lambda speech: speech, SAMPLE_RATE, "VORBIS", LOSSY),
    "OGG of 44.1 kHz": ("ogg", cd, CD_RATE, "VORBIS", LOSSY),
    "Opus": ("ogg", lambda speech: speech, SAMPLE_RATE, "OPUS", LOSSY),
    "MP3": ("mp3", lambda speech: speech, SAMPLE_RATE, "MPEG_LAYER_III", LOSSY),
    "MP3 of 44.1 kHz": ("mp3", cd, CD_RATE, "MPEG_LAYER_III", LOSSY),
}


@pytest.fixture(params=["synthetic", "real", pytest.param("all real", marks=pytest.mark.full)])
def speeches(request, small_corpus):
    """Recordings of 16 kHz as samples, by id: a handful, or all of the real corpus."""
    if request.param == "synthetic":
        utterances = read("synthetic", small_corpus, utterances=120).utterances
    else:
        utterances = read("manifest", request.getfixturevalue("real_corpus")).utterances
    step = 1 if request.param == "all real" else len(utterances) // HANDFUL
    return {utterance.id: read_audio(utterance.audio) for utterance in utterances[::step]}


def written(folder, suffix: str, samples: np.ndarray, rate: int, subtype: str):
    path = folder / f"speech.{suffix}"
    container = "OGG" if suffix == "ogg" else suffix.upper()
    soundfile.write(path, samples, rate, format=container, subtype=subtype)
    return path


def picture(samples: np.ndarray) -> np.ndarray:
    """The real frames in dB, [frames, 112 bins]."""
    segments, frames = spectrogram(samples)
    return segments.reshape(-1, NUM_BINS)[:frames, :BELOW_7_KHZ]


def difference(original: np.ndarray, again: np.ndarray) -> np.ndarray:
    """The absolute difference in dB in the frames of the original; resampling twice may add one, never take one."""
    expected, found = picture(original), picture(again)
    assert len(expected) <= len(found) <= len(expected) + 1
    return np.abs(found[: len(expected)] - expected)


@pytest.mark.parametrize("form", FORMS)
def test_another_format_is_the_same_picture(speeches, tmp_path, form):
    suffix, change, rate, subtype, limit = FORMS[form]
    for id, speech in speeches.items():
        path = written(tmp_path, suffix, change(speech), rate, subtype)
        again = read_audio(path)
        assert len(again) == num_samples(path)
        assert 0 <= len(again) - len(speech) <= 1
        assert np.median(difference(speech, again)) <= limit, id


@pytest.mark.parametrize("suffix", ["ogg", "mp3"])
@pytest.mark.parametrize("rate", [SAMPLE_RATE, CD_RATE])
def test_a_codec_leaves_no_delay(speeches, tmp_path, suffix, rate):
    """Encoders put silence before the first sample (LAME 1,105 samples); the decoder takes it away again."""
    subtype = {"ogg": "VORBIS", "mp3": "MPEG_LAYER_III"}[suffix]
    for id, speech in list(speeches.items())[:HANDFUL]:
        again = read_audio(written(tmp_path, suffix, soxr.resample(speech, SAMPLE_RATE, rate), rate, subtype))
        assert lag(speech, again[: len(speech)]) == 0, id


def lag(original: np.ndarray, again: np.ndarray) -> int:
    """By how many samples `again` comes later: where their correlation is greatest."""
    spectra = [np.fft.rfft(samples, 2 * len(original)) for samples in (original, again)]
    best = int(np.argmax(np.fft.irfft(spectra[0].conj() * spectra[1])))
    return best if best < len(original) else best - 2 * len(original)


STEP = 1 / 128  # of 8 bits
NOISE_DB = 10 * np.log10(STEP**2 / 12 / (SAMPLE_RATE / 2))  # rounding, spread evenly over 0 to 8 kHz: -92 dB
CLEAR_DB = 10.0


def test_8_bits_are_the_same_picture_where_speech_stands_above_their_noise(speeches, tmp_path):
    """Rounding to 8 bits adds a noise at -92 dB, which more than half of the bins of quiet recordings lie below.

    Over all bins the median difference of real speech is 1 to 4 dB, however the file is read. So the samples must be
    those that the file holds, and the limit of lossless forms is kept in the bins 10 dB above the noise.
    """
    for id, speech in speeches.items():
        rounded = np.clip(np.round(speech / STEP), -128, 127).astype(np.int16)
        again = read_audio(written(tmp_path, "wav", rounded * 256, SAMPLE_RATE, "PCM_U8"))
        np.testing.assert_array_equal(again, rounded * STEP)
        clear = picture(speech) > NOISE_DB + CLEAR_DB
        assert clear.mean() > 0.1, id
        assert np.median(difference(speech, again)[clear]) <= LOSSLESS, id
