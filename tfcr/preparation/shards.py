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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import tensorflow as tf

from tfcr import files
from tfcr.corpora.audio import Heard, hear
from tfcr.corpora.utterance import Utterance
from tfcr.data.records import Record, serialise
from tfcr.dataset_info import IndexRow, Shard
from tfcr.errors import TfcrError
from tfcr.features.embeddings import WordVectors
from tfcr.features.presets import PRESETS
from tfcr.preparation.made import Made
from tfcr.preparation.unreadable import naming
from tfcr.record_order import record_order, shard_bounds
from tfcr.schema import FEATURES_REVISION, SAMPLE_RATE
from tfcr.verification import is_intact

_SAMPLES_DIGITS = 16  # of SHA-256, enough to tell the samples of recordings apart
_TURNS = 1000  # of a thread at most: each takes a kilobyte or two while it waits


@dataclass(frozen=True)
class Fingerprint:
    """What a shard is made from.

    Attributes:
        sha256: of everything that decides its bytes.
        recordings: SHA-256 of every recording's file.
    """

    sha256: str
    recordings: Sequence[str]


@dataclass(frozen=True)
class Written(Made):
    """A shard that is there, and what it was made from."""

    fingerprint: Fingerprint = dataclasses.field(kw_only=True)


@dataclass(frozen=True)
class ShardPlan:
    """What goes into a dataset's shards: utterances sorted by id, with their index rows.

    Shards are equal runs of the records, which stand in the order of `tfcr.record_order`. A plan says by `fingerprint`
    what decides the bytes of a shard, and by `serialised` what stands in it.

    Attributes:
        count: of all shards.
        only: of a plan that was cut to one shard, which; it has the utterances of that shard alone, in the order of
            its records.
    """

    name: str
    utterances: Sequence[Utterance]
    rows: Sequence[IndexRow]
    count: int
    only: int | None = dataclasses.field(default=None, kw_only=True)

    def file_name(self, shard: int) -> str:
        return f"{self.name}-{shard:05d}-of-{self.count:05d}.tfrecord"

    @cached_property
    def order(self) -> Sequence[int]:
        """The positions of the utterances in the order of their records."""
        if self.only is not None:
            return range(len(self.utterances))
        return record_order([utterance.id for utterance in self.utterances])

    def positions(self, shard: int) -> Sequence[int]:
        """The utterances of a shard, in the order of its records."""
        if self.only is not None:
            return self.order
        bounds = shard_bounds(len(self.utterances), self.count)
        return self.order[bounds[shard] : bounds[shard + 1]]

    def seconds(self, shard: int) -> float:
        """How much audio a shard holds."""
        return sum(self.rows[position].num_samples for position in self.positions(shard)) / SAMPLE_RATE

    def fingerprint(self, shard: int) -> Fingerprint:
        """Identifies everything that decides a shard's bytes."""
        raise NotImplementedError

    def serialised(self, position: int) -> bytes:
        """The record of an utterance."""
        raise NotImplementedError

    def heard_in(self, shard: int) -> list[tuple[str, str]]:
        """What was heard of a shard's recordings (`Made`), once its records are computed."""
        return []

    def fingerprints(self, workers: int) -> list[Fingerprint]:
        """That of every shard."""
        return in_threads(self.fingerprint, range(self.count), workers)


@dataclass(frozen=True)
class RecordPlan(ShardPlan):
    """The records of a dataset: spectrograms and word vectors."""

    preset: str
    words: Sequence[Sequence[str]]
    vectors: WordVectors
    heard: dict[int, tuple[str, str]] = dataclasses.field(default_factory=dict, kw_only=True, repr=False, compare=False)

    def fingerprint(self, shard: int) -> Fingerprint:
        """Of recordings, transcripts, labels and word vectors; reads the shard's recordings."""
        recordings = []
        digest = hashlib.sha256(f"features {FEATURES_REVISION} {self.preset}".encode())
        for position in self.positions(shard):
            utterance, row = self.utterances[position], self.rows[position]
            with naming(utterance):
                recordings.append(sha256_of_recording(utterance.audio))
            tokens, embeddings = self.vectors.embed(self.words[position])
            content = [utterance.transcript, row.values, recordings[-1], tokens]
            digest.update(json.dumps(content).encode())
            digest.update(embeddings.tobytes())
        return Fingerprint(digest.hexdigest(), recordings)

    def serialised(self, position: int) -> bytes:
        utterance, row = self.utterances[position], self.rows[position]
        heard = _heard(utterance)
        digest = hashlib.sha256(np.ascontiguousarray(heard.samples).data).hexdigest()
        self.heard[position] = digest[:_SAMPLES_DIGITS], heard.flaw
        segments, frames = PRESETS[self.preset].pictures(heard.samples)
        if frames != row.num_frames:
            raise TfcrError(f"{utterance.audio} changed while it was read: {frames} frames; expected {row.num_frames}")
        tokens, embeddings = self.vectors.embed(self.words[position])
        return serialise(
            Record(
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
                part=utterance.part,
            )
        )

    def heard_in(self, shard: int) -> list[tuple[str, str]]:
        return [self.heard[position] for position in self.positions(shard)]


def samples_of(utterance: Utterance) -> np.ndarray:
    """Its recording, float [samples] in [-1, 1) at 16 kHz."""
    return _heard(utterance).samples


def _heard(utterance: Utterance) -> Heard:
    with naming(utterance):
        return hear(utterance.audio)


def in_threads(function: Callable, arguments: Iterable, workers: int, stop: threading.Event | None = None) -> list:
    """`function` of every argument, in order, by several threads.

    Of many, a thread takes some at a time. The first failure, or Ctrl-C, is raised as soon as the calls under way have
    ended; `stop` tells them to, and what has not begun by then raises `CancelledError`.
    """
    arguments, stop = list(arguments), stop or threading.Event()
    taken = -(-len(arguments) // (_TURNS * workers)) or 1

    def call(first: int) -> list:
        found = []
        for argument in arguments[first : first + taken]:
            if stop.is_set():
                raise concurrent.futures.CancelledError
            found.append(function(argument))
        return found

    pool = concurrent.futures.ThreadPoolExecutor(workers)
    try:
        pending = [pool.submit(call, first) for first in range(0, len(arguments), taken)]
        ended, _ = concurrent.futures.wait(pending, return_when=concurrent.futures.FIRST_EXCEPTION)
        for future in ended:
            future.result()  # a failure is told at once, not after those before it
        return [result for future in pending for result in future.result()]
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def sha256_of_recording(path: pathlib.Path) -> str:
    """SHA-256 of a recording's file."""
    try:
        return files.sha256_of_file(path)
    except OSError as error:
        raise TfcrError(f"{path} cannot be read ({error.strerror})") from None


def write_shards(
    plan: ShardPlan,
    out: pathlib.Path,
    workers: int,
    advance: Callable[[float], None] = lambda seconds: None,
    fingerprints: Sequence[Fingerprint] | None = None,
) -> list[Written]:
    """Writes what is missing, broken or made from something else of the shards.

    Args:
        advance: called with the seconds of audio done, from any thread.
        fingerprints: what the shards are made from, where it is known already.
    """
    stop = threading.Event()

    def shard(number: int) -> Written:
        fingerprint = plan.fingerprint(number) if fingerprints is None else fingerprints[number]
        made = write_shard(plan, number, out, fingerprint.sha256, advance, stop)
        return Written(made.shard, made.heard, fingerprint=fingerprint)

    return in_threads(shard, range(plan.count), workers, stop)


def write_shard(
    plan: ShardPlan,
    number: int,
    out: pathlib.Path,
    identity: str,
    advance: Callable[[float], None],
    stop: threading.Event,
) -> Made:
    """One shard: the one that is there when it is right, else a new one.

    Args:
        identity: SHA-256 of what it is made from (`Fingerprint`).
        advance: called with the seconds of audio done.
        stop: ends the work between two records.
    """
    path = out / plan.file_name(number)
    finished = finished_shard(path, identity)
    if finished is not None:
        advance(plan.seconds(number))
        return finished
    with files.written_whole(path) as temporary:
        _write(plan, number, temporary, advance, stop)
        shard = Shard(path.name, len(plan.positions(number)), temporary.stat().st_size, files.sha256_of_file(temporary))
        made = Made(shard, plan.heard_in(number))
        files.write_json(receipt(path), {"made_from": identity, **made.to_dict()})
    return made


def finished_shard(path: pathlib.Path, identity: str) -> Made | None:
    """The shard as an earlier call left it, or None when it is missing, cut, changed or made from something else."""
    try:
        content = files.read_json(receipt(path))
        made = Made.from_dict(content)
        right = content["made_from"] == identity and is_intact(path.parent, made.shard)
    except (TfcrError, TypeError, KeyError, ValueError):  # a receipt that is missing or broken proves nothing
        return None
    return made if right else None


def receipt(path: pathlib.Path) -> pathlib.Path:
    """Where what is known of a finished shard waits for `dataset_info.json`: `Made`, and what it was made from."""
    return path.with_name(f".{path.name}.json")


def _write(
    plan: ShardPlan, number: int, path: pathlib.Path, advance: Callable[[float], None], stop: threading.Event
) -> None:
    try:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for position in plan.positions(number):
                if stop.is_set():
                    raise TfcrError("the preparation was stopped; the same command goes on with it")
                writer.write(plan.serialised(position))
                advance(plan.rows[position].num_samples / SAMPLE_RATE)
    except tf.errors.OpError as error:
        raise TfcrError(
            f"{path.parent} cannot take {plan.file_name(number)} ({error.message}); "
            "make room, and the same command goes on"
        ) from None
