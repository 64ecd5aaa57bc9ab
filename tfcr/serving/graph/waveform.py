"""A WAV file inside a graph: its header is read and checked, and its samples are decoded.

A file that is not what is expected gets a sentence in place of samples and fails nothing else. What a header claims
decides about nothing before the file's own size has been asked. The same faults are found as by `tfcr.corpora.audio`.
"""

import struct

import numpy as np
import tensorflow as tf

from tfcr.schema import MAX_SECONDS, SAMPLE_RATE

MAX_CHUNKS = 1000  # before the samples; a file of nothing but headers keeps no server busy

_PCM, _EXTENSIBLE = 1, 0xFFFE  # format tags
_PCM_SUBFORMAT = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"  # KSDATAFORMAT_SUBTYPE_PCM
_FORMAT_BYTES = 40  # of a fmt chunk, as far as it is read
_SUBFORMAT = 24  # where in it the subformat begins
_EXTENSION = 22  # bytes behind the first 18 that an extensible one has
_SAMPLE_BYTES = 2
_STREAMED = 0x7FFFF000  # bytes; writers to a pipe, which cannot go back to fill in the length, put this or more
_EXPECTED = f"expected a WAV file with 16-bit PCM samples, {SAMPLE_RATE} Hz, mono or stereo"


# A WAV file as most programs write it: RIFF, its length, this, the length of the samples, and the samples to the end.
_PLAIN_HEAD = (
    b"RIFF\0\0\0\0WAVEfmt "
    + struct.pack("<IHHIIHH", 16, _PCM, 1, SAMPLE_RATE, _SAMPLE_BYTES * SAMPLE_RATE, _SAMPLE_BYTES, 8 * _SAMPLE_BYTES)
    + b"data\0\0\0\0"
)
_PLAIN_HEAD_BYTES = len(_PLAIN_HEAD)
_PLAIN_WORDS = np.frombuffer(_PLAIN_HEAD, "<i4")
_IS_LENGTH = np.isin(np.arange(len(_PLAIN_WORDS)), (1, 10))  # of the file, and of the samples


def decode_wav(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The samples of a WAV file.

    Args:
        content: string [], the file's bytes: RIFF/WAVE with 16-bit PCM samples of 16 kHz, mono or stereo, at most
            300 s; `WAVE_FORMAT_EXTENSIBLE` too, and chunks of any kind around.

    Returns:
        float32 [samples] in steps of 16 bits, from -32768 to 32767, two channels averaged, which is exact; and string
        [], empty or one sentence that says what is wrong, and then there are no samples.
    """
    is_plain, size = _is_plain(content)
    return tf.cond(is_plain, lambda: _plain_samples(content, size), lambda: _any_samples(content))


def _is_plain(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Whether nothing can be wrong with a file, because it is of one channel and as most programs write it; and its
    size. The hundred operations that look at any other are left out then.
    """
    size = _size(content)
    words = tf.io.decode_raw(_bytes(content, 0, _PLAIN_HEAD_BYTES), tf.int32, little_endian=True)
    is_known = tf.reduce_all((words == _PLAIN_WORDS) | _IS_LENGTH)
    sample_bytes = tf.cast(words[-1], tf.int64)
    is_possible = (sample_bytes > 0) & (sample_bytes <= MAX_SECONDS * SAMPLE_RATE * _SAMPLE_BYTES)
    is_all = (sample_bytes == size - _PLAIN_HEAD_BYTES) & (sample_bytes % _SAMPLE_BYTES == 0)
    return is_known & is_possible & is_all, size


def _plain_samples(content: tf.Tensor, size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    samples = tf.strings.substr(content, tf.constant(_PLAIN_HEAD_BYTES, tf.int64), size - _PLAIN_HEAD_BYTES)
    return tf.cast(tf.io.decode_raw(samples, tf.int16, little_endian=True), tf.float32), tf.constant("")


def _any_samples(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What `decode_wav` says of any file."""
    size = _size(content)
    riff = _bytes(content, 0, 4)
    is_wave = (riff == b"RIFF") & (_bytes(content, 8, 4) == b"WAVE")
    form, has_form, start, has_data, chunks = _walk(content, size, is_wave)

    tag, channels, rate = _number(form, 0, 2), _number(form, 2, 2), _number(form, 4, 4)
    bits = _number(form, 14, 2)
    is_extensible = (tag == _EXTENSIBLE) & (_number(form, 16, 2) >= _EXTENSION)
    is_pcm = (tag == _PCM) | (is_extensible & (tf.strings.substr(form, _SUBFORMAT, 16) == _PCM_SUBFORMAT))

    promised, there = _number(_bytes(content, start - 4, 4), 0, 4), size - start
    is_cut = (there < promised) & (promised < _STREAMED)
    is_denied = (promised == 0) & (there > 0)
    end = start + promised
    whole = _number(_bytes(content, 4, 4), 0, 4) + 8 == size  # bytes that others put behind the file are theirs
    is_lost = (promised > 0) & (end < size) & whole & ~_is_chunk(content, end)

    frame = _SAMPLE_BYTES * tf.maximum(channels, 1)
    frames = tf.minimum(promised, there) // frame
    seconds = tf.cast(frames, tf.float64) / SAMPLE_RATE

    no_chunk = "that are no chunk; write it anew"
    error = _first(
        (size == 0, [f"audio_bytes is empty; {_EXPECTED}"]),
        (~is_wave, [f"audio_bytes is no WAV file: it does not begin with RIFF and WAVE; {_EXPECTED}"]),
        (
            ~has_data & (chunks >= MAX_CHUNKS),
            [f"the WAV file has {MAX_CHUNKS} chunks and no samples among them; {_EXPECTED}"],
        ),
        (~has_data, ["the WAV file is cut short: it has no data chunk; send all of it"]),
        (~has_form, [f"the WAV file has no fmt chunk of 16 bytes before its samples; {_EXPECTED}"]),
        (~is_pcm, ["the WAV file has samples of format ", tag, f"; {_EXPECTED}"]),
        (bits != 8 * _SAMPLE_BYTES, ["the WAV file has samples of ", bits, f" bits; {_EXPECTED}"]),
        ((channels != 1) & (channels != 2), ["the WAV file has ", channels, f" channels; {_EXPECTED}"]),
        (rate != SAMPLE_RATE, ["the WAV file has a rate of ", rate, f" Hz; {_EXPECTED}"]),
        (is_cut, ["the WAV file is cut short: its header promises ", promised - there, " bytes more; send all of it"]),
        (is_denied, ["the WAV file's header says 0 samples, yet ", there, " bytes follow; write it anew"]),
        (
            is_lost,
            [
                "the WAV file's header says ",
                promised,
                " bytes of samples, yet ",
                size - end,
                " bytes follow ",
                no_chunk,
            ],
        ),
        (frames == 0, ["the WAV file holds no samples"]),
        (
            frames > MAX_SECONDS * SAMPLE_RATE,
            [
                "the recording lasts ",
                tf.strings.as_string(seconds, precision=1),
                f" s; expected at most {MAX_SECONDS} s",
            ],
        ),
    )
    used = tf.where(error == "", frames * frame, 0)
    raw = tf.io.decode_raw(tf.strings.substr(content, tf.minimum(start, size), used), tf.int16, little_endian=True)
    channels = tf.where(error == "", channels, 1)
    samples = tf.reshape(tf.cast(raw, tf.float32), tf.stack([-1, channels]))
    return tf.reduce_mean(samples, axis=1), error


def _walk(content: tf.Tensor, size: tf.Tensor, is_wave: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Goes from chunk to chunk up to the samples.

    Returns:
        The first bytes of the fmt chunk and whether there is one; where the samples begin and whether they do; and how
        many chunks were looked at.
    """

    def more(position, form, has_form, has_data, chunks):
        return is_wave & ~has_data & (position + 8 <= size) & (chunks < MAX_CHUNKS)

    def step(position, form, has_form, has_data, chunks):
        header = _bytes(content, position, 8)
        name, length = tf.strings.substr(header, 0, 4), _number(header, 4, 4)
        position += 8
        is_form = (name == b"fmt ") & (length >= 16) & (position + length <= size)
        read = _bytes(content, position, _FORMAT_BYTES)
        form = tf.where(is_form, read, form)
        is_data = name == b"data"
        position = tf.where(is_data, position, position + length + length % 2)
        return position, form, has_form | is_form, is_data, chunks + 1

    nothing = tf.constant(b"\0" * _FORMAT_BYTES)
    position, form, has_form, has_data, chunks = tf.while_loop(
        more, step, (tf.constant(12, tf.int64), nothing, False, False, 0), parallel_iterations=1
    )
    # where there are no samples, nothing is read at their place
    return form, has_form, tf.where(has_data, position, size), has_data, chunks


def _is_chunk(content: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
    """Whether the name of a chunk, nothing or zeros stand there, or one byte later, for lengths are made even."""
    start = _bytes(content, position, 5)
    name = r"\x00*[ -~]*\x00*"
    return tf.strings.regex_full_match(tf.strings.substr(start, 0, 4), name) | tf.strings.regex_full_match(
        tf.strings.substr(start, 1, 4), name
    )


def _size(content: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.strings.length(content), tf.int64)  # no message is longer than an int32 can count


def _bytes(content: tf.Tensor, position, number: int) -> tf.Tensor:
    """string [] of exactly `number` bytes from a position on; zeros where the content has ended."""
    position = tf.clip_by_value(tf.cast(position, tf.int64), 0, _size(content))
    read = tf.strings.substr(content, position, tf.constant(number, tf.int64))
    return tf.strings.substr(tf.strings.join([read, tf.constant(b"\0" * number)]), 0, number)


def _number(content: tf.Tensor, position: int, number: int) -> tf.Tensor:
    """int64 [], the unsigned number in some bytes, the lowest first."""
    read = tf.cast(tf.io.decode_raw(tf.strings.substr(content, position, number), tf.uint8), tf.int64)
    return tf.reduce_sum(read * tf.constant([256**place for place in range(number)], tf.int64))


def _first(*faults: tuple[tf.Tensor, list]) -> tf.Tensor:
    """string [], the sentence of the first fault that is one; empty if none is."""
    error = tf.constant("")
    for found, parts in reversed(faults):
        texts = [tf.strings.as_string(part) if _is_integer(part) else part for part in parts]
        error = tf.where(found, tf.strings.join(texts), error)
    return error


def _is_integer(part) -> bool:
    return isinstance(part, tf.Tensor) and part.dtype.is_integer
