"""What the readers of corpora share: folders without the files that systems leave there, names and tables checked."""

import codecs
import pathlib
import re
from collections.abc import Iterator, Sequence

from tfcr.corpora import tables
from tfcr.corpora.paths import LFS_POINTER
from tfcr.errors import TfcrError
from tfcr.wording import counted


def checked_root(corpus: str, root: str | pathlib.Path, expected: str) -> pathlib.Path:
    """The folder that the corpus lies in.

    Raises:
        TfcrError: it is none; the line ends with what is expected.
    """
    root = pathlib.Path(root)
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise TfcrError(f"{corpus}: {root} {what}; {expected}")
    return root


def files_in(folder: pathlib.Path, *suffixes: str) -> list[pathlib.Path]:
    """The files of a folder itself, sorted by name, without hidden and AppleDouble (`._*`) ones."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.suffix.lower() in suffixes and path.is_file()
    )


def by_name(
    corpus: str, root: pathlib.Path, paths: Sequence[pathlib.Path], pattern: re.Pattern, expected: str, notes: list[str]
) -> list[tuple[pathlib.Path, re.Match]]:
    """The files whose name, without its suffix, has the pattern; a note counts the others.

    Raises:
        TfcrError: there are no files, none is named so, or some are pointers of Git LFS.
    """
    if not paths:
        raise TfcrError(f"{corpus}: {root} holds no recordings; {expected}")
    named = [(path, match) for path in paths if (match := pattern.fullmatch(path.stem))]
    others = [path for path in paths if not pattern.fullmatch(path.stem)]
    if not named:
        raise TfcrError(
            f"{corpus}: {root} holds {counted(len(others), 'file')}, none so named: {others[0].name}; {expected}"
        )
    pointers = [path for path, _ in named if _is_pointer(path)]
    if pointers:
        raise TfcrError(
            f"{corpus} at {root}: {len(pointers)} of {len(named)} recordings are pointers of Git LFS instead of sound; "
            f"the first is {pointers[0]}. Fetch them: install git-lfs and run `git lfs pull` in the clone"
        )
    if others:
        have = counted(len(others), "file has another name and was", "files have other names and were")
        notes.append(f"{corpus} at {root}: {have} left out; the first is {others[0]}.")
    return named


def note_count(corpus: str, root: pathlib.Path, found: int, release: int, notes: list[str]) -> None:
    """Says how many recordings there are where the release has another number."""
    if found != release:
        notes.append(f"{corpus} at {root}: found {counted(found, 'recording')}; the release has {release}.")


def read_text(path: pathlib.Path, notes: list[str], fallback: str | None = None) -> str:
    """A text file in UTF-8, or else in the encoding `fallback`, which a note says.

    Raises:
        TfcrError: it is in neither.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TfcrError(f"{path} cannot be read ({error.strerror})") from None
    refuse_nul(path, content)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, line = content[error.start], content.count(b"\n", 0, error.start) + 1
    if fallback:
        try:
            text = content.decode(fallback)
        except UnicodeDecodeError:
            pass
        else:
            notes.append(f"{path} is not UTF-8 (byte 0x{byte:02x} in line {line}); it was read as {fallback}.")
            return text
    raise TfcrError(f"{path}, line {line}: not UTF-8 (byte 0x{byte:02x}); copy it again or save it as UTF-8")


def decoded_by_line(content: bytes) -> tuple[str, int | None]:
    """A text of spoken words: UTF-8, and where a line is not, that line in Windows-1252, where byte 0x92 is \u2019.

    The five bytes that Windows-1252 leaves open become U+FFFD.

    Returns:
        The text, and the number of the first line that is not UTF-8.
    """
    lines: list[str] = []
    first: int | None = None
    for number, line in enumerate(content.removeprefix(codecs.BOM_UTF8).split(b"\n"), start=1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", errors="replace"))
            first = first or number
    return "\n".join(lines), first


def refuse_nul(path: pathlib.Path, content: bytes) -> None:
    """Raises `TfcrError` for a text with NUL bytes: it is in UTF-16, or a block of it was lost on the disk."""
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise TfcrError(
            f"{path}, line {line}: holds NUL bytes, so it is no UTF-8 text; copy it again or save it as UTF-8"
        )


def rows(path: pathlib.Path, text: str, required: Sequence[str], optional: Sequence[str] = ()) -> Iterator[tables.Row]:
    """The rows of a release's table, each with the line it begins in (`tables.table`).

    Raises:
        TfcrError: a required column is missing or stands twice, or a row is broken or of another length.
    """
    if not text.strip():
        raise TfcrError(f"{path} is empty; expected a CSV file with the columns {', '.join(required)}")
    return tables.table(
        str(path), text, required, optional, remedy="is the file cut short or edited? Copy it again"
    ).rows


def _is_pointer(path: pathlib.Path) -> bool:
    with open(path, "rb") as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER
