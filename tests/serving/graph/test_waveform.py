"""WAV files decoded in a graph: right ones exactly, wrong ones with a sentence of their own."""

import io

import numpy as np
import pytest
import soundfile
import tensorflow as tf
from wav_files import bad_files, form, good_files, noise, riff, wav

from tfcr.corpora.audio import read_audio
from tfcr.errors import TfcrError
from tfcr.serving.graph.waveform import _any_samples, _is_plain, decode_wav

_BAD, _GOOD = bad_files(), good_files()


@pytest.fixture(scope="module")
def decode():
    traced = tf.function(decode_wav, input_signature=[tf.TensorSpec([], tf.string)])

    def decoded(content):
        steps, error = traced(tf.constant(content))  # of 16 bits
        return steps.numpy().astype(np.float64) / 2**15, error.numpy().decode()

    return decoded


@pytest.mark.parametrize("name", _GOOD)
def test_odd_files_that_are_right_are_decoded_exactly(name, decode):
    content, expected = _GOOD[name]
    samples, error = decode(content)
    assert error == ""
    np.testing.assert_array_equal(samples, expected)


@pytest.mark.parametrize("name", _BAD)
def test_a_wrong_file_has_a_sentence_and_no_samples(name, decode):
    content, expected = _BAD[name]
    samples, error = decode(content)
    assert expected in error and "\n" not in error
    assert samples.shape == (0,)


_BROKEN = ("empty", "text", "truncated", "head alone", "no fmt", "no samples", "no channels", "promises too much")
_LIES = ("says less than there is",)  # one that says nothing is there was written to a pipe, and is read to its end


@pytest.mark.parametrize("name", (*_BROKEN, *_LIES))
def test_what_is_broken_is_broken_for_a_preparation_too(name, tmp_path):
    (tmp_path / "recording.wav").write_bytes(_BAD[name][0])
    with pytest.raises(TfcrError):
        read_audio(tmp_path / "recording.wav")


@pytest.mark.parametrize("container", ["WAV", "WAVEX"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_libsndfile_writes_is_read_as_it_reads_it(container, channels, tmp_path, decode):
    file = io.BytesIO()
    soundfile.write(file, noise(channels=channels), 16_000, "PCM_16", format=container)
    (tmp_path / "a.wav").write_bytes(file.getvalue())
    samples, error = decode(file.getvalue())
    assert error == ""
    np.testing.assert_array_equal(samples, read_audio(tmp_path / "a.wav"))


def test_any_prefix_of_a_file_and_any_changed_byte_of_its_head_has_an_answer(decode):
    content = wav(noise(0.01))
    for length in range(60):
        assert decode(content[:length])[1]
    for position in range(44):
        for bit in range(8):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            samples, error = decode(bytes(changed))
            assert (len(samples) > 0) == (error == "")


def test_what_a_header_claims_takes_no_memory(decode):
    for length in (0x7FFFEFFF, 0xFFFFFFFF):  # two gigabytes promised, and a pipe's
        content = riff(form(), b"data" + length.to_bytes(4, "little") + b"\x01\x02")
        samples, error = decode(content)
        assert len(samples) == (0 if error else 1)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_file_of_the_plainest_kind_is_read_as_any_other_is(channels, decode):
    """The short way for the head that most programs write answers as the long one, whatever is wrong behind it."""
    content = _written(channels)
    any_way = tf.function(_any_samples, input_signature=[tf.TensorSpec([], tf.string)])
    changed = [content, content[:-1], content[:-2], content[:44], content + b"\0\0", content + b"LIST\2\0\0\0ab"]
    for position in range(44):
        changed.append(content[:position] + bytes([content[position] ^ 3]) + content[position + 1 :])
    for each in changed:
        steps, error = any_way(tf.constant(each))
        found, said = decode(each)
        assert said == error.numpy().decode()
        np.testing.assert_array_equal(found, steps.numpy() / 2**15)


def _written(channels):
    file = io.BytesIO()
    samples = np.random.default_rng(channels).normal(0, 0.1, (50, channels))
    soundfile.write(file, samples, 16_000, format="WAV", subtype="PCM_16")
    return file.getvalue()


def test_what_most_programs_write_takes_the_short_way():
    assert bool(_is_plain(tf.constant(_written(1)))[0])
    assert not bool(_is_plain(tf.constant(_written(2)))[0])
    assert not bool(_is_plain(tf.constant(b""))[0])
