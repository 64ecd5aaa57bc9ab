"""Recordings of any common format as 16 kHz mono samples (soundfile decodes, soxr resamples)."""

import math
import pathlib

import numpy as np
import soundfile
import soxr

from tfcr.errors import TfcrError
from tfcr.schema import SAMPLE_RATE

_EXPECTED = "expected a WAV, FLAC, OGG or MP3 recording"


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
    missing = _missing_bytes(path, size)
    if missing:
        recording.close()
        raise TfcrError(f"{path} is cut short: its header promises {missing} bytes more; copy it again")
    if recording.frames == 0:
        recording.close()
        raise TfcrError(f"{path} holds no samples; {_EXPECTED}")
    return recording


def _missing_bytes(path: pathlib.Path, size: int) -> int:
    """Bytes that the `data` chunk of a RIFF file promises beyond its end; libsndfile passes over them in silence."""
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0
        position = 12
        while position + 8 <= size:
            file.seek(position)
            chunk = file.read(8)
            length = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                streamed = length in (0, 0x7FFFFFFF, 0xFFFFFFFF)  # written to a pipe: the length was not known
                return 0 if streamed else max(0, position + 8 + length - size)
            position += 8 + length + length % 2
    return 0
