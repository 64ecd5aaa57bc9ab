"""Recordings as an export is asked about them, some at a time. No TensorFlow."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tfcr.corpora.paths import in_place_of_recording
from tfcr.errors import TfcrError
from tfcr.serving.recordings import Recording
from tfcr.serving.wav_bytes import recording_bytes

BATCH = 16  # recordings at a time


@dataclass(frozen=True)
class Question:
    """Some recordings, and what a signature takes of them.

    Attributes:
        errors: for each recording why it cannot be asked about; empty for a good one.
        inputs: name → array [good recordings, …], in their order.
    """

    recordings: Sequence[Recording]
    errors: Sequence[str]
    inputs: dict[str, np.ndarray]

    @property
    def good(self) -> list[int]:
        """The rows of the recordings that are asked about."""
        return [row for row, error in enumerate(self.errors) if not error]


def of_recordings(recordings: Iterable[Recording], inputs: Sequence[str]) -> Iterator[Question]:
    """Recordings and transcripts themselves.

    Args:
        inputs: `audio_bytes`, `transcript` or both.
    """
    remaining = iter(recordings)
    while batch := list(itertools.islice(remaining, BATCH)):
        contents, errors = [], []
        for recording in batch:
            content, error = _content(recording) if "audio_bytes" in inputs else (b"", "")
            contents.append(content)
            errors.append(error)
        good = [row for row, error in enumerate(errors) if not error]
        columns = {
            "audio_bytes": [contents[row] for row in good],
            "transcript": [batch[row].transcript.encode(errors="surrogateescape") for row in good],
        }
        yield Question(batch, errors, {name: np.array(columns[name], object) for name in inputs})


def _content(recording: Recording) -> tuple[bytes, str]:
    """The bytes of a recording as the graph takes them, or why there are none."""
    try:
        return recording_bytes(recording.path), ""
    except (TfcrError, OSError) as error:
        return b"", why_unreadable(recording, error)


def why_unreadable(recording: Recording, error: Exception) -> str:
    """One line on a recording that cannot be read."""
    return " ".join((in_place_of_recording(recording.path) or str(error)).split())
