"""Files that appear whole or not at all, and how they are told apart."""

import contextlib
import errno
import fcntl
import glob
import hashlib
import json
import os
import pathlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import IO

from tfcr.errors import TfcrError
from tfcr.wording import printable

LOCK = ".lock"  # the file in a folder that is locked
_REMEDIES = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f)",
}
_PATH = re.compile(r"(?:^|[\s'\"])(/[^;'\"\n]+)")  # an absolute one in a message
_FULL = 1 << 20  # bytes that are left on a disk that has no room


class NoRoomError(TfcrError, OSError):
    """The disk, or the user's share of it, is full, or a file may grow no more.

    An `OSError` too: what can be done without is skipped as before.
    """


class LockedError(TfcrError):
    """Another process has locked the folder."""


def refuse_undecodable(path: str | os.PathLike) -> None:
    """Refuses a path that is not UTF-8 from its root on: TensorFlow opens none, and no text file can name it.

    Raises:
        TfcrError: naming it.
    """
    absolute = os.path.abspath(path)
    if printable(absolute) != absolute:
        raise TfcrError(
            f"{printable(absolute)} has a name that is not UTF-8 (\\x… are its bytes), which TensorFlow cannot open; "
            "rename that folder, or work in another one"
        )


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path` and moves it there once the block has ended well.

    The bytes are on the disk before the name is: a reader, or a machine that lost power, sees the old file, the new
    one or none. When the block raises, the temporary file is removed.

    Raises:
        NoRoomError: the disk is full.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    with full_disk_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less the process's umask
        try:
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def full_disk_named(path: pathlib.Path) -> Iterator[None]:
    """Where the block finds a disk full, the error names `path`, or the folder that is full, and the remedy.

    Raises:
        NoRoomError: a disk is full.
    """
    try:
        yield
    except NoRoomError:
        raise
    except Exception as error:
        if (lacking := room_lacking(error)) is None:
            raise
        reason, remedy = lacking
        elsewhere = _full_elsewhere(error, path.parent)
        what = f"{path.parent} cannot take {path.name}" if elsewhere is None else f"{elsewhere} has no room"
        raise NoRoomError(f"{what} ({reason}); {remedy}, and the same command goes on") from None


def _full_elsewhere(error: Exception, folder: pathlib.Path) -> pathlib.Path | None:
    """The full folder, if it is not `folder`: that of the file the error names, or that of temporary files."""
    named = _named_file(error)
    if named is not None:
        within = pathlib.Path(os.path.abspath(named)).is_relative_to(os.path.abspath(folder))
        return None if within else pathlib.Path(named if os.path.isdir(named) else os.path.dirname(named))
    temporary = pathlib.Path(tempfile.tempdir or os.environ.get("TMPDIR", "/tmp"))
    return temporary if _has_room(folder) and not _has_room(temporary) else None


def _named_file(error: Exception) -> str | None:
    """The file that an error is about: of TensorFlow's and HDF5's, the absolute path within their words."""
    named = getattr(error, "filename", None)
    if isinstance(named, str):
        return named
    return next((path for path in _PATH.findall(str(error)) if os.path.exists(path) or _may_be_in_a_folder(path)), None)


def _may_be_in_a_folder(path: str) -> bool:
    """Whether a file could be there; any word behind a stroke could be in the root."""
    folder = os.path.dirname(path)
    return folder != "/" and os.path.isdir(folder)


def _has_room(folder: pathlib.Path) -> bool:
    try:
        return shutil.disk_usage(folder).free > _FULL
    except OSError:  # it is not there
        return True


def room_lacking(error: Exception) -> tuple[str, str] | None:
    """What the system says where it has no room for a file, and the remedy; None of any other error.

    TensorFlow and HDF5 pass the system's words on, under types and numbers of their own.
    """
    number = getattr(error, "errno", None)
    said = os.strerror(number) if number in _REMEDIES else str(error)
    return next(((os.strerror(each), remedy) for each, remedy in _REMEDIES.items() if os.strerror(each) in said), None)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8 text whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | os.PathLike, content) -> None:
    """Writes JSON whole or not at all; NaN and infinities are refused (`ValueError`)."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | os.PathLike):
    """Reads a JSON file; a missing or broken one is a `TfcrError` that names it."""
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TfcrError(f"{path} does not exist") from None
    except (ValueError, OSError) as error:
        raise TfcrError(f"{path} is not readable JSON ({error}); expected a file that tfcr wrote") from None


def remove_temporaries(folder: str | os.PathLike) -> None:
    """Removes what a killed `written_whole` left in `folder`. Only for a folder that nobody else writes to."""
    for leftover in pathlib.Path(folder).glob(".*.tmp*"):
        leftover.unlink(missing_ok=True)


def remove_temporaries_of(path: pathlib.Path) -> None:
    """Removes what a killed `written_whole` of one file left beside it. Only where nobody else writes that file."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 12}.tmp"):
        leftover.unlink(missing_ok=True)


def sha256_of_file(path: str | os.PathLike) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp(path: str | os.PathLike) -> list[int]:
    """What changes when a file does: its size, times and inode."""
    status = os.stat(path)
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


@contextlib.contextmanager
def locked(folder: str | os.PathLike, purpose: str, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Locks `folder` for this process; the operating system releases the lock when the process ends.

    Args:
        on_wait: called before waiting for another process that has locked it; without it, that is an error.

    Raises:
        LockedError: another process has locked it.
        NoRoomError: the disk is full.
        TfcrError: its path is not UTF-8, or its file system has no locks.
    """
    refuse_undecodable(folder)
    path = pathlib.Path(folder) / LOCK
    with full_disk_named(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with open(path, "a") as lock:
        if not _flock(folder, lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if on_wait is None:
                raise LockedError(f"another process is {purpose} {folder}; wait for it, or name another folder")
            on_wait()
            _flock(folder, lock, fcntl.LOCK_EX)
        yield


def _flock(folder: str | os.PathLike, lock: IO, how: int) -> bool:
    """Whether the lock of a folder was had.

    Raises:
        TfcrError: the file system has none: Lustre without the option `flock`, NFS without its lock daemon, sshfs.
    """
    try:
        fcntl.flock(lock, how)
    except BlockingIOError:
        return False
    except OSError as error:
        raise TfcrError(
            f"{folder} cannot be locked ({error.strerror}); name a folder on another file system, or have this one "
            "mounted with locks (flock)"
        ) from None
    return True
