"""From a corpus to verified TFRecords."""

import functools
import os
import pathlib
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace

from tfcr import corpora, files, schema
from tfcr.corpora import synthetic
from tfcr.corpora.utterance import Utterance
from tfcr.dataset_info import (
    INDEX,
    INFO,
    Dataset,
    IndexRow,
    content_sha256,
    describe_features,
    open_dataset,
    write_index,
)
from tfcr.errors import TfcrError, UsageError
from tfcr.features.coverage import Coverage
from tfcr.features.embeddings import refuse_missing
from tfcr.features.presets import PRESETS
from tfcr.features.sets import SETS, TOKEN_IDS
from tfcr.preparation import feature_sets, transcripts
from tfcr.preparation.description import describe, heard, index, number_of_shards, recordings
from tfcr.preparation.feature_sets import FeaturePlan, Vocabulary
from tfcr.preparation.options import Preparation, Progress
from tfcr.preparation.ownership import (
    MARK,
    claim_folder,
    finished_mark,
    refuse_other,
    refuse_other_input,
    refuse_other_modality,
    remove_other_shards,
)
from tfcr.preparation.selection import read_selection, without_unreadable
from tfcr.preparation.shards import Fingerprint, RecordPlan, ShardPlan, Written, in_threads, receipt
from tfcr.preparation.unreadable import RecordingError, refuse_broken
from tfcr.preparation.word_vectors import check_coverage, word_vectors
from tfcr.preparation.writers import Threads, Writer
from tfcr.wording import counted, duration

_RECORDING_DIGITS = 16  # of SHA-256, enough to tell recordings apart


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
    refuse_other(preparation)
    refuse_missing_files(preparation)
    progress.say(announcement(preparation))
    in_order = functools.partial(in_threads, workers=workers)
    selection, samples = without_unreadable(
        read_selection(preparation, progress), preparation.skip_unreadable, in_order, progress.say
    )
    own_sets = [own.feature_set([utterance.id for utterance in selection.utterances]) for own in preparation.own]
    plan, coverage = plan_records(preparation, selection.utterances, samples, progress)
    vocabulary = feature_sets.vocabulary_of(plan.words, plan.vectors)

    with files.locked(preparation.out, "preparing"):
        claim_folder(preparation)
        progress.start(_seconds_ahead(preparation, samples))
        there = _features_there(preparation.out / INFO)
        refuse_other_modality(preparation, there)
        was_finished = (preparation.out / INFO).is_file()
        try:
            results, fingerprints = write_records(preparation, plan, writer, progress)
        except RecordingError as error:
            refuse_broken(selection.utterances, str(error), in_order, progress.say)
            raise
        recorded = recordings(plan, fingerprints)
        rows = _write_index(preparation.out, plan, recorded)
        vocabulary.write(preparation.out)
        info = describe(preparation, selection, rows, heard(plan, results), plan.vectors, coverage, vocabulary)
        info["shards"] = [asdict(result.shard) for result in results]
        info["dataset_sha256"] = content_sha256(info)
        if not was_finished:
            files.write_json(preparation.out / MARK, finished_mark(preparation, plan, fingerprints))
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


def plan_records(
    preparation: Preparation, utterances: Sequence[Utterance], samples: Sequence[int], progress: Progress
) -> tuple[RecordPlan, Coverage]:
    """The records that are to be written, and how many of their words have a vector."""
    preset = PRESETS[preparation.preset]
    words = [list(map(sys.intern, preset.split_words(utterance.transcript))) for utterance in utterances]
    vectors = word_vectors(preparation, words, progress)
    rows, coverage = index(utterances, samples, words, vectors, preparation.emotions, preset)
    check_coverage(preparation, coverage, progress)
    plan = RecordPlan(
        preparation.name, utterances, rows, number_of_shards(rows, vectors.width), preparation.preset, words, vectors
    )
    return plan, coverage


def write_records(
    preparation: Preparation, plan: RecordPlan, writer: Writer, progress: Progress
) -> tuple[list[Written], list[Fingerprint]]:
    """Writes what is missing of the records and mends what is broken: their shards, and what these are made from.

    Raises:
        TfcrError: a finished dataset was made from something else.
    """
    fingerprints = None
    if (preparation.out / INFO).is_file():
        fingerprints = writer.fingerprints(plan)
        refuse_other_input(preparation, plan, fingerprints)
    else:
        say_what_is_there(preparation, plan, progress)
    results = writer.write(plan, preparation.out, progress.advance, fingerprints)
    remove_other_shards(preparation.out, plan)
    made_from = [result.fingerprint for result in results] if fingerprints is None else fingerprints
    return results, made_from


def _seconds_ahead(preparation: Preparation, samples: Sequence[int]) -> float:
    """Of audio: every recording is read once, and once more for each feature set of speech."""
    of_speech = sum(SETS[name].of_samples is not None for name in preparation.features)
    return (1 + of_speech) * sum(samples) / schema.SAMPLE_RATE


def _write_index(out: pathlib.Path, plan: RecordPlan, recordings: Sequence[str]) -> list[IndexRow]:
    """Writes the index, with the recordings that its rows were read from."""
    rows = [
        replace(row, recording=digest[:_RECORDING_DIGITS]) for row, digest in zip(plan.rows, recordings, strict=True)
    ]
    write_index(out / INDEX, rows)
    return rows


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
        name: describe_features(plan.feature_set, shards, plan.modality, plan.source_sha256, plan.extractor)
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
    if _has_content(path, info):
        return False
    files.write_json(path, info)
    return True


def _has_content(path: pathlib.Path, content: dict) -> bool:
    """Whether a JSON file is there, whole, and holds just that."""
    try:
        return files.read_json(path) == content
    except TfcrError:
        return False


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
