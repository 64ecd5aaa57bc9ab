"""Where a recording lies that a manifest names: spelled on another system, or from another folder."""

import os
import pathlib
import unicodedata
from collections import defaultdict

from tfcr.wording import counted, printable

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1"  # how the text begins that Git LFS leaves for a file


class Finder:
    """Finds recordings below a manifest's folder, or else below the working folder.

    A name that is not there as it is written may be there in another Unicode normal form, in other letters' case, in
    Latin-1, or with backslashes between folders; it is found where only one name can be meant.

    Args:
        folder: the manifest's.
    """

    def __init__(self, folder: pathlib.Path):
        self._folder = folder
        self._names: dict[pathlib.Path, dict[str, list[str]]] = {}
        self._respelled: list[tuple[str, pathlib.Path]] = []
        self._of_working_folder: list[str] = []

    def find(self, written: str) -> pathlib.Path:
        """The path that is meant; where nothing is found, the one that is written."""
        path = self._folder / written
        if os.path.exists(path):  # which is false, where pathlib raises, of names that are too long
            return path
        found = self._below(self._folder, written)
        if found is not None:
            self._respelled.append((written, found))
            return found
        found = self._below(pathlib.Path(), written)
        if found is not None:
            self._of_working_folder.append(written)
            return found
        return path

    def notes(self, source: str | pathlib.Path) -> list[str]:
        """A sentence for each way in which paths were not what they seemed."""
        notes = []
        if self._respelled:
            written, found = self._respelled[0]
            are = counted(len(self._respelled), "path is", "paths are")
            notes.append(f"{source}: {are} spelled otherwise on the disk; the first is {written!r}, found as {found}.")
        if self._of_working_folder:
            begin = counted(len(self._of_working_folder), "path begins", "paths begin")
            first = self._of_working_folder[0]
            notes.append(f"{source}: {begin} at the working folder, not at the manifest's; the first is {first!r}.")
        return notes

    def _below(self, base: pathlib.Path, written: str) -> pathlib.Path | None:
        path = base
        for part in pathlib.PurePosixPath(written.replace("\\", "/")).parts:
            found = path / part if os.path.exists(path / part) else self._meant(path, part)
            if found is None:
                return None
            path = found
        return path

    def _meant(self, folder: pathlib.Path, name: str) -> pathlib.Path | None:
        """The one file or folder that is called `name` but for its spelling."""
        if folder not in self._names:
            self._names[folder] = _by_spelling(folder)
        composed = _composed(name)
        for spelling in (composed, composed.casefold()):
            there = self._names[folder].get(spelling, [])
            if len(there) == 1:
                return folder / there[0]
        return None


def in_place_of_recording(path: pathlib.Path) -> str | None:
    """What is there instead of a recording, as a clause that begins with the path; None where nothing is known."""
    try:
        return _in_place(path)
    except OSError:  # the file, or the list of its folder, may not be read
        return None


def _in_place(path: pathlib.Path) -> str | None:
    if os.path.isdir(path):
        return f"{path} is a folder; expected a recording"
    if os.path.isfile(path):
        with open(path, "rb") as file:
            is_pointer = file.read(len(LFS_POINTER)) == LFS_POINTER
        return f"{path} is a pointer of Git LFS instead of sound; `git lfs pull` fetches it" if is_pointer else None
    if not os.path.isdir(path.parent):
        return f"{path} does not exist, nor does its folder"
    near = sorted(name for name in os.listdir(path.parent) if _stem(name) == _stem(path.name))
    return f"{path} does not exist; its folder has {' and '.join(map(printable, near[:3]))}" if near else None


def _by_spelling(folder: pathlib.Path) -> dict[str, list[str]]:
    """The names in a folder, composed as NFC, and in lower case too."""
    found = defaultdict(list)
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        for spelling in {_composed(name), _composed(name).casefold()}:
            found[spelling].append(name)
    return found


def _composed(name: str) -> str:
    """A name as NFC; bytes that are not UTF-8 as Latin-1."""
    try:
        name.encode()
    except UnicodeEncodeError:
        name = os.fsencode(name).decode("latin-1")
    return unicodedata.normalize("NFC", name)


def _stem(name: str) -> str:
    return _composed(pathlib.PurePath(name).stem).casefold()
