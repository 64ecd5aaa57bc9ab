"""An export asked about recordings: one answer each, in their order."""

import csv
import json
import os
import pathlib
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

import numpy as np
import tensorflow as tf

from tfcr.features.own import Modality
from tfcr.serving.feature_questions import of_features, sources_of
from tfcr.serving.loaded import LoadedExport
from tfcr.serving.questions import Question, of_recordings
from tfcr.serving.recordings import Recording


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


class Predictor(LoadedExport):
    """An export, loaded, and asked about recordings.

    Args:
        export: a version, or the folder above the versions for the newest.
        features: of one trained on one's own features: modality → HDF5 file that has those of the recordings. Without
            it they are computed by what made the features that it was trained on.

    Raises:
        TfcrError: see `LoadedExport`; or features of unknown origin for which there is no file.
    """

    def __init__(
        self, export: str | os.PathLike, features: Mapping[Modality, pathlib.Path] = types.MappingProxyType({})
    ):
        super().__init__(export)
        self._answer = self.model.signatures["serving_default" if self.takes_recordings else "features"]
        self._sources = []
        if not self.takes_recordings:
            taken = self._answer.structured_input_signature[1]
            shapes = {name: tuple(taken[name].shape[1:]) for name in self.inputs}
            self._sources = sources_of(self.version, self.described, shapes, features)

    def predict(self, recordings: Iterable[Recording]) -> Iterator[Answer]:
        """The answers, in the order of the recordings; one that cannot be answered says why and stops no other."""
        questions = (
            of_recordings(recordings, self.inputs) if self.takes_recordings else of_features(recordings, self._sources)
        )
        for question in questions:
            yield from self._answers(question)

    def _answers(self, question: Question) -> list[Answer]:
        answers = [
            self._failed(recording, error)
            for recording, error in zip(question.recordings, question.errors, strict=True)
        ]
        if question.good:
            found = self._answer(**{name: tf.constant(array) for name, array in question.inputs.items()})
            rows = {name: value.numpy() for name, value in found.items()}
            for number, row in enumerate(question.good):
                recording = question.recordings[row]
                answers[row] = self._of_row(recording, {name: value[number] for name, value in rows.items()})
        return answers

    def _of_row(self, recording: Recording, row: dict) -> Answer:
        if row.get("error"):
            return self._failed(recording, f"{recording.path}: {row['error'].decode()}")
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

    def _failed(self, recording: Recording, error: str) -> Answer:
        audio, text = ("" if there else None for there in (self.hears, self.reads))
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
