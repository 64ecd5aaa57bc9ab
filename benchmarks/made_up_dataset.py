"""A prepared dataset with the sizes of IEMOCAP's four classes and made-up content, written in seconds.

Only sizes count for speed: how many utterances there are, how many segments and words each has, and how the bytes lie
in the shards. Spectrograms and word vectors are cut out of two pools of noise.
"""

import dataclasses
import itertools
import pathlib
from collections import Counter

import numpy as np
import tensorflow as tf
from batches import sentence_lengths

from tfcr import __version__, files, schema
from tfcr.data.records import Record, serialise
from tfcr.dataset_info import INDEX, INFO, SCHEMA, Dataset, IndexRow, Shard, content_sha256, open_dataset, write_index
from tfcr.preparation.description import number_of_shards
from tfcr.record_order import RECORD_ORDER, record_order, shard_bounds

UTTERANCES = 5531  # of IEMOCAP's four classes
SECONDS = 4.55  # the mean of an utterance there; 4.93 segments
_POOL = 256  # segments of noise
_SPEAKERS = 10


def write(folder: pathlib.Path, utterances: int = UTTERANCES, seed: int = 0) -> Dataset:
    """Writes such a dataset with some utterances into an empty folder, 0.36 MB each of them."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = _rows(utterances, random)
    pool = random.normal(-70, 15, (_POOL, schema.SEGMENT_FRAMES, schema.NUM_BINS)).astype(np.float32)
    words = random.normal(0, 0.3, (_POOL, schema.EMBEDDING_DIM)).astype(np.float32)
    count = number_of_shards(rows, schema.EMBEDDING_DIM)
    bounds, order = shard_bounds(utterances, count), record_order([row.id for row in rows])
    shards = []
    for number, (begin, end) in enumerate(itertools.pairwise(bounds)):
        path = folder / f"{folder.name}-{number:05d}-of-{count:05d}.tfrecord"
        with tf.io.TFRecordWriter(str(path)) as writer:
            for position in order[begin:end]:
                writer.write(serialise(_record(rows[position], pool, words, random)))
        shards.append(Shard(path.name, end - begin, path.stat().st_size, files.sha256_of_file(path)))
    write_index(folder / INDEX, rows)
    files.write_json(folder / INFO, _info(folder, rows, shards))
    return open_dataset(folder)


def _rows(utterances: int, random: np.random.Generator) -> list[IndexRow]:
    seconds = np.clip(random.gamma(2.5, SECONDS / 2.5, utterances), 0.6, 34)
    tokens = sentence_lengths(utterances, random)
    rows = []
    for number, (duration, words) in enumerate(zip(seconds, tokens, strict=True)):
        label = int(random.integers(len(schema.EMOTIONS)))
        samples = round(duration * schema.SAMPLE_RATE)
        frames = (samples - schema.FFT_LENGTH) // schema.HOP_LENGTH + 1
        rows.append(
            IndexRow(
                id=f"u{number:06d}",
                emotion=schema.EMOTIONS[label],
                label=label,
                speaker=f"s{number % _SPEAKERS}",
                session=str(number % _SPEAKERS // 2),
                script=str(number % 50),
                num_samples=samples,
                num_frames=frames,
                num_segments=-(-frames // schema.SEGMENT_FRAMES),
                num_tokens=int(words),
                recording=f"{number:016x}",
            )
        )
    return rows


def _record(row: IndexRow, pool: np.ndarray, words: np.ndarray, random: np.random.Generator) -> Record:
    spectrogram = pool[random.integers(_POOL, size=row.num_segments)]
    spectrogram.reshape(-1, schema.NUM_BINS)[row.num_frames :] = schema.FLOOR_DB
    embeddings = np.zeros((schema.MAX_TOKENS, schema.EMBEDDING_DIM), np.float32)
    kept = min(row.num_tokens, schema.MAX_TOKENS)
    embeddings[:kept] = words[random.integers(_POOL, size=kept)]
    known = {name: getattr(row, name) for name in ("id", "speaker", "session", "script", "emotion", "label")}
    return Record(
        **known,
        transcript="word " * row.num_tokens,
        num_frames=row.num_frames,
        tokens=["word"] * row.num_tokens,
        spectrogram=spectrogram,
        embeddings=embeddings,
    )


def _info(folder: pathlib.Path, rows: list[IndexRow], shards: list[Shard]) -> dict:
    counts = {name: Counter(getattr(row, name) for row in rows) for name in ("emotion", "speaker", "session", "script")}
    path = folder / INDEX
    info = {
        "schema": SCHEMA,
        "order": RECORD_ORDER,
        "version": __version__,
        "name": folder.name,
        "corpus": "made-up",
        "preset": "paper",
        "emotions": list(schema.EMOTIONS),
        "utterances": len(rows),
        "segments": sum(row.num_segments for row in rows),
        "counts": counts,
        "embeddings": {"source": "noise", "sha256": None, "transductive": False},
        "index": {"bytes": path.stat().st_size, "sha256": files.sha256_of_file(path)},
        "shards": [dataclasses.asdict(shard) for shard in shards],
    }
    return {**info, "dataset_sha256": content_sha256(info)}
