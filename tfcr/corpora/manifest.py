"""Any corpus, described by `manifest.csv`: one row per recording.

Columns `id`, `path`, `transcript`, `emotion`, `speaker` and optionally `session` and `script`, in any order; others are
ignored. Paths are relative to the manifest's folder.
"""

import csv
import difflib
import io
import pathlib
import unicodedata
from collections.abc import Iterator

import regex

from tfcr.corpora import Corpus, layout
from tfcr.corpora.utterance import Utterance, normalised
from tfcr.errors import TfcrError
from tfcr.wording import counted

FILE_NAME = "manifest.csv"
REQUIRED = ("id", "path", "transcript", "emotion", "speaker")
_READ = (*REQUIRED, "session", "script")
_FILLED = ("id", "path", "emotion", "speaker")  # a transcript may be empty: some recordings hold no words

_CONTROL = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}]")


def read(root: str | pathlib.Path) -> Corpus:
    """Reads `root/manifest.csv` (UTF-8), composed as NFC. Whether recordings are there is seen when they are opened.

    Raises:
        TfcrError: naming file and line: no manifest, not UTF-8, a column or a value missing, an id twice, no rows.
    """
    path = pathlib.Path(root) / FILE_NAME
    utterances = []
    line_of: dict[str, int] = {}
    notes: list[str] = []
    for line, row in _rows(path, _text(path), notes):
        for column in _FILLED:
            if not row[column]:
                raise TfcrError(f"{path}, line {line}: {column!r} is empty; expected a value in every row")
        for column in row:
            if column != "transcript" and _CONTROL.search(row[column]):
                raise TfcrError(
                    f"{path}, line {line}: {column!r} is {row[column]!r}; expected no line breaks or control characters"
                )
        if row["id"] in line_of:
            raise TfcrError(
                f"{path}, line {line}: the id {row['id']!r} stands in line {line_of[row['id']]} already; "
                "expected unique ids"
            )
        line_of[row["id"]] = line
        utterances.append(_utterance(path.parent, row))
    if not utterances:
        raise TfcrError(f"{path} has no rows below its header; expected one per recording")
    return Corpus(utterances, notes)


def _utterance(folder: pathlib.Path, row: dict[str, str]) -> Utterance:
    return Utterance(
        id=row["id"],
        audio=folder / row["path"],
        transcript=row["transcript"],
        emotion=row["emotion"],
        speaker=row["speaker"],
        session=row.get("session", ""),
        script=row.get("script") or normalised(row["transcript"]) or row["id"],
    )


def _text(path: pathlib.Path) -> str:
    if not path.parent.is_dir():
        raise TfcrError(f"{path.parent} is no folder; expected one that holds {FILE_NAME}")
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise TfcrError(f"{path} does not exist; expected a CSV file with the columns {','.join(REQUIRED)}") from None
    except OSError as error:
        raise TfcrError(f"{path} cannot be read ({error.strerror})") from None
    layout.refuse_nul(path, content)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TfcrError(
            f"{path}, line {line}: not UTF-8 (byte 0x{content[error.start]:02x}); save it as UTF-8"
        ) from None


def _rows(path: pathlib.Path, text: str, notes: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows with the line each begins in, values stripped of outer white space; blank lines are passed over."""
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    while True:
        line = rows.line_num + 1  # a quoted value may run over several lines: where the row begins, not where it ends
        try:
            values = [value.strip() for value in next(rows)]
        except StopIteration:
            break
        except csv.Error as error:
            raise TfcrError(
                f"{path}, line {line}: not CSV ({error}); are quotation marks doubled and closed?"
            ) from None
        if len(values) < 2 and not any(values):
            continue
        if header is None:
            header = _checked_header(path, line, values)
            notes += _misspelt(path, header)
        elif len(values) != len(header):
            raise TfcrError(
                f"{path}, line {line}: {counted(len(values), 'value')} for {counted(len(header), 'column')}; "
                "put a value that holds a comma in quotation marks"
            )
        else:
            row = dict(zip(header, values, strict=True))
            yield line, {column: _composed(column, row[column]) for column in _READ if column in row}
    if header is None:
        raise TfcrError(f"{path} is empty; expected the header {','.join(REQUIRED)} and one row per recording")


def _composed(column: str, value: str) -> str:
    """The value as NFC, so that a name is one name however its accents were typed; a path stays as the disk has it."""
    return value if column == "path" else unicodedata.normalize("NFC", value)


def _misspelt(path: pathlib.Path, header: list[str]) -> list[str]:
    """A note for every column that is not read and nearly has the name of one that may be there and is not."""
    notes = []
    for column in (column for column in _READ if column not in header):
        for near in difflib.get_close_matches(column, set(header) - set(_READ), n=1, cutoff=0.8):
            notes.append(f"{path}: the column {near!r} is not read; did you mean {column!r}?")
    return notes


def _checked_header(path: pathlib.Path, line: int, header: list[str]) -> list[str]:
    found = ", ".join(header)
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        semicolons = "separate the columns with commas, not semicolons: " if ";" in found else ""
        columns = ", ".join(repr(column) for column in missing)
        are_missing = f"column {columns} is missing" if len(missing) == 1 else f"columns {columns} are missing"
        raise TfcrError(
            f"{path}, line {line}: {semicolons}{are_missing}; expected {', '.join(REQUIRED)}, found {found}"
        )
    twice = [column for column in header if column and header.count(column) > 1]
    if twice:
        raise TfcrError(f"{path}, line {line}: column {twice[0]!r} stands twice; found {found}")
    return header
