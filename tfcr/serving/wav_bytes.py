"""Recordings of any format as the WAV bytes that an export takes. No TensorFlow."""

import io
import os
import pathlib

import numpy as np
import soundfile

from tfcr.corpora.audio import is_file_itself, num_samples, read_audio
from tfcr.errors import TfcrError
from tfcr.schema import MAX_SECONDS, SAMPLE_RATE


def encode_wav(samples: np.ndarray) -> bytes:
    """16 kHz mono samples, float in [-1, 1), as a WAV file of 16-bit PCM. Values beyond are clipped."""
    content = io.BytesIO()
    rounded = np.clip(np.rint(np.asarray(samples, np.float64) * 2**15), -(2**15), 2**15 - 1).astype(np.int16)
    soundfile.write(content, rounded, SAMPLE_RATE, "PCM_16", format="WAV")
    return content.getvalue()


def recording_bytes(path: str | os.PathLike) -> bytes:
    """A recording as an export takes it: its own bytes where it is such a file, else resampled to 16 kHz and 16 bits.

    Raises:
        TfcrError: it is missing, broken, no recording, or longer than an export takes.
    """
    path = pathlib.Path(path)
    seconds = num_samples(path) / SAMPLE_RATE
    if seconds > MAX_SECONDS:
        raise TfcrError(f"{path} lasts {seconds:.1f} s; expected at most {MAX_SECONDS} s")
    if is_file_itself(path) and _is_ready(path):
        content = path.read_bytes()
        if content.startswith(b"RIFF"):  # RIFX has its numbers the other way round
            return content
    return encode_wav(read_audio(path))


def _is_ready(path: pathlib.Path) -> bool:
    with soundfile.SoundFile(os.fsencode(path)) as recording:
        return (
            recording.format in ("WAV", "WAVEX")
            and recording.subtype == "PCM_16"
            and recording.samplerate == SAMPLE_RATE
            and recording.channels <= 2
        )
