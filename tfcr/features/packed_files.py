"""Files as they are downloaded: packed by gzip, bzip2 or xz, or in a zip or tar archive; nothing is written to disk.

The content decides, not the name.
"""

import bz2
import contextlib
import functools
import gzip
import io
import itertools
import lzma
import pathlib
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

Open = Callable[[], Any]  # a stream of bytes

DAMAGES = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # an encrypted archive, or one packed in a way that zipfile does not know
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
)

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second one is empty
_PACKED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x5d\0\0": lzma.open,
}
_LONGEST_MAGIC = 6  # bytes
_TAR_BLOCK = 512  # bytes
_TAR_MAGIC = slice(257, 262)  # of the first block


@contextlib.contextmanager
def contents(path: pathlib.Path) -> Iterator[dict[str, Open]]:
    """Name, for messages → what opens it: the file itself, unpacked, or every file of an archive.

    Raises:
        DAMAGES: here, or when one is opened or read.
    """
    with open(path, "rb") as file:
        start = file.read(_LONGEST_MAGIC)
    if start.startswith(_ZIP):
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            yield _named(path, [(member.filename, functools.partial(archive.open, member)) for member in members])
        return
    opener = next((opener for magic, opener in _PACKED.items() if start.startswith(magic)), open)
    open_file = functools.partial(opener, path, "rb")
    with open_file() as file:
        is_tar = file.read(_TAR_BLOCK)[_TAR_MAGIC] == b"ustar"
    if not is_tar:
        yield {f"--embeddings {path}": open_file}
        return
    with open_file() as file, tarfile.open(fileobj=file, mode="r|") as archive:
        places = [(member.name, number) for number, member in enumerate(archive) if member.isreg()]
        while file.read(_TAR_BLOCK):  # a checksum at the end is looked at there
            pass
    yield _named(path, [(name, functools.partial(_TarMember, open_file, number)) for name, number in places])


class _TarMember(io.RawIOBase):
    """A file of a tar archive, which is unpacked up to there whenever it is opened."""

    def __init__(self, open_file: Open, number: int):
        with contextlib.ExitStack() as opened:
            file = opened.enter_context(open_file())
            archive = opened.enter_context(tarfile.open(fileobj=file, mode="r|"))
            self._member: Any = archive.extractfile(next(itertools.islice(archive, number, None)))
            self._opened = opened.pop_all()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        return self._member.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._opened.close()
        super().close()


def _named(path: pathlib.Path, members: list[tuple[str, Open]]) -> dict[str, Open]:
    """The files of an archive, but what macOS puts beside each of them."""
    return {
        f"--embeddings {path} ({_shown(name)})": opener
        for name, opener in members
        if not name.startswith("__MACOSX/") and not pathlib.PurePosixPath(name).name.startswith("._")
    }


def _shown(name: str) -> str:
    return (name if name.isprintable() else ascii(name))[:80]
