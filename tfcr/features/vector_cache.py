"""What was read from large files of word vectors, kept in small HDF5 files: one for each source, named by its SHA-256.

A cache file is read only as it was written (`tfcr.checked_hdf5`): one that is cut off, damaged or another's counts as
missing.
Processes may share the cache: files appear whole, and where two extend one at a time, the words of one are read again.
"""

import hashlib
import json
import os
import pathlib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field

import h5py
import numpy as np

from tfcr import checked_hdf5, files
from tfcr.schema import EMBEDDING_DIM

_KIND = "tfcr word vectors 1"  # another layout, another number


@dataclass(frozen=True)
class Vocabulary:
    """What is known of some words in one source.

    Attributes:
        vectors: word → float32 [width].
        absent: words that it does not have.
        width: of its vectors.
    """

    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    width: int = EMBEDDING_DIM

    def knows(self, words: Iterable[str]) -> bool:
        """Whether each of `words` is known to be there or not to be."""
        return all(word in self.vectors or word in self.absent for word in words)


@dataclass(frozen=True)
class Source:
    """A file that vectors come from.

    Attributes:
        sha256: of its bytes.
        stamp: size, times and inode when it was hashed.
        recalled: whether the SHA-256 is from an earlier time, and the file gone or unchanged since.
    """

    sha256: str
    stamp: list[int]
    recalled: bool = False


def folder() -> pathlib.Path:
    """Where the cache lies: `$TFCR_CACHE`, else `tfcr` in the user's folder for caches.

    Raises:
        OSError: the user has none.
    """
    if chosen := os.environ.get("TFCR_CACHE"):
        return pathlib.Path(chosen).absolute()
    if os.path.isabs(base := os.environ.get("XDG_CACHE_HOME", "")):  # others are to be ignored, says its specification
        return pathlib.Path(base, "tfcr")
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        raise OSError("this user has no home folder; set TFCR_CACHE")
    return pathlib.Path(home, "Library/Caches" if sys.platform == "darwin" else ".cache", "tfcr")


def identify(place: str, file: pathlib.Path) -> Source | None:
    """The file at `place`: as recalled if it is gone or unchanged, else hashed; None if it is gone and was never seen.

    Raises:
        OSError: the file is there and cannot be read.
    """
    seen = _recall(place)
    if not file.exists() or (seen and seen.stamp == files.stamp(file)):
        return seen
    return hashed(file)


def hashed(file: pathlib.Path) -> Source:
    """The file as it is now."""
    before = files.stamp(file)  # a change while it is hashed shows as another stamp
    return Source(files.sha256_of_file(file), before)


def remember(place: str, source: Source) -> None:
    """Notes which file lies at `place`."""
    files.write_json(_note(place), {"sha256": source.sha256, "stamp": source.stamp})


def read(sha256: str) -> Vocabulary | None:
    """What is known of a source; None without an intact cache file."""
    try:
        with checked_hdf5.opened(_file(sha256), _KIND) as file:
            if file.attrs["source_sha256"] != sha256:
                return None
            words, absent = file["words"].asstr()[()], file["absent"].asstr()[()]
            rows = file["vectors"][()]
    except (OSError, ValueError):
        return None
    vectors = {word: row.copy() for word, row in zip(words, rows, strict=True)}
    return Vocabulary(vectors, frozenset(absent), rows.shape[1])


def extend(sha256: str, more: Vocabulary) -> None:
    """Adds to what is known of a source.

    Raises:
        OSError: the cache cannot be written.
    """
    known = read(sha256) or Vocabulary(width=more.width)
    vectors = dict(sorted({**known.vectors, **more.vectors}.items()))
    with checked_hdf5.written(_file(sha256), _KIND) as file:
        file.attrs["source_sha256"] = sha256
        text = h5py.string_dtype("utf-8")
        rows = np.array(list(vectors.values()), "<f4").reshape(-1, known.width)
        file.create_dataset("vectors", data=rows)
        file.create_dataset("words", data=list(vectors), dtype=text, shape=(len(vectors),))
        absent = sorted(known.absent | more.absent)
        file.create_dataset("absent", data=absent, dtype=text, shape=(len(absent),))


def _recall(place: str) -> Source | None:
    try:
        note = json.loads(_note(place).read_text(encoding="utf-8"))
        if re.fullmatch("[0-9a-f]{64}", note["sha256"]):
            return Source(note["sha256"], note["stamp"], recalled=True)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        pass  # never seen, or the note is broken
    return None


def _note(place: str) -> pathlib.Path:
    return folder() / "sources" / f"{hashlib.sha256(os.fsencode(place)).hexdigest()}.json"


def _file(sha256: str) -> pathlib.Path:
    return folder() / "embeddings" / f"{sha256}.h5"
