"""An export asked about recordings: one answer each, in their order."""

import csv
import itertools
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np
import tensorflow as tf

from tfcr.corpora.paths import in_place_of_recording
from tfcr.devices import share_gpus
from tfcr.errors import TfcrError
from tfcr.exports import latest_version, read_manifest
from tfcr.serving.recordings import Recording
from tfcr.serving.wav_bytes import recording_bytes

BATCH = 16  # recordings at a time


@dataclass(frozen=True)
class Answer:
    """What an export says of one recording.

    Attributes:
        emotion: the fused answer; empty where there is an error.
        probabilities: emotion → from 0 to 1; None where there is an error.
        audio_emotion, text_emotion: what speech alone and words alone say; empty where they say nothing, and None where
            the export has no such modality.
        conflict: whether these two differ; None without both modalities, or with an error.
        error: why there is no answer; else empty.
    """

    recording: Recording
    emotion: str
    probabilities: dict[str, float] | None
    audio_emotion: str | None
    text_emotion: str | None
    conflict: bool | None
    error: str


class Predictor:
    """An export, loaded.

    Args:
        export: a version, or the folder above the versions for the newest.

    Attributes:
        described: what the export says of itself.
        model: the SavedModel.

    Raises:
        TfcrError: no export there, one that was changed since, or one of another format.
    """

    def __init__(self, export: str | os.PathLike):
        self.version = latest_version(pathlib.Path(export))
        self.described = read_manifest(self.version)
        if self.described.get("format") != "savedmodel":
            raise TfcrError(
                f"{self.version} takes no recordings: it is an ONNX model, or of an earlier version of this package; "
                "export the run again, as a SavedModel"
            )
        self.emotions: list[str] = self.described["emotions"]
        self.inputs: list[str] = self.described["signatures"]["serving_default"]
        share_gpus()
        self.model = tf.saved_model.load(str(self.version))
        self._answer = self.model.signatures["serving_default"]

    @property
    def reads_words(self) -> bool:
        """Whether it looks at transcripts."""
        return "transcript" in self.inputs

    def predict(self, recordings: Iterable[Recording]) -> Iterator[Answer]:
        """The answers, in the order of the recordings; one that cannot be answered says why and stops no other."""
        remaining = iter(recordings)
        while batch := list(itertools.islice(remaining, BATCH)):
            yield from self._of_batch(batch)

    def _of_batch(self, batch: Sequence[Recording]) -> list[Answer]:
        contents, errors = [], []
        for recording in batch:
            content, error = self._content(recording)
            contents.append(content)
            errors.append(error)
        good = [row for row, error in enumerate(errors) if not error]
        columns = {
            "audio_bytes": [contents[row] for row in good],
            "transcript": [batch[row].transcript.encode(errors="surrogateescape") for row in good],
        }
        answers: list[Answer | None] = [
            _failed(recording, error, self.inputs) if error else None
            for recording, error in zip(batch, errors, strict=True)
        ]
        if good:
            found = self._answer(**{name: tf.constant(columns[name], tf.string) for name in self.inputs})
            rows = {name: value.numpy() for name, value in found.items()}
            for number, row in enumerate(good):
                answers[row] = self._of_row(batch[row], {name: value[number] for name, value in rows.items()})
        return answers

    def _content(self, recording: Recording) -> tuple[bytes, str]:
        """The bytes of a recording as the graph takes them, or why there are none."""
        if "audio_bytes" not in self.inputs:
            return b"", ""
        try:
            return recording_bytes(recording.path), ""
        except (TfcrError, OSError) as error:
            return b"", " ".join((in_place_of_recording(recording.path) or str(error)).split())

    def _of_row(self, recording: Recording, row: dict) -> Answer:
        if row["error"]:
            return _failed(recording, f"{recording.path}: {row['error'].decode()}", self.inputs)
        return Answer(
            recording,
            row["emotion"].decode(),
            dict(zip(self.emotions, map(float, row["probabilities"]), strict=True)),
            *(self._said(row.get(f"{modality}_logits")) for modality in ("audio", "text")),
            bool(row["conflict"]) if "conflict" in row else None,
            "",
        )

    def _said(self, scores: np.ndarray | None) -> str | None:
        """The emotion of the largest score; none where all are equal."""
        if scores is None:
            return None
        return self.emotions[int(scores.argmax())] if np.ptp(scores) > 0 else ""


def _failed(recording: Recording, error: str, inputs: Sequence[str]) -> Answer:
    audio, text = ("" if name in inputs else None for name in ("audio_bytes", "transcript"))
    return Answer(recording, "", None, audio, text, None, error)


def write_csv(file: TextIO, answers: Iterable[Answer], emotions: Sequence[str]) -> Iterator[Answer]:
    """Writes answers as CSV, one row each as it comes, and yields them; probabilities have a column an emotion."""
    writer = csv.writer(file, lineterminator="\n")
    ends = ("audio_emotion", "text_emotion", "conflict", "error")
    writer.writerow(("id", "path", "emotion", *(f"p_{emotion}" for emotion in emotions), *ends))
    for answer in answers:
        p = answer.probabilities
        numbers = ["" if p is None else f"{p[emotion]:.6f}" for emotion in emotions]
        conflict = "" if answer.conflict is None else str(answer.conflict).lower()
        said = (answer.audio_emotion or "", answer.text_emotion or "", conflict, answer.error)
        writer.writerow((answer.recording.id, answer.recording.path, answer.emotion, *numbers, *said))
        yield answer


def write_jsonl(file: TextIO, answers: Iterable[Answer], emotions: Sequence[str]) -> Iterator[Answer]:
    """Writes answers as JSON, one line each as it comes, and yields them."""
    for answer in answers:
        content = {
            "id": answer.recording.id,
            "path": str(answer.recording.path),
            "emotion": answer.emotion,
            "probabilities": answer.probabilities,
            "audio_emotion": answer.audio_emotion,
            "text_emotion": answer.text_emotion,
            "conflict": answer.conflict,
            "error": answer.error,
        }
        file.write(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")
        yield answer


WRITERS = {"csv": write_csv, "jsonl": write_jsonl}
