"""A folder that launcher and workers share: on a path, or by a URL on any filesystem that Beam knows."""

import contextlib
import hashlib
import os
import pathlib
import secrets
import shutil
from collections.abc import Iterator
from typing import BinaryIO

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from tfcr import files
from tfcr.errors import TfcrError

_AS_IS = {"compression_type": CompressionTypes.UNCOMPRESSED}


class Folder:
    """A folder on a path of this machine, or by a URL on any filesystem that Beam knows.

    Args:
        place: the path or URL.
    """

    def __init__(self, place: str | os.PathLike):
        self.place = os.fspath(place)
        self.is_local = "://" not in self.place

    def __truediv__(self, name: str) -> "Folder":
        return Folder(os.path.join(self.place, name) if self.is_local else FileSystems.join(self.place, name))

    @property
    def path(self) -> pathlib.Path:
        """Of a local folder."""
        return pathlib.Path(self.place)

    def names(self) -> list[str]:
        """Of the files in it."""
        if self.is_local:
            return os.listdir(self.place) if self.path.is_dir() else []
        return list(self.sizes())

    def sizes(self) -> dict[str, int]:
        """Name → bytes of the files in a folder by URL; none where there is no such folder."""
        if FileSystems.get_filesystem(self.place).has_dirs() and not FileSystems.exists(self.place):
            return {}
        (found,) = FileSystems.match([FileSystems.join(self.place, "*")])
        start = len(self.place.rstrip("/")) + 1
        named = {each.path[start:]: each.size_in_bytes for each in found.metadata_list}
        return {name: size for name, size in named.items() if "/" not in name}

    def open(self, name: str) -> BinaryIO:
        """A file for reading, which can seek."""
        return open(self.path / name, "rb") if self.is_local else FileSystems.open((self / name).place, **_AS_IS)

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()

    @contextlib.contextmanager
    def write(self, name: str) -> Iterator[BinaryIO]:
        """A file that is there whole, once the block has ended well, or not at all."""
        if self.is_local:
            with files.written_whole(self.path / name) as temporary, open(temporary, "wb") as file:
                yield file
            return
        path, temporary = (self / name).place, (self / f".{name}.{secrets.token_hex(6)}.tmp").place
        with FileSystems.create(temporary, **_AS_IS) as file:
            yield file
        try:
            FileSystems.rename([temporary], [path])
        except OSError:  # some filesystems, HDFS among them, rename to no name that is taken
            if not FileSystems.exists(path):
                raise
            FileSystems.delete([path])
            FileSystems.rename([temporary], [path])

    def put(self, name: str, source: pathlib.Path) -> None:
        """Copies a local file into it."""
        with open(source, "rb") as original, self.write(name) as copy:
            shutil.copyfileobj(original, copy, 1 << 20)

    def get(self, name: str, target: pathlib.Path) -> None:
        """Copies a file of it to a local path."""
        with self.open(name) as original, files.written_whole(target) as temporary, open(temporary, "wb") as copy:
            shutil.copyfileobj(original, copy, 1 << 20)

    def sha256(self, name: str) -> str:
        """Of a file's bytes."""
        digest = hashlib.sha256()
        with self.open(name) as file:
            while block := file.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()

    def remove(self) -> None:
        """Removes it with all that is in it, if it is there."""
        if self.is_local:
            shutil.rmtree(self.path, ignore_errors=True)
        elif FileSystems.get_filesystem(self.place).has_dirs():
            if FileSystems.exists(self.place):
                FileSystems.delete([self.place])
        else:
            (found,) = FileSystems.match([FileSystems.join(self.place, "**")])
            if found.metadata_list:
                FileSystems.delete([each.path for each in found.metadata_list])


@contextlib.contextmanager
def naming(folder: Folder) -> Iterator[None]:
    """What a filesystem of Beam's refuses is one sentence that names the folder; the operating system's errors pass."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        if folder.is_local or isinstance(error, TfcrError):
            raise
        raise TfcrError(f"{folder.place} cannot be used: {' '.join(str(error).split())}") from None


@contextlib.contextmanager
def calling(local: pathlib.Path, remote: Folder) -> Iterator[None]:
    """Errors name the place that the user named, not the temporary folder."""
    try:
        yield
    except TfcrError as error:
        raise type(error)(str(error).replace(str(local), remote.place)) from None
