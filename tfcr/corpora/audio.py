"""Recordings of any common format as 16 kHz mono samples (soundfile decodes, soxr resamples)."""

import contextlib
import io
import itertools
import math
import os
import pathlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

from tfcr.corpora import containers
from tfcr.corpora.containers import EXPECTED
from tfcr.corpora.containers.source import Stream
from tfcr.errors import TfcrError
from tfcr.schema import SAMPLE_RATE

# What a recording can be that carries no emotion, or another one than it did.
SILENT = "silent"  # every channel has one value from beginning to end
CANCELLED = "cancelled"  # the channels are heard, and their mean is not: one is the other's negative
LOUD = "loud"  # samples far above 1

_CANCELLED = 1e-4  # of the channels' power
_LOUD = 2.0  # lossy codecs go a little beyond 1
_NO_FILE = 7  # of libsndfile's codes
_BLOCK = 1 << 20  # samples decoded at a time


def num_samples(path: str | pathlib.Path) -> int:
    """How many samples `read_audio` will return, from the file's header where that can be trusted.

    Raises:
        TfcrError: no such file, not a recording, empty, or shorter than its header says.
    """
    path = pathlib.Path(path)
    lengths = []
    for stream in _streams(path):
        with _opened(path, stream) as recording:
            count = recording.frames if stream.is_promised else sum(map(len, _decoded_blocks(path, recording)))
            lengths.append((recording.samplerate, count))
    runs = itertools.groupby(lengths, key=lambda length: length[0])
    counts = [_resampled_length(sum(count for _, count in run), rate) for rate, run in runs]
    return _some(path, sum(counts))


@dataclass(frozen=True)
class Heard:
    """A recording as it was decoded.

    Attributes:
        samples: float64 [samples] in [-1, 1), 16 kHz; several channels are averaged.
        flaw: `SILENT`, `CANCELLED`, `LOUD` or an empty string.
    """

    samples: np.ndarray
    flaw: str


def read_audio(path: str | pathlib.Path) -> np.ndarray:
    """Decodes a recording, all of its streams behind one another.

    Returns:
        float64 [samples] in [-1, 1), 16 kHz; several channels are averaged.

    Raises:
        TfcrError: as `num_samples`, or a sample that is not finite.
    """
    return hear(path).samples


def hear(path: str | pathlib.Path) -> Heard:
    """As `read_audio`, and what is odd about the samples."""
    path = pathlib.Path(path)
    decoded = [_mono(path, stream) for stream in _streams(path)]
    runs = itertools.groupby(decoded, key=lambda stream: stream[0])
    samples = _joined([_resampled(_joined([samples for _, samples, _ in run]), rate) for rate, run in runs])
    _some(path, len(samples))
    flaws = {flaw for _, _, flaw in decoded}
    return Heard(samples, next(flaw for flaw in (LOUD, CANCELLED, "", SILENT) if flaw in flaws))


def read_blocks(path: str | pathlib.Path) -> Iterator[np.ndarray]:
    """The samples of `read_audio` one after the other, of which few are held: a long recording takes no more memory.

    Yields:
        float64 [samples], a minute or so each.

    Raises:
        TfcrError: as `read_audio`, once the place is reached.
    """
    path = pathlib.Path(path)
    count = 0
    for rate, runs in itertools.groupby(_mono_blocks(path), key=lambda block: block[0]):
        for samples in _resampled_blocks((block for _, block in runs), rate):
            count += len(samples)
            yield samples
    _some(path, count)


def is_file_itself(path: pathlib.Path) -> bool:
    """Whether a recording is one stream, told by its header as it is, with nothing before or behind."""
    return [stream.content for stream in _streams(path)] == [None]


def _mono(path: pathlib.Path, stream: Stream) -> tuple[int, np.ndarray, str]:
    """The rate of a stream, its samples, float64 [samples], and its flaw."""
    with _opened(path, stream) as recording:
        samples = _decoded(path, recording)
        declared, rate = recording.frames, recording.samplerate
    _refuse_cut(path, stream, len(samples), declared)
    mono = _averaged(path, samples)
    return rate, mono, _flaw(samples, mono)


def _refuse_cut(path: pathlib.Path, stream: Stream, count: int, declared: int) -> None:
    if stream.is_promised and count != declared:
        raise TfcrError(f"{path} is cut short: {count} of {declared} samples are there; copy it again")


def _averaged(path: pathlib.Path, samples: np.ndarray) -> np.ndarray:
    """The mean of the channels, float64 [samples]."""
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise TfcrError(f"{path} holds samples that are not finite numbers; {EXPECTED}")
    return mono


def _mono_blocks(path: pathlib.Path) -> Iterator[tuple[int, np.ndarray]]:
    """The rate and some samples, float64 [samples], of every stream, block by block."""
    for stream in _streams(path):
        with _opened(path, stream) as recording:
            count = 0
            for block in _decoded_blocks(path, recording):
                count += len(block)
                yield recording.samplerate, _averaged(path, block)
            _refuse_cut(path, stream, count, recording.frames)


def _resampled_blocks(blocks: Iterator[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """As `_resampled`, block by block."""
    if rate == SAMPLE_RATE:
        yield from blocks
        return
    resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float64")
    read = written = 0
    for block in itertools.chain(filter(len, blocks), [np.zeros(0)]):
        read += len(block)
        samples = resampler.resample_chunk(block, last=not len(block))[: _resampled_length(read, rate) - written]
        written += len(samples)
        yield samples
    yield np.zeros(_resampled_length(read, rate) - written)


def _flaw(samples: np.ndarray, mono: np.ndarray) -> str:
    """Of float64 [samples, channels] and their mean."""
    if not len(samples):
        return SILENT
    high, low = samples.max(axis=0), samples.min(axis=0)
    if (high == low).all():
        return SILENT
    if samples.shape[1] > 1 and np.mean(mono**2) < _CANCELLED * np.mean(samples**2):
        return CANCELLED
    return LOUD if max(high.max(), -low.min()) > _LOUD else ""


def _resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    """float64 [samples] at 16 kHz."""
    if rate == SAMPLE_RATE or not len(samples):
        return samples
    expected = _resampled_length(len(samples), rate)
    resampled = soxr.resample(samples, rate, SAMPLE_RATE)
    return np.pad(resampled, (0, max(0, expected - len(resampled))))[:expected]


def _resampled_length(count: int, rate: int) -> int:
    return math.ceil(count * SAMPLE_RATE / rate)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _some(path: pathlib.Path, count: int) -> int:
    if not count:
        raise TfcrError(f"{path} holds no samples; {EXPECTED}")
    return count


def _decoded(path: pathlib.Path, recording: soundfile.SoundFile) -> np.ndarray:
    """float64 [samples, channels]."""
    return _joined(list(_decoded_blocks(path, recording)))


def _decoded_blocks(path: pathlib.Path, recording: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """float64 [samples, channels], one or more; a header that promises too much costs no memory."""
    count, length = 0, _BLOCK
    while length == _BLOCK:
        try:
            block = recording.read(min(_BLOCK, recording.frames - count), dtype="float64", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise TfcrError(f"{path} cannot be decoded ({error.error_string.rstrip('.')}); {EXPECTED}") from None
        length = len(block)
        count += length
        yield block


def _streams(path: pathlib.Path) -> list[Stream]:
    if not path.is_file():
        raise TfcrError(f"{path} does not exist; {EXPECTED}")
    if path.stat().st_size == 0:
        raise TfcrError(f"{path} is empty (0 bytes); {EXPECTED}")
    return containers.streams(path)


@contextlib.contextmanager
def _opened(path: pathlib.Path, stream: Stream) -> Iterator[soundfile.SoundFile]:
    try:
        recording = soundfile.SoundFile(os.fsencode(path) if stream.content is None else io.BytesIO(stream.content))
    except soundfile.LibsndfileError as error:
        # what its MP3 decoder cannot read, libsndfile calls a file that does not exist
        reason = "Format not recognised" if error.code == _NO_FILE else error.error_string.rstrip(".")
        raise TfcrError(f"{path} is not a recording ({reason}); {EXPECTED}") from None
    with recording:
        wrong = containers.fault(recording)
        if wrong:
            raise TfcrError(f"{path}{wrong}")
        yield recording
