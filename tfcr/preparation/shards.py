"""The shards of one dataset, each written whole or not at all, by several threads.

Threads rather than processes: decoding, the Fourier transform, the logarithm and the writing all release the
interpreter's lock, and nothing has to be copied or imported twice.
"""

import concurrent.futures
import dataclasses
import hashlib
import json
import pathlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import tensorflow as tf

from tfcr import files
from tfcr.corpora.audio import read_audio
from tfcr.corpora.utterance import Utterance
from tfcr.data.records import Record, serialise
from tfcr.dataset_info import IndexRow, Shard, is_intact
from tfcr.errors import TfcrError
from tfcr.features.embeddings import WordVectors
from tfcr.features.spectrogram import spectrogram
from tfcr.schema import FEATURES_REVISION, SAMPLE_RATE


@dataclass(frozen=True)
class ShardPlan:
    """What goes into the shards: utterances sorted by id, with their words and index rows, cut into equal runs."""

    name: str
    utterances: Sequence[Utterance]
    words: Sequence[Sequence[str]]
    rows: Sequence[IndexRow]
    vectors: WordVectors
    count: int

    def file_name(self, shard: int) -> str:
        return f"{self.name}-{shard:05d}-of-{self.count:05d}.tfrecord"

    def positions(self, shard: int) -> range:
        """The utterances of a shard."""
        total = len(self.utterances)
        return range(shard * total // self.count, (shard + 1) * total // self.count)

    def sha256(self, shard: int) -> str:
        """Identifies everything that decides a shard's bytes: recordings, transcripts, labels and word vectors."""
        digest = hashlib.sha256(f"features {FEATURES_REVISION}".encode())
        for position in self.positions(shard):
            utterance, row = self.utterances[position], self.rows[position]
            tokens, embeddings = self.vectors.embed(self.words[position])
            digest.update(json.dumps([utterance.transcript, dataclasses.astuple(row), tokens]).encode())
            digest.update(embeddings.tobytes())
        return digest.hexdigest()


def write_shards(
    plan: ShardPlan,
    out: pathlib.Path,
    identities: Sequence[str],
    workers: int,
    advance: Callable[[float], None] = lambda seconds: None,
) -> list[dict]:
    """Writes what is missing, broken or made from something else of the shards.

    Args:
        identities: of every shard, from `ShardPlan.sha256`.
        advance: called with the seconds of audio done, from any thread.

    Returns:
        Every shard's entry in `dataset_info.json`.
    """
    stop = threading.Event()
    pool = concurrent.futures.ThreadPoolExecutor(workers)
    try:
        pending = [
            pool.submit(_shard, plan, number, out, identity, advance, stop)
            for number, identity in enumerate(identities)
        ]
        ended, _ = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_EXCEPTION)
        for future in ended:
            future.result()  # a failure is told at once, not after the shards before it
        return [dataclasses.asdict(future.result()) for future in pending]
    finally:
        stop.set()  # an error or Ctrl-C: the others end at their next utterance and leave nothing half-written
        pool.shutdown(wait=True, cancel_futures=True)


def _shard(
    plan: ShardPlan,
    number: int,
    out: pathlib.Path,
    identity: str,
    advance: Callable[[float], None],
    stop: threading.Event,
) -> Shard:
    """One shard: the one that is there when it is right, else a new one."""
    finished = _finished(out / plan.file_name(number), identity)
    if finished is not None:
        advance(sum(plan.rows[position].num_samples for position in plan.positions(number)) / SAMPLE_RATE)
        return finished
    path = out / plan.file_name(number)
    with files.written_whole(path) as temporary:
        _write(plan, number, temporary, advance, stop)
        shard = Shard(path.name, len(plan.positions(number)), temporary.stat().st_size, files.sha256_of_file(temporary))
        files.write_json(_receipt(path), {"made_from": identity, "shard": dataclasses.asdict(shard)})
    return shard


def _finished(path: pathlib.Path, identity: str) -> Shard | None:
    """The shard as an earlier call left it, or None when it is missing, cut, changed or made from something else."""
    try:
        receipt = files.read_json(_receipt(path))
        shard = Shard(**receipt["shard"])
        right = receipt["made_from"] == identity and is_intact(path.parent, shard)
    except (TfcrError, TypeError, KeyError):  # a receipt that is missing or broken proves nothing
        return None
    return shard if right else None


def _receipt(path: pathlib.Path) -> pathlib.Path:
    """Where a finished shard's count and SHA-256, and that of what it was made from, wait for `dataset_info.json`."""
    return path.with_name(f".{path.name}.json")


def _write(
    plan: ShardPlan, number: int, path: pathlib.Path, advance: Callable[[float], None], stop: threading.Event
) -> None:
    try:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for position in plan.positions(number):
                if stop.is_set():
                    raise TfcrError("the preparation was stopped; the same command goes on with it")
                writer.write(serialise(_record(plan, position)))
                advance(plan.rows[position].num_samples / SAMPLE_RATE)
    except tf.errors.OpError as error:
        raise TfcrError(
            f"{path.parent} cannot take {plan.file_name(number)} ({error.message}); "
            "make room, and the same command goes on"
        ) from None


def _record(plan: ShardPlan, position: int) -> Record:
    utterance, row = plan.utterances[position], plan.rows[position]
    segments, frames = spectrogram(read_audio(utterance.audio))
    if frames != row.num_frames:
        raise TfcrError(f"{utterance.audio} changed while it was read: {frames} frames; expected {row.num_frames}")
    tokens, embeddings = plan.vectors.embed(plan.words[position])
    return Record(
        id=utterance.id,
        speaker=utterance.speaker,
        session=utterance.session,
        script=utterance.script,
        transcript=utterance.transcript,
        emotion=utterance.emotion,
        label=row.label,
        num_frames=frames,
        tokens=tokens,
        spectrogram=segments,
        embeddings=embeddings,
    )
