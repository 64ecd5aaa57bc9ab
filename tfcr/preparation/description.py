"""What a dataset says of itself: the index of its utterances, and `dataset_info.json`."""

import pathlib
from collections import Counter
from collections.abc import Sequence

from tfcr import __version__, corpora, files, schema
from tfcr.corpora.utterance import Utterance
from tfcr.dataset_info import INDEX, SCHEMA, IndexRow
from tfcr.features.coverage import Coverage, warning
from tfcr.features.embeddings import WordVectors
from tfcr.features.presets import PRESETS, FeaturePreset
from tfcr.features.spectrogram import num_segments
from tfcr.features.vocabulary import VOCABULARY
from tfcr.preparation import notes
from tfcr.preparation.feature_sets import Vocabulary
from tfcr.preparation.made import Made
from tfcr.preparation.options import Preparation
from tfcr.preparation.selection import Selection
from tfcr.preparation.shards import Fingerprint, ShardPlan
from tfcr.record_order import RECORD_ORDER

MIN_SHARDS = 8
SHARD_BYTES = 100_000_000
_SEGMENT_BYTES = 4 * schema.SEGMENT_FRAMES * schema.NUM_BINS
_TEXT_BYTES = 4 * schema.MAX_TOKENS  # for each number of a word vector


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
                part=utterance.part,
            )
        )
    return rows, coverage


def recordings(plan: ShardPlan, fingerprints: Sequence[Fingerprint]) -> list[str]:
    """SHA-256 of every utterance's recording, by position."""
    in_record_order = [digest for fingerprint in fingerprints for digest in fingerprint.recordings]
    by_position = dict(zip(plan.order, in_record_order, strict=True))
    return [by_position[position] for position in range(len(by_position))]


def heard(plan: ShardPlan, results: Sequence[Made]) -> list[tuple[str, str]]:
    """What was heard of every utterance's recording (`Made`), by position."""
    in_record_order = [each for result in results for each in result.heard]
    by_position = dict(zip(plan.order, in_record_order, strict=True))
    return [by_position[position] for position in range(len(by_position))]


def number_of_shards(rows: Sequence[IndexRow], width: int) -> int:
    """About 100 MB each and at least 8, but never one without a record; word vectors have `width` numbers."""
    size = sum(row.num_segments * _SEGMENT_BYTES + width * _TEXT_BYTES for row in rows)
    return min(len(rows), max(MIN_SHARDS, -(-size // SHARD_BYTES)))


def describe(
    preparation: Preparation,
    selection: Selection,
    rows: Sequence[IndexRow],
    heard: Sequence[tuple[str, str]],
    vectors: WordVectors,
    coverage: Coverage,
    vocabulary: Vocabulary,
) -> dict:
    """The content of `dataset_info.json`, but the shards.

    Args:
        heard: of the recording of every row (`heard`).
    """
    index_path = preparation.out / INDEX
    has_parts = any(row.part for row in rows)
    groups = ("emotion", "speaker", "session", "script", *(["part"] if has_parts else []))
    counts = {name: Counter(getattr(row, name) for row in rows) for name in groups}
    counts["emotion"] = {emotion: counts["emotion"][emotion] for emotion in preparation.emotions}
    warned = warning(coverage)
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
        "left_out": dict(sorted(selection.left_out.items())),
        "unreadable": [each.to_dict() for each in selection.unreadable],
        "audio": {
            "sample_rate": schema.SAMPLE_RATE,
            "fft_length": schema.FFT_LENGTH,
            "hop_length": schema.HOP_LENGTH,
            "bins": schema.NUM_BINS,
            "segment_frames": schema.SEGMENT_FRAMES,
            **PRESETS[preparation.preset].constants,
        },
        "transcripts": None if selection.replaced is None else selection.replaced.to_dict(),
        "embeddings": {
            "source": vectors.source,
            "sha256": vectors.sha256,
            "dimension": vectors.width,
            "max_tokens": schema.MAX_TOKENS,
            "transductive": vectors.transductive,
            **coverage.summary(),
            "warning": warned,
        },
        "notes": [*selection.remarks, *filter(None, [warned]), *notes.on_recordings(rows, heard)],
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
