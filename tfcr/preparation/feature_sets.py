"""Feature sets beside the paper's, added to a dataset: what is there already is not computed again."""

import hashlib
import json
import pathlib
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfcr import files
from tfcr.data import feature_records
from tfcr.errors import TfcrError
from tfcr.features.embeddings import WordVectors, can_be_written
from tfcr.features.look_up import LookUp
from tfcr.features.own import OwnFeatures
from tfcr.features.sets import SETS, TOKEN_IDS, FeatureSet
from tfcr.features.vocabulary import VOCABULARY, read_vocabulary, write_vocabulary
from tfcr.features.words import lowered
from tfcr.preparation.shards import Fingerprint, ShardPlan, samples_of
from tfcr.preparation.unreadable import naming


@dataclass(frozen=True)
class FeaturePlan(ShardPlan):
    """The shards of one feature set, cut where the dataset's are.

    Attributes:
        feature_set: what is made.
        origins: for each utterance, what its arrays are made from.
        arrays: an utterance's position → its arrays by field.
        is_of_speech: whether every recording is read again for it.
        own, source_sha256, source_stamp: one's own features, the digest of their file, and its stamp before that.
        extractor: what made one's own features, where their file says it.
    """

    feature_set: FeatureSet
    origins: Sequence[str]
    arrays: Callable[[int], Mapping[str, np.ndarray]]
    is_of_speech: bool = False
    own: OwnFeatures | None = None
    source_sha256: str | None = None
    source_stamp: Sequence[int] = ()
    extractor: dict | None = None

    @property
    def modality(self) -> str | None:
        """What one's own features stand for; None of others."""
        return None if self.own is None else self.own.modality

    def refuse_changed_source(self) -> None:
        """Refuses a file of one's own features that has changed while it was read.

        Raises:
            TfcrError: it has; what was written of it is written anew by the next call.
        """
        if self.own is not None and files.stamp(self.own.path) != self.source_stamp:
            raise TfcrError(f"{self.own.option} has changed while it was read; try again")

    def fingerprint(self, shard: int) -> Fingerprint:
        made_from = [[self.utterances[position].id, self.origins[position]] for position in self.positions(shard)]
        content = json.dumps([self.feature_set.name, self.feature_set.revision, made_from])
        return Fingerprint(hashlib.sha256(content.encode()).hexdigest(), [])

    def serialised(self, position: int) -> bytes:
        with naming(self.utterances[position]):
            arrays = self.arrays(position)
        return feature_records.serialise(self.utterances[position].id, arrays, self.feature_set.fields)


def of_speech(records: ShardPlan, name: str, recordings: Sequence[str]) -> FeaturePlan:
    """A built-in set that is computed from recordings.

    Args:
        records: the dataset's own plan.
        recordings: SHA-256 of every recording.
    """
    feature_set = SETS[name]

    def arrays(position):
        return feature_set.of_samples(samples_of(records.utterances[position]))

    return _plan(records, feature_set, recordings, arrays, is_of_speech=True)


def of_words(records: ShardPlan, ids: Sequence[Sequence[int]]) -> FeaturePlan:
    """The rows of the vocabulary that a transcript's words have, uncut."""

    def arrays(position):
        return {TOKEN_IDS: np.array(ids[position], np.int32)}

    return _plan(records, SETS[TOKEN_IDS], [json.dumps(list(row)) for row in ids], arrays)


def of_file(records: ShardPlan, own: OwnFeatures, feature_set: FeatureSet, digest: str | None = None) -> FeaturePlan:
    """One's own features, read utterance by utterance.

    Args:
        digest: SHA-256 of their file, where it is known already.
    """
    stamp = files.stamp(own.path)  # a change while it is hashed shows as another stamp
    digest = digest or files.sha256_of_file(own.path)

    def arrays(position):
        return {own.field: own.read(records.utterances[position].id)}

    return _plan(
        records,
        feature_set,
        [f"{own.modality} {digest}"] * len(records.utterances),
        arrays,
        own=own,
        source_sha256=digest,
        source_stamp=stamp,
        extractor=own.extractor(),
    )


def _plan(records: ShardPlan, feature_set: FeatureSet, origins, arrays, **further) -> FeaturePlan:
    return FeaturePlan(
        name=f"{records.name}.{feature_set.name}",
        utterances=records.utterances,
        rows=records.rows,
        count=records.count,
        feature_set=feature_set,
        origins=origins,
        arrays=arrays,
        only=records.only,
        **further,
    )


@dataclass(frozen=True)
class Vocabulary:
    """Every word of a corpus, in the form that is looked up, sorted.

    Attributes:
        words: different ones.
        vectors: float32 [words, width]; zeros where there is none.
        known: bool [words], whether there is one.
        look_up: how a word finds its vector.
    """

    words: Sequence[str]
    vectors: np.ndarray
    known: np.ndarray
    look_up: LookUp

    def ids(self, sentences: Sequence[Sequence[str]]) -> list[list[int]]:
        """The rows of each sentence's words, from 1; a word that no file can hold has none."""
        rows = {word: row for row, word in enumerate(self.words, start=1)}
        known = {word for word, has_vector in zip(self.words, self.known, strict=True) if has_vector}
        return [
            [rows[form] for word in sentence for form in _forms(word, known, self.look_up) if form in rows]
            for sentence in sentences
        ]

    def write(self, folder: pathlib.Path) -> None:
        """Writes `vocabulary.h5` into a dataset's folder, unless it is there already."""
        try:
            words, vectors, known = read_vocabulary(folder)
            is_there = (
                words == self.words and np.array_equal(vectors, self.vectors) and np.array_equal(known, self.known)
            )
        except TfcrError:
            is_there = False
        if not is_there:
            write_vocabulary(folder / VOCABULARY, self.words, self.vectors, self.known)


def vocabulary_of(sentences: Sequence[Sequence[str]], vectors: WordVectors) -> Vocabulary:
    """The vocabulary of a corpus: known words as they are looked up, others in lower case."""
    distinct = {word for sentence in sentences for word in sentence}
    forms = {form for word in distinct for form in _forms(word, vectors.vectors, vectors.look_up)}
    words = sorted(form for form in forms if can_be_written(form))
    known = np.array([word in vectors.vectors for word in words], bool)
    table = np.zeros((len(words), vectors.width), np.float32)
    for row, word in enumerate(words):
        if known[row]:
            table[row] = vectors.vectors[word]
    return Vocabulary(words, table, known, vectors.look_up)


def _forms(word: str, known: Container[str], look_up: LookUp) -> list[str]:
    """What is looked up of a word; a part without a vector in lower case."""
    return [lowered(part) if form is None else form for part, form in look_up.parts(word, known)]
