"""A filesystem for Apache Beam that behaves as an object store: `store://NAME` is the folder OBJECT_STORE/NAME.

Beam's workers import it by `--beam_plugin object_store`. There are no folders, only names that share a prefix, and as
on HDFS nothing is renamed to a name that is taken.
"""

import os
import pathlib

from apache_beam.io.filesystem import BeamIOError, FileMetadata, FileSystem

SCHEME = "store"


def _path(url: str) -> str:
    return os.path.join(os.environ["OBJECT_STORE"], url.removeprefix(f"{SCHEME}://"))


class ObjectStore(FileSystem):
    @classmethod
    def scheme(cls):
        return SCHEME

    def join(self, basepath, *paths):
        return "/".join([basepath.rstrip("/"), *paths])

    def split(self, path):
        return tuple(path.rsplit("/", 1))

    def mkdirs(self, path):
        raise NotImplementedError

    def has_dirs(self):
        return False

    def _list(self, dir_or_prefix):
        root = pathlib.Path(os.environ["OBJECT_STORE"])
        for path in sorted(root.rglob("*")):
            url = f"{SCHEME}://{path.relative_to(root)}"
            if path.is_file() and url.startswith(dir_or_prefix):
                yield FileMetadata(url, path.stat().st_size, path.stat().st_mtime)

    def create(self, path, mime_type="application/octet-stream", compression_type="auto"):
        os.makedirs(os.path.dirname(_path(path)), exist_ok=True)
        return open(_path(path), "wb")

    def open(self, path, mime_type="application/octet-stream", compression_type="auto"):
        return open(_path(path), "rb")

    def copy(self, source_file_names, destination_file_names):
        raise NotImplementedError

    def rename(self, source_file_names, destination_file_names):
        for source, destination in zip(source_file_names, destination_file_names, strict=True):
            if self.exists(destination):
                raise BeamIOError("taken", {destination: None})
            os.rename(_path(source), _path(destination))

    def exists(self, path):
        return os.path.isfile(_path(path))

    def size(self, path):
        return os.path.getsize(_path(path))

    def last_updated(self, path):
        return os.path.getmtime(_path(path))

    def checksum(self, path):
        return str(self.size(path))

    def metadata(self, path):
        return FileMetadata(path, self.size(path), self.last_updated(path))

    def delete(self, paths):
        for path in paths:
            os.unlink(_path(path))
