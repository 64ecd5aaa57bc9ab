"""Recordings made on the spot, in every container, and what is read of them."""

import io
import struct

import numpy as np
import pytest
import soundfile

from tfcr.corpora.audio import num_samples, read_audio
from tfcr.corpora.containers import tags
from tfcr.errors import TfcrError

RATE = 16_000
ID3V1 = b"TAG" + bytes(125)
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 1 << 31) + bytes(8) + b"APETAGEX" + bytes(24)
COVER = tags.id3(50_000)  # as large as a picture


def sound(seconds: float = 1.0, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Speech-like: it swells, and it is never twice the same."""
    time = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.01, len(time))
    return 0.3 * np.sin(2 * np.pi * 150 * time) * np.sin(2 * np.pi * 1.7 * time) ** 2 + noise


def encoded(samples: np.ndarray, container: str, rate: int = RATE, **options) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=container, **options)
    return file.getvalue()


def decoded(path, content: bytes) -> np.ndarray:
    """What is read of a file of this content, which is as long as was said before it was decoded."""
    path.write_bytes(content)
    samples = read_audio(path)
    assert num_samples(path) == len(samples)
    return samples


def refusal(path, content: bytes) -> str:
    """What is said of a file of this content, by both functions, unless it takes decoding to see it."""
    path.write_bytes(content)
    with pytest.raises(TfcrError) as read:
        read_audio(path)
    message = str(read.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


CONTAINERS = {
    "WAV": {},
    "WAVEX": {},
    "RF64": {},
    "W64": {},
    "AIFF": {},
    "AU": {},
    "CAF": {},
    "NIST": {},
    "FLAC": {},
    "Vorbis": {"container": "OGG"},
    "Opus": {"container": "OGG", "subtype": "OPUS"},
    "MP3": {},
    "MP3 of one bit rate": {"container": "MP3", "bitrate_mode": "CONSTANT"},
}


def made(kind: str, samples: np.ndarray, rate: int = RATE) -> bytes:
    return encoded(samples, rate=rate, **{"container": kind} | CONTAINERS[kind])


def unmeasured(content: bytes, length: int) -> bytes:
    """A WAV file with another length of its samples."""
    place = content.index(b"data") + 4
    return content[:place] + struct.pack("<I", length) + content[place + 4 :]
