"""What features are extracted of: the recordings or transcripts of a prepared dataset, or of a corpus."""

import hashlib
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tfcr import corpora, files
from tfcr.corpora.audio import num_samples
from tfcr.corpora.paths import in_place_of_recording
from tfcr.corpora.utterance import Utterance
from tfcr.dataset_info import Dataset
from tfcr.errors import TfcrError
from tfcr.preparation.transcripts import read_transcripts
from tfcr.wording import counted


@dataclass(frozen=True)
class Source:
    """One utterance.

    Attributes:
        id: of it.
        length: samples at 16 kHz; of a transcript its characters.
        audio: its recording; None where the words are taken.
        transcript: its words.
        recording: the beginning of the SHA-256 of the recording that a dataset was prepared from, else empty.
    """

    id: str
    length: int
    audio: pathlib.Path | None = None
    transcript: str = ""
    recording: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of what its features are of: its recording's file, or its words; empty where there is no file."""
        if self.audio is None:
            return hashlib.sha256(self.transcript.encode()).hexdigest()
        return files.sha256_of_file(self.audio) if self.audio.is_file() else ""

    def told(self, error: Exception) -> str:
        """Why it has no features, in one line that names it."""
        why = (self.audio and in_place_of_recording(self.audio)) or str(error)
        is_named = self.audio is not None and self.audio.stem == self.id and str(self.audio) in why
        return why if is_named else f"{self.id}: {why}"


@dataclass(frozen=True)
class Sources:
    """Everything that features are wanted of.

    Attributes:
        found: sorted by id.
        broken: id → why its recording cannot be read, as far as its header tells.
        corpus: where they come from, for messages.
    """

    found: Sequence[Source]
    broken: Mapping[str, str]
    corpus: str


def recordings_of_dataset(dataset: Dataset, root: pathlib.Path | None) -> Sources:
    """The recordings of a dataset's utterances.

    Args:
        root: the folder of the corpus, which a dataset does not keep; None for the synthetic one's own.

    Raises:
        TfcrError: the corpus is not there, or lacks an utterance.
    """
    info = dataset.info
    inside = dataset.folder / "corpus"
    if root is None and not (info["corpus"] == "synthetic" and inside.is_dir()):
        raise TfcrError(
            f"dataset {dataset.folder} does not keep where its recordings lie; name the folder of its corpus "
            f"({info['corpus']}) by --root"
        )
    root = root or inside
    said = {each.id: each for each in corpora.read(info["corpus"], root, **info["corpus_options"]).utterances}
    lacking = [row.id for row in dataset.index if row.id not in said]
    if lacking:
        raise TfcrError(
            f"--root {root} lacks {counted(len(lacking), 'utterance')} of dataset {dataset.folder}, the first of them "
            f"{lacking[0]!r}; is it the corpus that was prepared?"
        )
    found = [Source(row.id, row.num_samples, said[row.id].audio, "", row.recording) for row in dataset.index]
    return Sources(found, {}, str(dataset.folder))


def transcripts_of_dataset(dataset: Dataset) -> Sources:
    """The words of a dataset's utterances, as they stand in its records. Imports TensorFlow."""
    import tensorflow as tf

    from tfcr.data.records import parse

    paths = [str(dataset.folder / shard.name) for shard in dataset.shards]
    records = tf.data.TFRecordDataset(paths).map(lambda record: parse(record, "id", "transcript"))
    words = {row["id"].decode(): row["transcript"].decode() for row in records.as_numpy_iterator()}
    return Sources([_of_words(id, words[id]) for id in sorted(words)], {}, str(dataset.folder))


def recordings_of_corpus(corpus: str, root: pathlib.Path, options: Mapping) -> Sources:
    """The recordings of a corpus, of every emotion."""
    found, broken = [], {}
    for utterance in _utterances(corpus, root, options):
        try:
            found.append(Source(utterance.id, num_samples(utterance.audio), utterance.audio))
        except (TfcrError, OSError) as error:
            broken[utterance.id] = Source(utterance.id, 0, utterance.audio).told(error)
    return Sources(found, broken, str(root))


def transcripts_of_corpus(
    corpus: str, root: pathlib.Path, options: Mapping, transcripts: pathlib.Path | None = None
) -> Sources:
    """The words of a corpus, of every emotion, or those that a file has for them."""
    utterances = _utterances(corpus, root, options)
    if transcripts is not None:
        utterances = read_transcripts(transcripts).replace(utterances)
    return Sources([_of_words(each.id, each.transcript) for each in utterances], {}, str(root))


def _utterances(corpus: str, root: pathlib.Path, options: Mapping) -> list[Utterance]:
    return sorted(corpora.read(corpus, root, **options).utterances, key=lambda utterance: utterance.id)


def _of_words(id: str, transcript: str) -> Source:
    return Source(id, len(transcript), transcript=transcript)
