"""Whose folder it is: what a preparation leaves there to know its own by, and what it refuses to touch."""

import glob
import hashlib
import json
import pathlib
import shutil
from collections.abc import Iterable, Mapping, Sequence

from tfcr import files
from tfcr.corpora.utterance import Utterance
from tfcr.dataset_info import INFO, JOBS, SCHEMA, refuse_sorted_records
from tfcr.errors import TfcrError, UsageError
from tfcr.preparation.options import Preparation
from tfcr.preparation.shards import Fingerprint, RecordPlan, ShardPlan, receipt

MARK = ".preparation.json"  # written first: whose folder this is


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


def refuse_other_modality(preparation: Preparation, there: Mapping[str, Mapping]) -> None:
    """Refuses one's own features where the dataset has some of that name that stand for the other modality."""
    for own in preparation.own:
        known = there.get(own.name, {}).get("modality", own.modality)
        if known != own.modality:
            raise UsageError(
                f"{own.option}: {preparation.out} has features {own.name!r} that stand for {known}; rename the file"
            )


def refuse_other_input(preparation: Preparation, plan: RecordPlan, fingerprints: Sequence[Fingerprint]) -> None:
    """Refuses to change a finished dataset that was made from something else.

    One that was never finished is not refused: its input may have been mended, and `write_shards` tells which shards
    hold.
    """
    before, now = files.read_json(preparation.out / MARK), finished_mark(preparation, plan, fingerprints)
    if all(before.get(name) == now[name] for name in ("options", "sha256")):
        return
    known = {"official parts": None, **before.get("inputs", {})}
    other = [kind for kind, digest in now["inputs"].items() if known.get(kind, digest) != digest]
    raise TfcrError(
        f"{preparation.out} holds a dataset prepared from other "
        f"{' and '.join(other) or 'recordings, transcripts or word vectors'}; "
        "remove it, or choose another --out or --name"
    )


def claim_folder(preparation: Preparation) -> None:
    """Marks `out` as the folder of this preparation, and removes half-written files of one that was killed."""
    if not (preparation.out / MARK).is_file():
        files.write_json(preparation.out / MARK, mark(preparation))
    files.remove_temporaries(preparation.out)
    shutil.rmtree(preparation.out / JOBS, ignore_errors=True)  # of a killed launcher of Apache Beam


def remove_other_shards(out: pathlib.Path, plan: ShardPlan) -> None:
    """Removes the shards of an unfinished preparation of other input, which had another number of them."""
    names = {plan.file_name(shard) for shard in range(plan.count)}
    for path in out.glob(f"{glob.escape(plan.name)}-*-of-*.tfrecord"):
        if path.name not in names:
            path.unlink()
            receipt(path).unlink(missing_ok=True)


def mark(preparation: Preparation) -> dict:
    """Whose folder it is."""
    return {"options": preparation.to_dict()}


def finished_mark(preparation: Preparation, plan: RecordPlan, fingerprints: Sequence[Fingerprint]) -> dict:
    """Whose folder a finished dataset is: a digest of all that it was made from, and for messages one of each kind."""
    parts = [each.part for each in plan.utterances]
    return {
        **mark(preparation),
        "sha256": _digest([SCHEMA, *(fingerprint.sha256 for fingerprint in fingerprints)]),
        "inputs": {
            "recordings": _digest([fingerprint.recordings for fingerprint in fingerprints]),
            "transcripts or labels": _digest(map(_texts, plan.utterances)),
            "official parts": _digest(parts) if any(parts) else None,
            "word vectors": _digest([plan.vectors.source, plan.vectors.sha256]),
        },
    }


def _texts(utterance: Utterance) -> dict[str, str]:
    """Its words and labels, without the part, which has a digest of its own."""
    texts = utterance.to_dict() | {"audio": ""}
    return {name: text for name, text in texts.items() if name != "part"}


def _digest(content: Iterable) -> str:
    """SHA-256 of a list's JSON, made one element at a time."""
    digest = hashlib.sha256(b"[")
    for number, each in enumerate(content):
        digest.update(f"{', ' if number else ''}{json.dumps(each)}".encode())
    digest.update(b"]")
    return digest.hexdigest()
