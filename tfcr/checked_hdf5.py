"""HDF5 files that appear whole and are read only as they were written. No TensorFlow.

A user block, bytes that HDF5 leaves to others, holds what the file is and the digest of the rest. It is checked before
HDF5 sees a byte: a broken file can keep HDF5 busy for ever.
"""

import contextlib
import hashlib
import io
import os
import pathlib
from collections.abc import Iterator

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
    whole = content.getvalue()
    with files.written_whole(path) as temporary:
        temporary.write_bytes(_user_block(kind, whole) + whole[_USER_BLOCK:])


@contextlib.contextmanager
def opened(path: str | os.PathLike, kind: str, may_lack_digest: bool = False) -> Iterator[h5py.File]:
    """Yields the file at `path` for reading, as it was written with this `kind`.

    Args:
        kind: that it was written with.
        may_lack_digest: whether a plain HDF5 file, without a user block, will do; it is not checked.

    Raises:
        OSError: it is missing or cannot be read.
        ValueError: it was cut off or changed, or is of another kind.
    """
    content = pathlib.Path(path).read_bytes()
    is_plain = may_lack_digest and content.startswith(_HDF5)
    if not is_plain and content[:_USER_BLOCK] != _user_block(kind, content):
        raise ValueError("its digest is another")
    with h5py.File(io.BytesIO(content)) as file:
        yield file


def _user_block(kind: str, content: bytes) -> bytes:
    """The first bytes that belong before the rest of `content`."""
    digest = hashlib.sha256(memoryview(content)[_USER_BLOCK:]).hexdigest()
    return f"{kind}\n{digest}\n".encode().ljust(_USER_BLOCK, b"\0")
