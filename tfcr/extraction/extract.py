"""From recordings or transcripts to a file of features (`docs/features.md`)."""

import hashlib
import json
import pathlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfcr import files
from tfcr.corpora.audio import read_audio, read_blocks
from tfcr.errors import TfcrError, UsageError
from tfcr.extraction.checked import said, whole
from tfcr.extraction.extractor import Extractor
from tfcr.extraction.parts import Part, Parts, described, otherness
from tfcr.extraction.sources import Source, Sources
from tfcr.features.own import refuse_unholdable
from tfcr.preparation.options import Progress
from tfcr.schema import SAMPLE_RATE
from tfcr.wording import counted, printable

_SAVED_EVERY = 20.0  # seconds: what a kill costs at most, beside the batch under way


@dataclass(frozen=True)
class Extracted:
    """What came of an extraction.

    Attributes:
        count: utterances that the file has.
        failed: id → why it has no features.
    """

    count: int
    failed: Mapping[str, str]


def extract(
    sources: Sources, extractor: Extractor, out: pathlib.Path, batch_size: int = 8, progress: Progress | None = None
) -> Extracted:
    """Writes the features of everything, whole or not at all; one that was cut off goes on.

    Batches are drawn by length from all that is wanted, so that the bytes do not depend on where it was cut off. One
    that goes on with another batch size keeps what is there, which may have other last digits. What failed is tried
    again.

    Args:
        out: an HDF5 file; one that the same extractor made is completed.

    Raises:
        TfcrError: `out` is another's, nothing has features, or one file cannot hold all ids.
    """
    progress = progress or Progress()
    there = _there(out, extractor, sources) if out.exists() else set()
    wanted = [source for source in sources.found if source.id not in there]
    if there and not wanted:
        progress.say(f"{out} was extracted before, by the same extractor")
        return _extracted(len(there), sources.broken)
    refuse_unholdable({each.id for each in wanted} | there)
    batches = batches_by_length(wanted, extractor.longest, batch_size)
    ordered = [source for batch in batches for source in batch]
    parts = Parts(out, _plan(extractor, ordered), batch_size)
    with parts.claimed(progress.say):
        done, failed = parts.done(), dict[str, str]()
        if done:
            progress.say(f"{len(done)} of {counted(len(ordered), 'utterance')} are there already")
        ahead = list(filter(None, ([source for source in batch if source.id not in done] for batch in batches)))
        progress.start(_work(source for batch in ahead for source in batch))
        while ahead:
            ahead = _some(ahead, extractor, parts, failed, progress)
        count = len(there) + len(wanted) - len(failed)
        failed |= sources.broken
        if not count:
            parts.remove()
            raise TfcrError(f"nothing in {sources.corpus} has features; the first: {failed[min(failed)]}")
        digests = {each.id: each.digest for each in ordered if each.id not in failed}  # what failed may not open
        parts.join(extractor.description, digests, out if there else None)
    return _extracted(count, failed)


def _extracted(count: int, failed: Mapping[str, str]) -> Extracted:
    return Extracted(count, {id: printable(failed[id]) for id in sorted(failed)})


def batches_by_length(sources: Sequence[Source], longest: int | None, size: int) -> list[list[Source]]:
    """All sources, those of like length together; what is longer than `longest` stands alone, at the end."""
    ordered = sorted(sources, key=lambda source: (source.length, source.id))
    short = [each for each in ordered if longest is None or each.length <= longest]
    return [
        *(short[start : start + size] for start in range(0, len(short), size)),
        *([each] for each in ordered[len(short) :]),
    ]


def _there(out: pathlib.Path, extractor: Extractor, sources: Sources) -> set[str]:
    """The ids that `out` has features of, made by the same extractor of the same recordings or words."""
    before, digests = described(out)
    if before is None:
        raise TfcrError(f"--out {out} is there, and does not say what made its features; remove it, or name another")
    how = otherness(before, json.loads(json.dumps(extractor.description)))
    if how:
        raise UsageError(f"--out {out} has features {how}; remove it, or name another")
    for source in sources.found:
        known = digests.get(source.id)
        if known and (digest := source.digest) and digest != known:
            what = "words" if source.audio is None else "recordings"
            raise UsageError(
                f"--out {out} has features of {source.id!r} made of other {what}; remove it, or name another"
            )
    return set(digests)


def _plan(extractor: Extractor, ordered: Sequence[Source]) -> dict:
    """What decides the features; a changed recording shows in its stamp."""
    digest = hashlib.sha256()
    for source in ordered:
        stamp = files.stamp(source.audio) if source.audio is not None and source.audio.exists() else []
        digest.update(json.dumps([source.id, source.length, source.transcript, stamp]).encode())
    return json.loads(json.dumps({"extractor": extractor.description, "sources": digest.hexdigest()}))


def _work(sources: Iterable[Source]) -> float:
    """Seconds of audio; of transcripts their number."""
    return sum(1 if source.audio is None else source.length / SAMPLE_RATE for source in sources)


def _some(
    ahead: list[list[Source]], extractor: Extractor, parts: Parts, failed: dict[str, str], progress: Progress
) -> list[list[Source]]:
    """Computes batches for a while and keeps what came of them; returns those that are left.

    Args:
        failed: gets id → why there are no features of it.
    """
    began = time.monotonic()
    with parts.writing() as part:
        for number, batch in enumerate(ahead):
            if part.ids and time.monotonic() - began >= _SAVED_EVERY:
                return ahead[number:]
            _compute(batch, extractor, part, failed)
            progress.advance(_work(batch))
    return []


def _compute(batch: Sequence[Source], extractor: Extractor, part: Part, failed: dict[str, str]) -> None:
    if extractor.longest is not None and batch[0].length > extractor.longest:
        _compute_long(batch[0], extractor, part, failed)
        return
    readable, contents = [], []
    for source in batch:
        try:
            contents.append(_content(source))
            readable.append(source)
        except (TfcrError, OSError) as error:
            failed[source.id] = source.told(error)
    for source, features in zip(readable, _features(contents, extractor), strict=True):
        if isinstance(features, TfcrError):
            failed[source.id] = source.told(features)
        else:
            part.add(source.id, features)


def _features(contents: Sequence, extractor: Extractor) -> list[np.ndarray | TfcrError]:
    """Features of each, or why there are none: where a batch has a bad one, each is tried alone."""
    if not contents:
        return []
    try:
        with said():
            return list(map(whole, extractor.features_of(contents)))
    except TfcrError as error:
        if len(contents) == 1:
            return [error]
        return [each for content in contents for each in _features([content], extractor)]


def _compute_long(source: Source, extractor, part: Part, failed: dict[str, str]) -> None:
    """As `_compute`, of a recording that is cut into windows, of which few are held at a time."""
    settings, total, count = extractor.settings, 0, 0
    assert source.audio is not None  # words are never long
    try:
        _refuse_other_recording(source)
        with said():
            for features in map(whole, extractor.parts(read_blocks(source.audio))):
                if settings.pool == "mean":
                    total = total + features.sum(axis=1, keepdims=True, dtype=np.float64)
                    count += features.shape[1]
                else:
                    part.append(source.id, settings.shaped(features))
    except (TfcrError, OSError) as error:
        part.discard(source.id)
        failed[source.id] = source.told(error)
        return
    if settings.pool == "mean":
        part.add(source.id, settings.shaped(total / count))


def _content(source: Source) -> np.ndarray | str:
    """Its samples, float32 [samples], or its words."""
    if source.audio is None:
        return source.transcript
    _refuse_other_recording(source)
    return read_audio(source.audio).astype(np.float32)


def _refuse_other_recording(source: Source) -> None:
    """Refuses a recording that is another than the dataset was prepared from."""
    if source.audio and source.recording and not files.sha256_of_file(source.audio).startswith(source.recording):
        raise TfcrError(f"{source.audio} is another recording than the one that was prepared")
