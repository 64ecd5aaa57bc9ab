"""Recordings of any common format as 16 kHz mono samples (soundfile decodes, soxr resamples)."""

import math
import os
import pathlib

import numpy as np
import soundfile
import soxr

from tfcr.corpora.containers import EXPECTED, fault
from tfcr.errors import TfcrError
from tfcr.schema import SAMPLE_RATE

_NO_FILE = 7  # of libsndfile's codes
_BLOCK = 1 << 20  # samples decoded at a time


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
            samples = _decoded(recording)
        except soundfile.LibsndfileError as error:
            raise TfcrError(f"{path} cannot be decoded ({error.error_string.rstrip('.')}); {EXPECTED}") from None
        declared, rate = recording.frames, recording.samplerate
    if len(samples) != declared:
        raise TfcrError(f"{path} is cut short: {len(samples)} of {declared} samples are there; copy it again")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise TfcrError(f"{path} holds samples that are not finite numbers; {EXPECTED}")
    if rate == SAMPLE_RATE:
        return mono
    resampled = soxr.resample(mono, rate, SAMPLE_RATE)
    expected = math.ceil(declared * SAMPLE_RATE / rate)
    return np.pad(resampled, (0, max(0, expected - len(resampled))))[:expected]


def _decoded(recording: soundfile.SoundFile) -> np.ndarray:
    """float64 [samples, channels]; a header that promises too much costs no memory."""
    blocks = []
    while not blocks or len(blocks[-1]) == _BLOCK:
        frames = min(_BLOCK, recording.frames - sum(map(len, blocks)))
        blocks.append(recording.read(frames, dtype="float64", always_2d=True))
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _opened(path: str | pathlib.Path) -> soundfile.SoundFile:
    path = pathlib.Path(path)
    if not path.is_file():
        raise TfcrError(f"{path} does not exist; {EXPECTED}")
    size = path.stat().st_size
    if size == 0:
        raise TfcrError(f"{path} is empty (0 bytes); {EXPECTED}")
    try:
        recording = soundfile.SoundFile(os.fsencode(path))  # a path may have any bytes
    except soundfile.LibsndfileError as error:
        # what its MP3 decoder cannot read, libsndfile calls a file that does not exist
        reason = "Format not recognised" if error.code == _NO_FILE else error.error_string.rstrip(".")
        raise TfcrError(f"{path} is not a recording ({reason}); {EXPECTED}") from None
    wrong = fault(path, size, recording)
    if wrong:
        recording.close()
        raise TfcrError(f"{path}{wrong}")
    return recording
