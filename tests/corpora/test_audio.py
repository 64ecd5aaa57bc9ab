"""Recordings as they come, and what is said about those that are none."""

import io
import tracemalloc

import numpy as np
import pytest
import soundfile

from tfcr.corpora import audio
from tfcr.corpora.audio import CANCELLED, LOUD, SILENT, hear, num_samples, read_audio, read_blocks
from tfcr.corpora.containers.source import Stream
from tfcr.errors import TfcrError


def written(path, samples, rate=16_000, **options):
    soundfile.write(path, samples, rate, **options)
    return path


def message(path) -> str:
    with pytest.raises(TfcrError) as counted:
        num_samples(path)
    with pytest.raises(TfcrError) as decoded:
        read_audio(path)
    assert str(counted.value) == str(decoded.value)
    assert "\n" not in str(decoded.value)
    return str(decoded.value)


def test_16_khz_pcm_comes_back_as_it_was_written(tmp_path):
    samples = np.array([0, 1, -1, 32767, -32768], np.int16)
    read = read_audio(written(tmp_path / "a.wav", samples))
    assert read.dtype == np.float64
    np.testing.assert_array_equal(read, samples / 32768)


def test_channels_are_averaged(tmp_path):
    left, right = np.full(100, 8192, np.int16), np.full(100, -4096, np.int16)
    read = read_audio(written(tmp_path / "a.wav", np.stack([left, right], axis=1)))
    # (8192 - 4096) / 2 / 32768 = 1/16
    np.testing.assert_array_equal(read, np.full(100, 1 / 16))


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_other_rates_are_resampled_to_the_length_that_the_header_promises(tmp_path, suffix):
    time = np.arange(44_100) / 44_100
    path = written(tmp_path / f"a.{suffix}", 0.5 * np.sin(2 * np.pi * 440 * time), 44_100)
    read = read_audio(path)
    assert len(read) == num_samples(path) == 16_000  # one second
    # A sine of amplitude a has an RMS of a / sqrt(2).
    assert np.sqrt(np.mean(read[1000:-1000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=1e-2)


def test_a_length_that_does_not_divide_is_rounded_up(tmp_path):
    path = written(tmp_path / "a.wav", np.zeros(1000, np.int16), 44_100)
    # 1000 x 16000 / 44100 = 362.8
    assert len(read_audio(path)) == num_samples(path) == 363


def test_silence_is_a_recording(tmp_path):
    assert not read_audio(written(tmp_path / "a.wav", np.zeros(320, np.int16))).any()


NOISE = np.random.default_rng(0).normal(0, 0.1, 16_000)


@pytest.mark.parametrize(
    ("samples", "options", "flaw"),
    [
        (NOISE, {}, ""),
        (np.zeros(320), {}, SILENT),
        (np.zeros((320, 2)), {}, SILENT),
        (np.full(320, 0.25), {}, SILENT),
        (np.stack([NOISE, -NOISE], axis=1), {}, CANCELLED),
        (np.stack([NOISE, -NOISE], axis=1), {"format": "MP3"}, CANCELLED),
        (np.stack([NOISE, -0.5 * NOISE], axis=1), {}, ""),
        (np.stack([NOISE, np.zeros(16_000)], axis=1), {}, ""),
        (np.stack([NOISE, -NOISE, NOISE, -NOISE], axis=1), {}, CANCELLED),
        (32_768 * NOISE, {"subtype": "FLOAT"}, LOUD),
        (1.2 * NOISE / np.abs(NOISE).max(), {"subtype": "FLOAT"}, ""),
    ],
)
def test_what_carries_no_emotion_is_told(tmp_path, samples, options, flaw):
    heard = hear(written(tmp_path / "a.wav", samples, **options))
    assert heard.flaw == flaw
    np.testing.assert_array_equal(heard.samples, read_audio(tmp_path / "a.wav"))


def test_a_missing_file_is_named(tmp_path):
    assert message(tmp_path / "a.wav") == (
        f"{tmp_path / 'a.wav'} does not exist; expected a WAV, FLAC, OGG or MP3 recording"
    )


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    assert "a.wav is empty (0 bytes)" in message(tmp_path / "a.wav")


def test_text_called_wav_is_no_recording(tmp_path):
    (tmp_path / "a.wav").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 5\n")
    assert "a.wav is not a recording" in message(tmp_path / "a.wav")


def test_noise_called_mp3_is_no_recording_and_not_missing(tmp_path):
    (tmp_path / "a.mp3").write_bytes(np.random.default_rng(0).bytes(3000))
    found = message(tmp_path / "a.mp3")
    assert "a.mp3 is not a recording" in found and "does not exist" not in found


def test_a_header_without_samples_is_no_recording(tmp_path):
    assert "a.wav holds no samples" in message(written(tmp_path / "a.wav", np.zeros(0, np.int16)))


def test_a_wav_file_that_was_cut_short_says_how_much_is_missing(tmp_path):
    path = written(tmp_path / "a.wav", np.ones(1000, np.int16))
    path.write_bytes(path.read_bytes()[:-600])
    assert "a.wav is cut short: its header promises 600 bytes more; copy it again" in message(path)


def test_a_flac_file_that_was_cut_short_is_refused(tmp_path):
    noise = np.random.default_rng(0).integers(-9000, 9000, 40_000).astype(np.int16)
    path = written(tmp_path / "a.flac", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TfcrError, match=r"a\.flac"):
        read_audio(path)


def test_an_ogg_file_that_was_cut_short_is_refused(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 40_000)
    path = written(tmp_path / "a.ogg", noise)
    content = path.read_bytes()
    last_page = content.rindex(b"OggS")
    for kept in (len(content) // 2, last_page + 10, len(content) - 1):
        path.write_bytes(content[:kept])
        assert "a.ogg is cut short: the end of its Ogg stream is missing; copy it again" in message(path)


def test_an_opus_stream_in_ogg_is_read_whole(tmp_path):
    path = written(tmp_path / "a.ogg", np.zeros(16_000), format="OGG", subtype="OPUS")
    assert len(read_audio(path)) == num_samples(path) == 16_000


def test_an_extensible_wav_header_is_a_wav_header(tmp_path):
    path = written(tmp_path / "a.wav", np.ones(1000, np.int16), format="WAVEX")
    assert len(read_audio(path)) == num_samples(path) == 1000
    path.write_bytes(path.read_bytes()[:-600])
    assert "promises 600 bytes more" in message(path)


def test_a_wav_file_of_the_other_byte_order_that_was_cut_short_is_refused(tmp_path):
    path = written(tmp_path / "a.wav", np.ones(1000, np.int16), format="WAV", endian="BIG")
    assert len(read_audio(path)) == num_samples(path) == 1000
    path.write_bytes(path.read_bytes()[:-600])
    assert "promises 600 bytes more" in message(path)


def piped(path, length: int):
    """A WAV file of 1000 samples whose writer could not go back to fill in the length."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.ones(1000, np.int16), 16_000, format="WAV")
    content = bytearray(buffer.getvalue())
    place = content.index(b"data") + 4
    content[place : place + 4] = length.to_bytes(4, "little")
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "length", [0x7FFFF000, 0x7FFFF024, 0x7FFFFF00, 0x7FFFFFFF, 0x80000000, 0xFFFFF000, 0xFFFFFFFF, 0], ids=hex
)
def test_a_wav_file_written_to_a_pipe_is_read_whole(tmp_path, length):
    path = piped(tmp_path / "a.wav", length)
    assert len(read_audio(path)) == num_samples(path) == 1000


def test_samples_that_are_no_numbers_are_refused(tmp_path):
    samples = np.zeros(100, np.float32)
    samples[50] = np.nan
    path = written(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(TfcrError, match="holds samples that are not finite numbers"):
        read_audio(path)


def test_an_ogg_file_with_a_broken_page_is_refused(tmp_path):
    """libsndfile would leave the page out and return the 640 samples before it."""
    path = written(tmp_path / "a.ogg", np.random.default_rng(0).uniform(-0.3, 0.3, 16_000))
    content = bytearray(path.read_bytes())
    place = content.rindex(b"OggS")
    content[place + 100] ^= 1
    path.write_bytes(content)
    assert f"a.ogg is damaged: the page of its Ogg stream at byte {place} has another checksum" in message(path)


def test_a_header_that_promises_far_too_much_costs_no_memory(tmp_path):
    path = written(tmp_path / "a.flac", np.zeros(16_000, np.int16))
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F  # the highest bits of the number of samples (RFC 9639, Sec. 8.2)
    path.write_bytes(content)
    with pytest.raises(TfcrError, match=r"a\.flac"):
        read_audio(path)


@pytest.mark.parametrize("rate", [100, 2_000_000])
def test_a_rate_that_no_recorder_has_is_refused(tmp_path, rate):
    path = written(tmp_path / "a.wav", np.ones(1000, np.int16), rate)
    assert message(path) == f"{path} has a rate of {rate} Hz; expected one from 1000 to 1000000"


def test_a_wav_header_that_promises_less_than_there_is_is_refused(tmp_path):
    path = written(tmp_path / "a.wav", np.full(1000, -1, np.int16))
    content = bytearray(path.read_bytes())
    place = content.index(b"data") + 4
    content[place : place + 4] = (600).to_bytes(4, "little")
    path.write_bytes(content)
    assert message(path) == (
        f"{path}: its header says 600 bytes of samples, yet 1400 bytes follow that are no chunk; copy it again"
    )


@pytest.mark.parametrize("behind", [b"LIST\x04\0\0\0INFO", b"\0" * 100, b"\xff" * 100])
def test_what_others_put_behind_the_samples_is_passed_over(tmp_path, behind):
    path = written(tmp_path / "a.wav", np.ones(1000, np.int16))
    path.write_bytes(path.read_bytes() + behind)
    assert len(read_audio(path)) == num_samples(path) == 1000


@pytest.mark.parametrize("rate", [16_000, 44_100, 8_000])
@pytest.mark.parametrize("block", [1 << 20, 4_000, 5_120])
def test_blocks_are_the_recording_to_the_bit(tmp_path, monkeypatch, rate, block):
    monkeypatch.setattr(audio, "_BLOCK", block)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (51_200, 2))  # ten blocks of 5,120, and nothing behind
    path = written(tmp_path / "a.wav", samples, rate)
    np.testing.assert_array_equal(np.concatenate(list(read_blocks(path))), read_audio(path))


def test_blocks_of_what_is_no_recording_say_the_same(tmp_path):
    path = written(tmp_path / "a.wav", np.zeros(20_000, np.int16))
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(TfcrError) as said:
        list(read_blocks(path))
    assert str(said.value) == message(path)
    empty = written(tmp_path / "empty.wav", np.zeros(0, np.int16))
    with pytest.raises(TfcrError, match="holds no samples"):
        list(read_blocks(empty))


def test_a_length_that_no_header_promises_is_counted_block_by_block(tmp_path, monkeypatch):
    soundfile.write(tmp_path / "a.wav", np.zeros(960_000), 16_000)  # a minute, 7.7 MB once decoded
    monkeypatch.setattr(audio, "_BLOCK", 1 << 14)
    monkeypatch.setattr(audio.containers, "streams", lambda path: [Stream(is_promised=False)])
    tracemalloc.start()
    try:
        assert audio.num_samples(tmp_path / "a.wav") == 960_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
