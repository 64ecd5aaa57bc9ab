"""Files of several streams, and Ogg, FLAC and MPEG of lengths that are none: all that sounds is read."""

import struct

import numpy as np
import pytest
import soxr
from sounds import APE, CONTAINERS, COVER, ID3V1, RATE, decoded, made, refusal, sound, unmeasured

from tfcr.corpora.containers import ogg

# ---- several streams -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize("between", [b"", ID3V1 + COVER], ids=["nothing", "tags"])
def test_joined_files_are_read_one_after_the_other(path, kind, between):
    first, second = made(kind, sound(0.7)), made(kind, sound(0.5, seed=1))
    parts = [decoded(path, first), decoded(path, second)]
    np.testing.assert_array_equal(decoded(path, first + between + second), np.concatenate(parts))


@pytest.mark.parametrize("kind", CONTAINERS)
@pytest.mark.parametrize("behind", [ID3V1, APE, COVER, APE + ID3V1, bytes(500), b"\xff" * 100, b"no sound at all"])
def test_what_stands_behind_the_sound_is_passed_over(path, kind, behind):
    content = made(kind, sound(0.3))
    np.testing.assert_array_equal(decoded(path, content + behind), decoded(path, content))


@pytest.mark.parametrize("kind", ["FLAC", "MP3", "MP3 of one bit rate", "Vorbis", "WAV"])
def test_a_picture_before_the_sound_is_passed_over(path, kind):
    content = made(kind, sound(0.3))
    np.testing.assert_array_equal(decoded(path, COVER + content), decoded(path, content))


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "Vorbis", "MP3"])
def test_streams_of_other_rates_and_channels_are_read_too(path, kind):
    stereo = np.stack([1.2 * sound(0.5, 1, 48_000), 0.8 * sound(0.5, 1, 48_000)], axis=1)
    first, second = made(kind, sound(0.7)), made(kind, stereo, 48_000)
    samples = decoded(path, first + second)
    assert len(samples) == 0.7 * RATE + 0.5 * RATE
    expected = np.concatenate([sound(0.7), soxr.resample(sound(0.5, 1, 48_000), 48_000, RATE)])
    assert np.corrcoef(samples, expected)[0, 1] > 0.97


def test_streams_of_different_containers_are_read_too(path):
    kinds = ["WAV", "MP3", "FLAC", "Vorbis", "Opus", "AU"]
    contents = [made(kind, sound(0.4, seed)) for seed, kind in enumerate(kinds)]
    parts = [decoded(path, content) for content in contents]
    np.testing.assert_array_equal(decoded(path, b"".join(contents)), np.concatenate(parts))


def test_parts_of_one_rate_are_resampled_as_one(path):
    whole = sound(1.0, rate=44_100)
    halves = made("WAV", whole[:20_000], 44_100) + made("WAV", whole[20_000:], 44_100)
    np.testing.assert_array_equal(decoded(path, halves), decoded(path, made("WAV", whole, 44_100)))


def test_wav_files_written_to_a_pipe_and_joined_are_read_one_after_the_other(path):
    contents = [unmeasured(made("WAV", sound(0.4, seed)), 0xFFFFFFFF) for seed in range(3)]
    parts = [decoded(path, content) for content in contents]
    np.testing.assert_array_equal(decoded(path, b"".join(contents)), np.concatenate(parts))


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "Vorbis", "MP3"])
def test_a_file_that_is_twice_the_same_is_a_copy_gone_wrong(path, kind):
    content = made(kind, sound(0.3))
    assert "a.wav holds the same recording twice" in refusal(path, 2 * content)


def test_streams_that_sound_at_the_same_time_are_refused(path):
    """Two streams of an Ogg file whose first pages stand side by side."""
    first, second = (pages(made("Vorbis", sound(0.3, seed))) for seed in (0, 1))
    content = b"".join([first[0], second[0], *first[1:], *second[1:]])
    assert "a.wav holds 2 streams that sound at the same time" in refusal(path, content)


@pytest.mark.parametrize("kind", [*CONTAINERS, "FLAC in Ogg", "MP3 in WAV"])
def test_a_file_that_ends_within_its_header_is_one_line(path, kind):
    contents = {
        "FLAC in Ogg": lambda: ogg_flac(made("FLAC", sound(0.1))),
        "MP3 in WAV": lambda: mpeg_in_wav(varying()[1]),
    }
    content = contents.get(kind, lambda: made(kind, sound(0.1)))()
    for kept in range(1, 100):
        refusal(path, content[:kept])


# ---- Ogg -------------------------------------------------------------------------------------------------------------


def pages(content: bytes) -> list[bytes]:
    starts = [place for place in range(len(content)) if content.startswith(b"OggS\0", place)]
    return [content[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def ogg_flac(content: bytes, serial: int = 7) -> bytes:
    """FLAC in Ogg (RFC 9639, Sec. 10.1): its mapping's header, and then the native stream."""
    stream = b"\x7fFLAC\x01\x00\x00\x00" + content
    first, rest = stream[:51], stream[51:]  # the header and the first block of metadata
    bodies = [first, *(rest[place : place + 60_000] for place in range(0, len(rest), 60_000))]
    written = b""
    for number, body in enumerate(bodies):
        flags = (2 if number == 0 else 0) | (4 if number == len(bodies) - 1 else 0)
        table = bytes([255] * (len(body) // 255) + [len(body) % 255])
        head = b"OggS\0" + bytes([flags]) + struct.pack("<qIII", 0, serial, number, 0) + bytes([len(table)])
        page = head + table + body
        written += page[:22] + struct.pack("<I", ogg._checksum(page)) + page[26:]
    return written


def test_flac_in_ogg_is_read_alone_and_in_a_chain(path):
    contents = [made("FLAC", sound(5, 0)), unmeasured_flac(made("FLAC", sound(1, 1))), made("Vorbis", sound(1, 2))]
    parts = [decoded(path, content) for content in contents]
    chain = [ogg_flac(contents[0], 1), ogg_flac(contents[1], 2), contents[2]]
    np.testing.assert_array_equal(decoded(path, chain[0]), parts[0])
    np.testing.assert_array_equal(decoded(path, b"".join(chain)), np.concatenate(parts))


@pytest.mark.parametrize("kind", ["Vorbis", "Opus"])
def test_an_ogg_file_without_its_last_page_is_read_up_to_there(path, kind):
    content = made(kind, sound(6))
    whole, without = decoded(path, content), decoded(path, b"".join(pages(content)[:-1]))
    assert 0.3 * len(whole) < len(without) < len(whole)
    assert np.abs(without - whole[: len(without)])[: -RATE // 10].max() < 1e-6


def test_an_ogg_file_with_bytes_among_its_pages_is_refused(path):
    first, *others = pages(made("Vorbis", sound(3)))
    assert "a.wav is damaged: at byte" in refusal(path, first + b"junk" + b"".join(others))
    assert "a.wav is damaged: at byte" in refusal(path, first + b"".join(others[:-1]) + b"junk" + others[-1][4:])


# ---- FLAC ------------------------------------------------------------------------------------------------------------


def unmeasured_flac(content: bytes) -> bytes:
    """As it is written to a pipe: 0 samples (RFC 9639, Sec. 8.2)."""
    return content[:21] + bytes([content[21] & 0xF0]) + bytes(4) + content[26:]


@pytest.mark.parametrize(("rate", "seconds"), [(16_000, 0.1), (16_000, 40), (44_100, 3), (8_000, 3), (96_000, 1)])
def test_a_flac_file_that_says_0_samples_is_read_to_its_end(path, rate, seconds):
    content = made("FLAC", sound(seconds, rate=rate), rate)
    samples = decoded(path, content)
    np.testing.assert_array_equal(decoded(path, unmeasured_flac(content)), samples)
    np.testing.assert_array_equal(decoded(path, unmeasured_flac(content) + ID3V1), samples)


def test_a_flac_file_that_says_0_samples_and_lacks_a_part_is_refused(path):
    content = unmeasured_flac(made("FLAC", sound(10)))
    third = len(content) // 3
    assert "a.wav is damaged: frames are missing behind sample" in refusal(path, content[:third] + content[2 * third :])


# ---- MPEG ------------------------------------------------------------------------------------------------------------


def varying(seconds: float = 10) -> tuple[bytes, bytes]:
    """An MP3 file of varying bit rate: its first frame, which has no sound but the number of frames, and the others."""
    content = made("MP3", sound(seconds))
    place = content.index(content[:2], 4)
    return content[:place], content[place:]


def test_an_mp3_file_of_varying_bit_rate_without_the_frame_that_counts_them_is_read_to_its_end(path):
    head, frames = varying()
    # 160,000 samples and the encoder's delay of 1,105 fill 280 frames of 576; nothing tells how much of it is delay.
    samples = decoded(path, frames)
    assert len(samples) == 280 * 576
    assert np.abs(samples[1105 : 1105 + 160_000] - decoded(path, head + frames))[2000:-2000].max() < 1e-6


def test_an_mp3_file_whose_count_is_too_small_is_read_to_its_end(path):
    head, frames = varying()
    place = head.index(b"Xing") + 8
    assert int.from_bytes(head[place : place + 4], "big") == 280
    wrong = head[:place] + (100).to_bytes(4, "big") + head[place + 4 :]
    assert len(decoded(path, wrong + frames)) == 280 * 576


def test_an_mp3_file_whose_count_is_too_large_is_cut_short(path):
    head, frames = varying()
    assert "a.wav is cut short" in refusal(path, (head + frames)[: len(frames) // 2])


def test_an_mp3_file_without_count_keeps_its_samples_whatever_stands_around(path):
    """Of one bit rate; before, bytes of a picture were taken for frames that are missing."""
    _, frames = varying()
    place = frames.index(frames[:2], 4)
    alone = decoded(path, frames)
    for around in (COVER + frames, frames + COVER, COVER + frames + APE + ID3V1, frames + frames[:place][:20]):
        np.testing.assert_array_equal(decoded(path, around), alone)


def test_an_mp3_file_with_bytes_among_its_frames_is_refused(path):
    _, frames = varying()
    assert "no frame of its MPEG stream" in refusal(path, frames[:5000] + b"junk" + frames[5000:])


LAYER_2 = b"\xff\xfd\x40\xc0"  # MPEG 1, 64 kbit/s, 44.1 kHz, mono


def test_layer_2_is_read_to_its_end(path):
    """Frames of silence; 144 x 64,000 / 44,100 = 208.98 bytes, most of which have a padding byte, these not."""
    samples = decoded(path, 50 * (LAYER_2 + bytes(204)))
    assert len(samples) == -(-50 * 1152 * RATE // 44_100)


def mpeg_in_wav(content: bytes, tag: int = 0x55, rate: int = RATE) -> bytes:
    form = struct.pack("<HHIIHHHHIHHH", tag, 1, rate, 8000, 1, 0, 12, 1, 2, 576, 1, 0)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def test_mp3_in_a_wav_file_is_read_to_its_end(path):
    _, frames = varying()
    np.testing.assert_array_equal(decoded(path, mpeg_in_wav(frames)), decoded(path, frames))
    layer_2 = 50 * (LAYER_2 + bytes(204))
    np.testing.assert_array_equal(decoded(path, mpeg_in_wav(layer_2, 0x50, 44_100)), decoded(path, layer_2))


def test_noise_that_a_wav_file_calls_mp3_is_no_recording(path):
    assert "a.wav is not a recording" in refusal(path, mpeg_in_wav(np.random.default_rng(0).bytes(5000)))
