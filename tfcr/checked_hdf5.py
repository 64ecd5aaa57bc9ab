"""HDF5 files that appear whole and are read only as they were written. No TensorFlow.

A user block, bytes that HDF5 leaves to others, holds what the file is and the digest of the rest. It is checked before
HDF5 sees a byte: a broken file can keep HDF5 busy for ever.
"""

import contextlib
import hashlib
import io
import os
from collections.abc import Iterator
from typing import BinaryIO

import h5py

from tfcr import files

_USER_BLOCK = 512  # bytes, the smallest that HDF5 has
_HDF5 = b"\x89HDF\r\n\x1a\n"


@contextlib.contextmanager
def written(path: str | os.PathLike, kind: str) -> Iterator[h5py.File]:
    """Yields an HDF5 file in memory, and writes it to `path` once the block has ended well. Equal content, equal bytes.

    Args:
        kind: what the file is, in words; with a number where its layout may change.

    Raises:
        NoRoomError: the disk is full.
    """
    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=_USER_BLOCK) as file:
        yield file
    rest = content.getbuffer()[_USER_BLOCK:]
    with files.written_whole(path) as temporary, open(temporary, "wb") as whole:
        whole.write(_user_block(kind, hashlib.sha256(rest).hexdigest()))
        whole.write(rest)


@contextlib.contextmanager
def opened(path: str | os.PathLike, kind: str, may_lack_digest: bool = False) -> Iterator[h5py.File]:
    """Yields the file at `path` for reading, as it was written with this `kind`.

    Args:
        kind: that it was written with.
        may_lack_digest: whether a plain HDF5 file, without a user block, will do; it is not checked.

    Raises:
        OSError: it is missing or cannot be read.
        ValueError: it was cut off or changed, be it while it is read, or is of another kind.
    """
    with open(path, "rb") as content:
        checked = _changes(content)
        first = content.read(_USER_BLOCK)
        is_plain = may_lack_digest and first.startswith(_HDF5)
        if not is_plain and first != _user_block(kind, hashlib.file_digest(content, "sha256").hexdigest()):
            raise ValueError("its digest is another")
        content.seek(0)
        try:
            with h5py.File(content) as file:
                yield file
        except Exception:
            _refuse_change(content, checked)
            raise
        _refuse_change(content, checked)


def _refuse_change(file: BinaryIO, before: tuple[int, int]) -> None:
    if _changes(file) != before:
        raise ValueError("it was changed while it was read")


def _changes(file: BinaryIO) -> tuple[int, int]:
    """What changes when an open file is written to: its size, and the time."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _user_block(kind: str, digest: str) -> bytes:
    """The first bytes that belong before what has this SHA-256."""
    return f"{kind}\n{digest}\n".encode().ljust(_USER_BLOCK, b"\0")
