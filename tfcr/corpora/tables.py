"""Tables as people and spreadsheets write them: any usual separator, encoding, line end and spelling of the header."""

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tfcr.corpora.paths import LFS_POINTER
from tfcr.errors import TfcrError
from tfcr.wording import counted

_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}  # of equally good ones the first
_SEPARATOR_LINE = "sep="  # how a spreadsheet's file may say its separator, in a line before the header
_MARKS = {  # longer ones first: UTF-32's begins as UTF-16's does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
# not U+0085, which in corpora is lost punctuation (Windows-1252 that was read as Latin-1)
_WHITE_SPACE = "".join(each for each in map(chr, range(0x3001)) if each.isspace() and each != "\x85")

Row = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Table:
    """A table, whose rows are read as they are asked for.

    Attributes:
        columns: the names in its header, as they are written there.
        rows: of every row with any value the line that it begins in, and column → value, the columns spelled as they
            were asked for. A broken row, or one of another length, raises `TfcrError`.
    """

    columns: Sequence[str]
    rows: Iterator[Row]


def encoding(content: bytes) -> str:
    """That of a table: by its byte order mark, else UTF-8, or UTF-16 where every other byte of the start is 0."""
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    if marked:
        return marked
    start = content[:8]
    for zeros, others, name in ((start[1::2], start[::2], "utf-16-le"), (start[::2], start[1::2], "utf-16-be")):
        if len(zeros) > 1 and not any(zeros) and all(others):
            return name
    return "utf-8"


def decoded(source: str, content: bytes, remedy: str = "save it as UTF-8") -> str:
    """The text of a table.

    Args:
        source: what messages call the table.
        remedy: what they advise where it has no encoding that is known.

    Raises:
        TfcrError: it is neither UTF-8 nor UTF-16, a pointer of Git LFS, or holds NUL characters: a block of it was lost
            on the disk.
    """
    if content.startswith(LFS_POINTER):
        raise TfcrError(f"{source} is a pointer of Git LFS instead of a table; `git lfs pull` fetches it")
    name = encoding(content)
    try:
        text = content.decode(name)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        wrong = "not UTF-8" if name.startswith("utf-8") else f"not {name.upper()}"
        raise TfcrError(f"{source}, line {line}: {wrong} (byte 0x{content[error.start]:02x}); {remedy}") from None
    _refuse_nul(source, text)
    return text


def _refuse_nul(source: str, text: str) -> None:
    """Raises `TfcrError` for a text with NUL characters: a block of it was lost on the disk."""
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise TfcrError(f"{source}, line {line}: holds NUL bytes; copy it again, or save it as UTF-8")


def table(
    source: str,
    text: str,
    required: Sequence[str],
    optional: Sequence[str] = (),
    remedy: str | None = None,
    header: str | None = None,
) -> Table:
    """A table with a header.

    What separates columns is what makes the required ones appear in the header; their names may be in any case. Values
    may be in quotation marks, and run over several lines there; white space around them is none of theirs.

    Args:
        source: what messages call the table.
        required: columns that have to be there.
        optional: columns that may be there; others are not read.
        remedy: what messages advise for a row that is broken.
        header: what messages expect; by default the required columns.

    Raises:
        TfcrError: a column that is read is missing or stands twice.
    """
    separator = _separator(text, required)
    lines = _lines(source, text, separator, remedy or "are quotation marks doubled and closed?")
    line, columns = next(lines, (0, []))
    if not columns:
        expected = header or ",".join(required)
        raise TfcrError(f"{source} is empty; expected the header {expected} and one row per recording")
    read = _read_columns(source, line, columns, required, optional, header or ", ".join(required))
    quoted = f"put a value that holds {_SEPARATORS[separator]} in quotation marks"
    return Table(columns, _rows(source, lines, len(columns), read, remedy or quoted))


def _rows(
    source: str, lines: Iterator[tuple[int, list[str]]], width: int, read: dict[str, int], remedy: str
) -> Iterator[Row]:
    for line, values in lines:
        if len(values) != width:
            raise TfcrError(
                f"{source}, line {line}: {counted(len(values), 'value')} for {counted(width, 'column')}; {remedy}"
            )
        yield line, {column: values[position] for column, position in read.items()}


def _lines(source: str, text: str, separator: str, remedy: str) -> Iterator[tuple[int, list[str]]]:
    """The rows with any value, the header too, with the line each begins in."""
    hint, _, behind = text.partition("\n")
    skipped = hint.strip(' \t\r"').lower().startswith(_SEPARATOR_LINE)
    # strict, else an open quotation mark takes in all below
    reader = csv.reader(io.StringIO(behind if skipped else text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1 + skipped  # a quoted value may run over several lines
        try:
            values = [value.strip(_WHITE_SPACE) for value in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise TfcrError(f"{source}, line {line}: not CSV ({error}); {remedy}") from None
        if any(values):
            yield line, values


def _separator(text: str, required: Sequence[str]) -> str:
    """What separates the columns: of the usual ones that by which most of the required columns appear."""

    def appearing(separator: str) -> int:
        try:
            _, names = next(_lines("", text, separator, ""), (0, []))
        except TfcrError:
            return 0
        return len({name.lower() for name in names} & {name.lower() for name in required})

    return max(_SEPARATORS, key=appearing)


def _read_columns(
    source: str, line: int, names: Sequence[str], required: Sequence[str], optional: Sequence[str], header: str
) -> dict[str, int]:
    """Where every column stands that is read."""
    spelled = [name.lower() for name in names]
    found = ", ".join(names)
    missing = [column for column in required if column.lower() not in spelled]
    if missing:
        listed = ", ".join(map(repr, missing))
        are_missing = f"column {listed} is missing" if len(missing) == 1 else f"columns {listed} are missing"
        raise TfcrError(f"{source}, line {line}: {are_missing}; expected {header}, found {found}")
    there = [column for column in (*required, *optional) if column.lower() in spelled]
    for column in there:
        if spelled.count(column.lower()) > 1:
            raise TfcrError(f"{source}, line {line}: column {column!r} stands twice; found {found}")
    return {column: spelled.index(column.lower()) for column in there}
