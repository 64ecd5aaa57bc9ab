"""Whether the shards and the index of a dataset keep what its info file says of them. No TensorFlow."""

import contextlib
import json
import pathlib
from collections.abc import Iterable

from tfcr import files
from tfcr.dataset_info import INDEX, PREPARE_AGAIN, Dataset, Shard
from tfcr.errors import TfcrError
from tfcr.features.vocabulary import VOCABULARY

_VERIFIED = ".verified.json"


def verify(dataset: Dataset, features: Iterable[str] = (), thoroughly: bool = False) -> None:
    """Compares every shard's size and SHA-256 with the info file; unchanged shards are read once, not every time.

    Args:
        features: the feature sets that are looked at too.
        thoroughly: reads every shard, also one whose size and time have not changed since it was read last.

    Raises:
        TfcrError: a shard or the index is missing, cut or changed; the message names it.
    """
    known = {} if thoroughly else _read_verified(dataset.folder)
    files_to_check = [*dataset.shards, Shard(INDEX, dataset.info["utterances"], **dataset.info["index"])]
    if described := dataset.info.get("vocabulary"):
        files_to_check.append(Shard(VOCABULARY, described["words"], described["bytes"], described["sha256"]))
    for feature_set in dataset.feature_sets(features):
        files_to_check += feature_set.shards
    for shard in files_to_check:
        reason = _difference(dataset.folder, shard, known)
        if reason:
            raise TfcrError(f"{dataset.folder / shard.name} {reason}; {PREPARE_AGAIN}")
    _write_verified(dataset.folder, known)


def is_intact(folder: pathlib.Path, shard: Shard) -> bool:
    """Whether a shard is there with its bytes as they were written."""
    return not _difference(folder, shard, {})


def _difference(folder: pathlib.Path, shard: Shard, known: dict) -> str:
    """What is wrong with a shard, or an empty string; adds to `known` what was found right."""
    path = folder / shard.name
    if not path.is_file():
        return "is missing"
    status = path.stat()
    if status.st_size != shard.bytes:
        return f"has {status.st_size} bytes; expected {shard.bytes}"
    stamp = [status.st_mtime_ns, status.st_ino, shard.sha256]
    if known.get(shard.name) == stamp:
        return ""
    if files.sha256_of_file(path) != shard.sha256:
        return "was changed since it was written (its SHA-256 differs)"
    known[shard.name] = stamp
    return ""


def _read_verified(folder: pathlib.Path) -> dict:
    try:
        known = json.loads((folder / _VERIFIED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write_verified(folder: pathlib.Path, known: dict) -> None:
    if known == _read_verified(folder):
        return
    with contextlib.suppress(OSError):  # a read-only dataset is verified every time
        files.write_json(folder / _VERIFIED, known)
