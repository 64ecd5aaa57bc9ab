"""From a corpus to verified TFRecords."""

import difflib
import functools
import glob
import hashlib
import json
import os
import pathlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from tfcr import __version__, corpora, files, schema
from tfcr.corpora import emotion_names, synthetic
from tfcr.corpora.utterance import Utterance
from tfcr.dataset_info import (
    INDEX,
    INFO,
    JOBS,
    SCHEMA,
    Dataset,
    IndexRow,
    content_sha256,
    describe_features,
    open_dataset,
    refuse_sorted_records,
    write_index,
)
from tfcr.durations import duration
from tfcr.errors import TfcrError, UsageError
from tfcr.features.embeddings import Coverage, WordVectors, load_word_vectors, refuse_missing, train_word_vectors
from tfcr.features.own import OwnFeatures
from tfcr.features.presets import PRESETS, FeaturePreset
from tfcr.features.sets import SETS, TOKEN_IDS
from tfcr.features.spectrogram import num_segments
from tfcr.features.vocabulary import VOCABULARY
from tfcr.preparation import feature_sets, notes, transcripts, unreadable
from tfcr.preparation.feature_sets import FeaturePlan, Vocabulary
from tfcr.preparation.shards import (
    Fingerprint,
    RecordPlan,
    ShardPlan,
    Written,
    in_threads,
    receipt,
    write_shards,
)
from tfcr.preparation.unreadable import RecordingError
from tfcr.record_order import RECORD_ORDER
from tfcr.wording import counted, printable

MIN_SHARDS = 8
SHARD_BYTES = 100_000_000
_RECORDING_DIGITS = 16  # of SHA-256, enough to tell recordings apart
MARK = ".preparation.json"  # written first: whose folder this is
_SEGMENT_BYTES = 4 * schema.SEGMENT_FRAMES * schema.NUM_BINS
_TEXT_BYTES = 4 * schema.MAX_TOKENS * schema.EMBEDDING_DIM


@dataclass(frozen=True)
class Preparation:
    """What to prepare, and where.

    Attributes:
        corpus: its name; see `tfcr.corpora.names`.
        root: the folder the corpus lies in.
        out: the dataset's folder.
        name: the dataset's name.
        preset: which preset's features.
        emotions: the classes, in label order.
        merge: emotion → class that it joins.
        embeddings: a file of word vectors, or gensim:NAME; None trains them on the dataset's own transcripts.
        transcripts: a CSV file (id,transcript) that replaces the corpus's words.
        features: names of built-in feature sets beside the paper's (`tfcr.features.sets`).
        own: files of one's own features.
        options: for the corpus's reader.
        skip_unreadable: leaves out the recordings that cannot be read, after a look at all of every one.
    """

    corpus: str
    root: pathlib.Path
    out: pathlib.Path
    name: str
    preset: str = "paper"
    emotions: Sequence[str] = schema.EMOTIONS
    merge: Mapping[str, str] = field(default_factory=lambda: dict(schema.MERGE))
    embeddings: str | os.PathLike | None = None
    transcripts: pathlib.Path | None = None
    features: Sequence[str] = ()
    own: Sequence[OwnFeatures] = ()
    options: Mapping = field(default_factory=dict)
    skip_unreadable: bool = False

    @property
    def reader_options(self) -> dict:
        """`options`, so that a manifest's labels which are classes here, or merged, keep their names."""
        kept = emotion_names.kept((*self.emotions, *self.merge)) if self.corpus == "manifest" else {}
        own = self.options.get("emotion_names") or {}
        return {**self.options, **({"emotion_names": {**kept, **own}} if kept else {})}

    def to_dict(self) -> dict:
        """What decides the content of the dataset, but the corpus's own files; for comparison."""
        return {
            "corpus": self.corpus,
            "name": self.name,
            "preset": self.preset,
            "emotions": list(self.emotions),
            "merge": dict(self.merge),
            **corpora.resolved_options(self.corpus, self.options),
        }

    def __post_init__(self) -> None:
        if len(self.emotions) < 2 or len(set(self.emotions)) != len(self.emotions) or "" in self.emotions:
            raise UsageError(f"emotions must be two or more different names; received {', '.join(self.emotions)}")
        if not self.name or "/" in self.name or self.name.startswith(".") or printable(self.name) != self.name:
            raise UsageError(f"name must be a file name in UTF-8; received {self.name!r}")
        for emotion, joins in self.merge.items():
            if joins not in self.emotions or emotion in self.emotions:
                raise UsageError(
                    f"merge cannot let {emotion!r} join {joins!r}; expected another emotion: one of the set"
                )


@dataclass(frozen=True)
class Progress:
    """How the caller hears of the work; every function may be called from several threads.

    Attributes:
        say: a sentence for the user.
        start: the seconds of audio ahead.
        advance: seconds of audio done.
    """

    say: Callable[[str], None] = lambda sentence: None
    start: Callable[[float], None] = lambda seconds: None
    advance: Callable[[float], None] = lambda seconds: None


class Writer(Protocol):
    """Who computes shards: threads of this process (`Threads`), or an engine."""

    def fingerprints(self, plan: ShardPlan) -> list[Fingerprint]:
        """What every shard is made from."""

    def write(
        self,
        plan: ShardPlan,
        out: pathlib.Path,
        advance: Callable[[float], None] = ...,
        fingerprints: Sequence[Fingerprint] | None = None,
    ) -> list[Written]:
        """As `write_shards`."""


@dataclass(frozen=True)
class Threads:
    """Writes shards by threads of this process."""

    workers: int

    def fingerprints(self, plan: ShardPlan) -> list[Fingerprint]:
        return plan.fingerprints(self.workers)

    def write(self, plan, out, advance=lambda seconds: None, fingerprints=None) -> list[Written]:
        return write_shards(plan, out, self.workers, advance, fingerprints)


def prepare(
    preparation: Preparation, workers: int = 1, progress: Progress | None = None, writer: Writer | None = None
) -> Dataset:
    """Reads the corpus, computes its features and writes the dataset.

    A dataset that is there already is checked and mended; a preparation that was cut off goes on. Neither the number of
    workers nor the writer changes anything in the bytes.

    Args:
        workers: threads that read the headers of recordings, and without `writer` compute the shards too.
        writer: computes the shards.

    Raises:
        TfcrError: the corpus, a recording or the word vectors are missing or broken, or `out` holds something else.
    """
    progress, writer = progress or Progress(), writer or Threads(workers)
    in_order = functools.partial(in_threads, workers=workers)
    refuse_other(preparation)
    refuse_missing_files(preparation)
    progress.say(announcement(preparation))
    corpus = corpora.read(preparation.corpus, preparation.root, **preparation.reader_options)
    for note in corpus.notes:
        progress.say(note)
    utterances, left_out = select(corpus.utterances, preparation.emotions, preparation.merge)
    for hint in misspelt(left_out, preparation.emotions, preparation.merge):
        progress.say(hint)
    remarks = list(corpus.notes)
    replaced = None if preparation.transcripts is None else transcripts.read_transcripts(preparation.transcripts)
    if replaced is not None:
        utterances = replaced.replace(utterances)
        replacements = replaced.notes(utterances, corpus.utterances)
        remarks += replacements
        for note in replacements[1:]:
            progress.say(note)
    chosen = len(utterances)
    utterances, samples, skipped = unreadable.readable(utterances, preparation.skip_unreadable, in_order, progress.say)
    if skipped:
        remarks.append(unreadable.note(skipped, chosen))
        progress.say(remarks[-1])
    preset = PRESETS[preparation.preset]
    own_sets = [own.feature_set([utterance.id for utterance in utterances]) for own in preparation.own]
    words = [preset.split_words(utterance.transcript) for utterance in utterances]
    vectors = word_vectors(preparation, words, progress)
    rows, coverage = index(utterances, samples, words, vectors, preparation.emotions, preset)
    check_coverage(preparation, coverage, progress)
    plan = RecordPlan(preparation.name, utterances, rows, number_of_shards(rows), preparation.preset, words, vectors)
    vocabulary = feature_sets.vocabulary_of(words, vectors)

    with files.held(preparation.out, "preparing"):
        adopt(preparation)
        of_speech = sum(SETS[name].of_samples is not None for name in preparation.features)
        progress.start((1 + of_speech) * sum(samples) / schema.SAMPLE_RATE)
        there = _features_there(preparation.out / INFO)
        refuse_other_modality(preparation, there)
        fingerprints = None
        if (preparation.out / INFO).is_file():
            fingerprints = writer.fingerprints(plan)
            refuse_other_input(preparation, plan, fingerprints)
        else:
            say_what_is_there(preparation, plan, progress)
        try:
            results = writer.write(plan, preparation.out, progress.advance, fingerprints)
        except RecordingError as error:
            unreadable.refuse_undecodable(utterances, str(error), in_order, progress.say)
            raise
        remove_other_shards(preparation.out, plan)
        fingerprints_now = [result.fingerprint for result in results] if fingerprints is None else fingerprints
        recorded = recordings(plan, fingerprints_now)
        rows = [replace(row, recording=digest[:_RECORDING_DIGITS]) for row, digest in zip(rows, recorded, strict=True)]
        write_index(preparation.out / INDEX, rows)
        vocabulary.write(preparation.out)
        remarks += notes.on_recordings(rows)
        info = describe(preparation, rows, replaced, vectors, coverage, vocabulary, left_out, remarks)
        if skipped:
            info["unreadable"] = [each.to_dict() for each in skipped]
        info["shards"] = [asdict(result.shard) for result in results]
        info["dataset_sha256"] = content_sha256(info)
        if fingerprints is None:
            files.write_json(preparation.out / MARK, finished_mark(preparation, plan, fingerprints_now))
        info["features"] = there
        plans = [
            *(_built_in(name, plan, recorded, vocabulary) for name in preparation.features),
            *(feature_sets.of_file(plan, *pair) for pair in zip(preparation.own, own_sets, strict=True)),
        ]
        is_new = _write_info(preparation.out / INFO, info)
        for feature_plan in plans:
            is_new |= add_features(feature_plan, preparation.out, info, writer, progress)
        if not is_new:
            os.utime(preparation.out / INFO)  # prepared last, even where nothing was left to do
            progress.say(f"{preparation.out} was prepared before from the same input; its shards are intact")
    return open_dataset(preparation.out)


def refuse_other_modality(preparation: Preparation, there: Mapping[str, Mapping]) -> None:
    """Refuses one's own features where the dataset has some of that name that stand for the other modality."""
    for own in preparation.own:
        known = there.get(own.name, {}).get("modality", own.modality)
        if known != own.modality:
            raise UsageError(
                f"{own.option}: {preparation.out} has features {own.name!r} that stand for {known}; rename the file"
            )


def _built_in(name: str, plan: RecordPlan, recordings: Sequence[str], vocabulary: Vocabulary) -> FeaturePlan:
    if name == TOKEN_IDS:
        return feature_sets.of_words(plan, vocabulary.ids(plan.words))
    return feature_sets.of_speech(plan, name, recordings)


def add_features(plan: FeaturePlan, out: pathlib.Path, info: dict, writer: Writer, progress: Progress) -> bool:
    """Writes what is missing of a feature set and enters it in `dataset_info.json`; says whether anything changed."""
    name = plan.feature_set.name
    before = info["features"].get(name)
    if before is not None and before["source_sha256"] != plan.source_sha256:
        progress.say(f"features {name}: their file has changed since they were prepared; they are written anew")
    if not plan.is_of_speech:
        progress.say(f"Adding the features {name}")
    results = writer.write(plan, out, progress.advance if plan.is_of_speech else lambda seconds: None)
    plan.refuse_changed_source()
    shards = [result.shard for result in results]
    info["features"] = info["features"] | {
        name: describe_features(plan.feature_set, shards, plan.modality, plan.source_sha256)
    }
    return _write_info(out / INFO, info)


def _features_there(path: pathlib.Path) -> dict:
    """The feature sets of a finished dataset, which another call may have added."""
    try:
        return files.read_json(path).get("features", {})
    except (TfcrError, AttributeError):
        return {}


def _write_info(path: pathlib.Path, info: dict) -> bool:
    """Writes `dataset_info.json` unless it says the same already; returns whether it was written."""
    if _says(path, info):
        return False
    files.write_json(path, info)
    return True


def _says(path: pathlib.Path, content: dict) -> bool:
    """Whether a JSON file is there, whole, and holds just that."""
    try:
        return files.read_json(path) == content
    except TfcrError:
        return False


def recordings(plan: ShardPlan, fingerprints: Sequence[Fingerprint]) -> list[str]:
    """SHA-256 of every utterance's recording, by position."""
    in_record_order = [digest for fingerprint in fingerprints for digest in fingerprint.recordings]
    by_position = dict(zip(plan.order, in_record_order, strict=True))
    return [by_position[position] for position in range(len(by_position))]


def select(
    utterances: Sequence[Utterance], emotions: Sequence[str], merge: Mapping[str, str]
) -> tuple[list[Utterance], Counter]:
    """The utterances of the chosen emotions after merging, sorted by id, and the count of each emotion left out."""
    merged = [replace(utterance, emotion=merge.get(utterance.emotion, utterance.emotion)) for utterance in utterances]
    kept = sorted((utterance for utterance in merged if utterance.emotion in emotions), key=lambda chosen: chosen.id)
    left_out = Counter(utterance.emotion for utterance in merged if utterance.emotion not in emotions)
    for name, count in Counter(utterance.id for utterance in kept).items():
        if count > 1:
            raise TfcrError(f"the id {name!r} stands {count} times; expected one utterance an id")
    present = {utterance.emotion for utterance in kept}
    absent = [emotion for emotion in emotions if emotion not in present]
    if absent:
        there = ", ".join(sorted({utterance.emotion for utterance in merged})) or "none"
        near = difflib.get_close_matches(absent[0].lower(), {utterance.emotion for utterance in merged}, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise TfcrError(
            f"no utterance has the emotion {absent[0]!r}{meant}; the corpus has {there}; choose by --emotions"
        )
    return kept, left_out


def misspelt(left_out: Counter, emotions: Sequence[str], merge: Mapping[str, str]) -> list[str]:
    """A sentence for every label left out that is nearly one of those chosen."""
    hints = []
    for label, count in sorted(left_out.items()):
        near = difflib.get_close_matches(label.lower(), [*emotions, *merge], n=1, cutoff=0.8)
        if near:
            of = f"of the emotion {label!r}"
            are = counted(count, f"utterance {of} is", f"utterances {of} are")
            hints.append(f"{are} left out; did you mean {near[0]!r}?")
    return hints


def word_vectors(preparation: Preparation, words: Sequence[Sequence[str]], progress: Progress) -> WordVectors:
    """Pretrained vectors, or without a file vectors trained on the dataset itself."""
    if preparation.embeddings is not None:
        return load_word_vectors(
            preparation.embeddings, {word for sentence in words for word in sentence}, progress.say
        )
    if not (preparation.out / INFO).is_file():  # else it was said before
        progress.say(
            "No --embeddings: Word2Vec is trained on this dataset's own transcripts, test ones included "
            "(transductive); figures for a paper want pretrained vectors (the paper: word2vec-google-news-300)"
        )
    return train_word_vectors(words)


def refuse_missing_files(preparation: Preparation) -> None:
    """Refuses word vectors and transcripts that are not there, before the corpus is read."""
    if preparation.embeddings is not None:
        refuse_missing(preparation.embeddings)
    if preparation.transcripts is not None:
        transcripts.refuse_missing(preparation.transcripts)
    for number, own in enumerate(preparation.own):
        own.check_name()
        if own.name in [earlier.name for earlier in preparation.own[:number]]:
            raise UsageError(
                f"{own.option}: {own.name!r} is given twice; a file, or two of one name, stand for one modality"
            )


def announcement(preparation: Preparation) -> str:
    """What `corpora.read` is about to do, and for how long where that is known."""
    options = corpora.resolved_options(preparation.corpus, preparation.options)
    if preparation.corpus == "synthetic" and not synthetic.is_written(preparation.root, **options):
        seconds = synthetic.SECONDS_PER_UTTERANCE * options["utterances"]
        return f"Writing the synthetic corpus to {preparation.root}, which takes about {duration(seconds)}"
    return f"Reading {preparation.corpus} at {preparation.root}"


def say_what_is_there(preparation: Preparation, plan: ShardPlan, progress: Progress) -> None:
    """Says what an unfinished preparation left; whether it was of the same input is seen shard by shard."""
    paths = [preparation.out / plan.file_name(shard) for shard in range(plan.count)]
    there = sum(path.is_file() and receipt(path).is_file() for path in paths)
    if there:
        progress.say(f"{there} of {counted(plan.count, 'shard')} {'is' if there == 1 else 'are'} there already")


def check_coverage(preparation: Preparation, coverage: Coverage, progress: Progress) -> None:
    """Refuses pretrained vectors that have none of the corpus's words; says where they have less than half."""
    if preparation.embeddings is None or not coverage.words:
        return
    fact = f"--embeddings {preparation.embeddings}: {coverage.known} of {counted(coverage.words, 'word')}"
    if not coverage.known:
        most = ", ".join(map(repr, list(coverage.summary(most=3)["out_of_vocabulary"])))
        raise TfcrError(f"{fact} have a vector, not even {most}; are the vectors of another language, or another file?")
    if coverage.known < coverage.words / 2:
        progress.say(f"{fact} have a vector, less than half; are the vectors of the corpus's language?")


def index(
    utterances: Sequence[Utterance],
    samples: Sequence[int],
    words: Sequence[Sequence[str]],
    vectors: WordVectors,
    emotions: Sequence[str],
    preset: FeaturePreset,
) -> tuple[list[IndexRow], Coverage]:
    """One row an utterance, but its recording's digest, and how many of its words have a vector."""
    coverage, rows = Coverage(), []
    for utterance, count, sentence in zip(utterances, samples, words, strict=True):
        coverage.count(sentence, vectors)
        frames = preset.num_frames(count)
        rows.append(
            IndexRow(
                id=utterance.id,
                emotion=utterance.emotion,
                label=list(emotions).index(utterance.emotion),
                speaker=utterance.speaker,
                session=utterance.session,
                script=utterance.script,
                num_samples=count,
                num_frames=frames,
                num_segments=num_segments(frames),
                num_tokens=len(vectors.embed(sentence)[0]),
                recording="",
            )
        )
    return rows, coverage


def number_of_shards(rows: Sequence[IndexRow]) -> int:
    """About 100 MB each and at least 8, but never one without a record."""
    size = sum(row.num_segments * _SEGMENT_BYTES + _TEXT_BYTES for row in rows)
    return min(len(rows), max(MIN_SHARDS, -(-size // SHARD_BYTES)))


def refuse_other(preparation: Preparation) -> None:
    """Refuses an `out` that was prepared with other options, before anything is read or written."""
    files.refuse_undecodable(preparation.out)
    mark = preparation.out / MARK
    if not mark.is_file() and not any(path.suffix == ".tfrecord" or path.name == INFO for path in _inside(preparation)):
        return
    refuse_sorted_records(preparation.out)
    content = files.read_json(mark) if mark.is_file() else None
    if not isinstance(content, dict) or not isinstance(content.get("options"), dict):
        raise TfcrError(f"{preparation.out} holds records of unknown origin; remove them, or choose another --out")
    before, now = content["options"], preparation.to_dict()
    other = [name for name in now if before.get(name) != now[name]]
    if other:
        raise TfcrError(
            f"{preparation.out} holds a dataset prepared with {other[0]} {before.get(other[0])!r}, "
            f"not {now[other[0]]!r}; remove it, or choose another --out or --name"
        )


def _inside(preparation: Preparation) -> Iterable[pathlib.Path]:
    return preparation.out.iterdir() if preparation.out.is_dir() else ()


def remove_other_shards(out: pathlib.Path, plan: ShardPlan) -> None:
    """Removes the shards of an unfinished preparation of other input, which had another number of them."""
    names = {plan.file_name(shard) for shard in range(plan.count)}
    for path in out.glob(f"{glob.escape(plan.name)}-*-of-*.tfrecord"):
        if path.name not in names:
            path.unlink()
            receipt(path).unlink(missing_ok=True)


def adopt(preparation: Preparation) -> None:
    """Makes `out` the folder of this preparation, and removes what a killed one left half-written."""
    if not (preparation.out / MARK).is_file():
        files.write_json(preparation.out / MARK, mark(preparation))
    files.remove_temporaries(preparation.out)
    shutil.rmtree(preparation.out / JOBS, ignore_errors=True)  # of a killed launcher of Apache Beam


def mark(preparation: Preparation) -> dict:
    """Whose folder it is."""
    return {"options": preparation.to_dict()}


def finished_mark(preparation: Preparation, plan: RecordPlan, fingerprints: Sequence[Fingerprint]) -> dict:
    """Whose folder a finished dataset is: a digest of all that it was made from, and for messages one of each kind."""
    texts = [{**vars(each), "audio": ""} for each in plan.utterances]
    return {
        **mark(preparation),
        "sha256": _digest([SCHEMA, *(fingerprint.sha256 for fingerprint in fingerprints)]),
        "inputs": {
            "recordings": _digest([fingerprint.recordings for fingerprint in fingerprints]),
            "transcripts or labels": _digest(texts),
            "word vectors": _digest([plan.vectors.source, plan.vectors.sha256]),
        },
    }


def _digest(content: list) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def refuse_other_input(preparation: Preparation, plan: RecordPlan, fingerprints: Sequence[Fingerprint]) -> None:
    """Refuses to change a finished dataset that was made from something else.

    One that was never finished is not refused: its input may have been mended, and `write_shards` tells which shards
    hold.
    """
    before, now = files.read_json(preparation.out / MARK), finished_mark(preparation, plan, fingerprints)
    if all(before.get(name) == now[name] for name in ("options", "sha256")):
        return
    known = before.get("inputs", {})
    other = [kind for kind, digest in now["inputs"].items() if known.get(kind, digest) != digest]
    raise TfcrError(
        f"{preparation.out} holds a dataset prepared from other "
        f"{' and '.join(other) or 'recordings, transcripts or word vectors'}; "
        "remove it, or choose another --out or --name"
    )


def describe(
    preparation: Preparation,
    rows: Sequence[IndexRow],
    replaced: transcripts.Transcripts | None,
    vectors: WordVectors,
    coverage: Coverage,
    vocabulary: Vocabulary,
    left_out: Counter,
    remarks: Sequence[str],
) -> dict:
    """The content of `dataset_info.json`, but the shards."""
    index_path = preparation.out / INDEX
    counts = {name: Counter(getattr(row, name) for row in rows) for name in ("emotion", "speaker", "session", "script")}
    counts["emotion"] = {emotion: counts["emotion"][emotion] for emotion in preparation.emotions}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "name": preparation.name,
        "corpus": preparation.corpus,
        "corpus_options": corpora.resolved_options(preparation.corpus, preparation.options),
        "preset": preparation.preset,
        "emotions": list(preparation.emotions),
        "merge": dict(preparation.merge),
        "utterances": len(rows),
        "segments": sum(row.num_segments for row in rows),
        "seconds": sum(row.num_samples for row in rows) / schema.SAMPLE_RATE,
        "counts": {
            name: dict(sorted(count.items()) if name != "emotion" else count.items()) for name, count in counts.items()
        },
        "left_out": dict(sorted(left_out.items())),
        "audio": {
            "sample_rate": schema.SAMPLE_RATE,
            "fft_length": schema.FFT_LENGTH,
            "hop_length": schema.HOP_LENGTH,
            "bins": schema.NUM_BINS,
            "segment_frames": schema.SEGMENT_FRAMES,
            **PRESETS[preparation.preset].constants,
        },
        "transcripts": None if replaced is None else replaced.to_dict(),
        "embeddings": {
            "source": vectors.source,
            "sha256": vectors.sha256,
            "dimension": schema.EMBEDDING_DIM,
            "max_tokens": schema.MAX_TOKENS,
            "transductive": vectors.transductive,
            **coverage.summary(),
        },
        "notes": list(remarks),
        "order": RECORD_ORDER,
        "index": _described_file(index_path),
        "vocabulary": {
            "words": len(vocabulary.words),
            "words_with_vector": int(vocabulary.known.sum()),
            **_described_file(preparation.out / VOCABULARY),
        },
    }


def _described_file(path: pathlib.Path) -> dict:
    return {"bytes": path.stat().st_size, "sha256": files.sha256_of_file(path)}
