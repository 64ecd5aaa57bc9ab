"""Recordings of any common format as 16 kHz mono samples (soundfile decodes, soxr resamples)."""

import math
import pathlib

import numpy as np
import soundfile
import soxr

from tfcr.errors import TfcrError
from tfcr.schema import SAMPLE_RATE

_EXPECTED = "expected a WAV, FLAC, OGG or MP3 recording"
_CONTAINERS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3")  # as libsndfile calls them; WAVEX is a WAV's longer header
_STREAMED = 0x7FFFF000  # bytes; writers to a pipe, which cannot go back to fill in the length, put this or more
_OGG_HEADER = 27  # bytes, then a table of segment lengths (RFC 3533, Sec. 6)
_OGG_END_OF_STREAM = 4  # a flag of the sixth byte


def num_samples(path: str | pathlib.Path) -> int:
    """How many samples `read_audio` will return, from the file's header alone.

    Raises:
        TfcrError: no such file, not a recording, empty, or shorter than its header says.
    """
    with _opened(path) as recording:
        return math.ceil(recording.frames * SAMPLE_RATE / recording.samplerate)


def read_audio(path: str | pathlib.Path) -> np.ndarray:
    """Decodes a recording.

    Returns:
        float64 [samples] in [-1, 1), 16 kHz; several channels are averaged.

    Raises:
        TfcrError: as `num_samples`, or a sample that is not finite.
    """
    with _opened(path) as recording:
        try:
            samples = recording.read(dtype="float64", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise TfcrError(f"{path} cannot be decoded ({error.error_string.rstrip('.')}); {_EXPECTED}") from None
        declared, rate = recording.frames, recording.samplerate
    if len(samples) != declared:
        raise TfcrError(f"{path} is cut short: {len(samples)} of {declared} samples are there; copy it again")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise TfcrError(f"{path} holds samples that are not finite numbers; {_EXPECTED}")
    if rate == SAMPLE_RATE:
        return mono
    resampled = soxr.resample(mono, rate, SAMPLE_RATE)
    expected = math.ceil(declared * SAMPLE_RATE / rate)
    return np.pad(resampled, (0, max(0, expected - len(resampled))))[:expected]


def _opened(path: str | pathlib.Path) -> soundfile.SoundFile:
    path = pathlib.Path(path)
    if not path.is_file():
        raise TfcrError(f"{path} does not exist; {_EXPECTED}")
    size = path.stat().st_size
    if size == 0:
        raise TfcrError(f"{path} is empty (0 bytes); {_EXPECTED}")
    try:
        recording = soundfile.SoundFile(path)
    except soundfile.LibsndfileError as error:
        raise TfcrError(f"{path} is not a recording ({error.error_string.rstrip('.')}); {_EXPECTED}") from None
    fault = _fault(path, size, recording)
    if fault:
        recording.close()
        raise TfcrError(f"{path}{fault}")
    return recording


def _fault(path: pathlib.Path, size: int, recording: soundfile.SoundFile) -> str | None:
    """What libsndfile passes over in silence, as the rest of a sentence that begins with the path."""
    if recording.format not in _CONTAINERS:
        return f" is a file of format {recording.format}; {_EXPECTED}"
    if recording.format == "OGG" and not _ogg_ends(path, size):
        return " is cut short: the end of its Ogg stream is missing; copy it again"
    promised, there = _wav_data(path, size)
    if there < promised < _STREAMED:
        return f" is cut short: its header promises {promised - there} bytes more; copy it again"
    if promised == 0 < there:
        return (
            f": its header says 0 samples, yet {there} bytes follow; if it was written to a pipe, rewrite it, say with "
            "`sox --ignore-length`"
        )
    if recording.frames == 0:
        return f" holds no samples; {_EXPECTED}"
    return None


def _wav_data(path: pathlib.Path, size: int) -> tuple[int, int]:
    """How many bytes of samples a WAV file promises, and how many bytes follow; (0, 0) for other files."""
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RIFX") or head[8:] != b"WAVE":
            return 0, 0
        order = "big" if head[:4] == b"RIFX" else "little"
        position = 12
        while position + 8 <= size:
            file.seek(position)
            chunk = file.read(8)
            length = int.from_bytes(chunk[4:], order)
            position += 8
            if chunk[:4] == b"data":
                return length, size - position
            position += length + length % 2
    return 0, 0


def _ogg_ends(path: pathlib.Path, size: int) -> bool:
    """Whether the last page of an Ogg file is whole and says that the stream ends with it."""
    ends, position = False, 0
    with open(path, "rb") as file:
        while True:
            file.seek(position)
            header = file.read(_OGG_HEADER)
            if len(header) < _OGG_HEADER or header[:4] != b"OggS":
                return ends and not header.startswith(b"OggS")
            segments = file.read(header[26])
            position += _OGG_HEADER + header[26] + sum(segments)
            ends = bool(header[5] & _OGG_END_OF_STREAM) and position <= size
