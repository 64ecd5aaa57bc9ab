"""Chunks whose lengths are none, and containers that few people know: all that sounds is read."""

import struct

import numpy as np
import pytest
from sounds import decoded, encoded, made, refusal, sound, unmeasured


@pytest.mark.parametrize("more", [1, 2, 8, 36, 44, 100])
def test_a_wav_file_whose_data_chunk_is_a_few_bytes_too_long_is_read(path, more):
    content = made("WAV", sound(0.3))
    np.testing.assert_array_equal(decoded(path, unmeasured(content, len(content) - 44 + more)), decoded(path, content))


@pytest.mark.parametrize("more", [8, 36, 44])
def test_a_writer_that_counts_its_header_everywhere_is_believed_the_rest(path, more):
    content = made("WAV", sound(0.3))
    counted = content[:4] + struct.pack("<I", len(content) - 8 + more) + content[8:]
    np.testing.assert_array_equal(decoded(path, unmeasured(counted, len(content) - 44 + more)), decoded(path, content))


@pytest.mark.parametrize("missing", [2, 16, 600])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST"])
def test_a_file_of_plain_samples_that_was_cut_short_is_refused(path, kind, missing):
    content = made(kind, sound(0.3))
    end = len(content) - (len(content) % 8 if kind == "W64" else 0)
    assert f"promises {missing} bytes more; copy it again" in refusal(path, content[: end - missing])


def test_a_wav_file_without_samples_before_its_last_chunk_holds_none(path):
    content = made("WAV", np.zeros(0)) + b"LIST\x04\0\0\0INFO"
    assert "a.wav holds no samples" in refusal(path, content)


@pytest.mark.parametrize("kind", ["RF64", "W64", "AIFF", "AU", "CAF", "NIST"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "ULAW"])
def test_containers_that_few_know_are_read_by_their_content(path, kind, subtype):
    samples = decoded(path, encoded(sound(0.3), kind, subtype=subtype))
    np.testing.assert_array_equal(samples, decoded(path, encoded(sound(0.3), "WAV", subtype=subtype)))


@pytest.mark.parametrize(
    ("kind", "name", "size", "order", "lengths"),
    [
        ("RF64", b"ds64", 8, "little", [0, 2**64 - 1]),
        ("W64", b"data", 8, "little", [24, 2**63 - 1]),
        ("CAF", b"data", 8, "big", [4, 2**64 - 1]),
        ("AIFF", b"SSND", 4, "big", [0, 8, 0x7F000008, 0xFFFFFFFF]),
    ],
)
def test_other_containers_written_to_a_pipe_are_read_whole(path, kind, name, size, order, lengths):
    content = encoded(sound(0.3), kind, subtype="PCM_16")
    place = content.index(name) + {"ds64": 16, "data": 16 if kind == "W64" else 4, "SSND": 4}[name.decode()]
    for length in lengths:
        streamed = content[:place] + length.to_bytes(size, order) + content[place + size :]
        np.testing.assert_array_equal(decoded(path, streamed), decoded(path, content))


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF])
def test_au_written_to_a_pipe_is_read_whole(path, length):
    content = made("AU", sound(0.3))
    streamed = content[:8] + struct.pack(">I", length) + content[12:]
    np.testing.assert_array_equal(decoded(path, streamed), decoded(path, content))


@pytest.mark.parametrize("coding", ["shorten", "wavpack", "shortpack"])
def test_a_compressed_sphere_file_says_how_to_expand_it(path, coding):
    header = f"NIST_1A\n   1024\nsample_count -i 16000\nsample_coding -s26 pcm,embedded-{coding}-v2.00\nend_head\n"
    message = refusal(path, header.encode().ljust(1024, b"\0") + bytes(5000))
    assert f"is a NIST SPHERE recording compressed by {coding}" in message and "sph2pipe -f wav" in message


@pytest.mark.parametrize("size", [b"       ", b"1 2    "])
def test_a_sphere_header_whose_own_length_is_no_number_is_no_recording(path, size):
    assert "is not a recording" in refusal(path, b"NIST_1A\n" + size + b"\n" + bytes(2000))


def test_a_sphere_count_of_letters_that_only_look_like_digits_is_left_to_libsndfile(path):
    content = made("NIST", sound(0.3))
    field = content.index(b"sample_count -i ") + len(b"sample_count -i ")
    assert len(decoded(path, content[:field] + b"\xb2" + content[field + 1 :]))
