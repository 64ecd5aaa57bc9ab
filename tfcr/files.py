"""Files that appear whole or not at all, and how they are told apart."""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import secrets
from collections.abc import Iterator

from tfcr.errors import TfcrError


@contextlib.contextmanager
def written_whole(path: str | os.PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path` and moves it there once the block has ended well.

    The bytes are on the disk before the name is: a reader, or a machine that lost power, sees the old file, the new
    one or none. When the block raises, the temporary file is removed.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))  # less the process's umask
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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


def sha256_of_file(path: str | os.PathLike) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def held(folder: str | os.PathLike, purpose: str) -> Iterator[None]:
    """Holds `folder` by a lock of the operating system, which ends with the process that has it.

    Raises:
        TfcrError: another process holds it.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TfcrError(f"another process is {purpose} {folder}; wait for it, or name another folder") from None
        yield
