"""Any corpus, described by `manifest.csv`: one row per recording.

Columns `id`, `path`, `transcript`, `emotion`, `speaker` and optionally `session`, `script` and `part`, in any order and
case, with commas, semicolons or tabs between them; others are ignored. Paths are relative to the manifest's folder.
"""

import difflib
import os
import pathlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence

import regex

from tfcr.corpora import Corpus, tables
from tfcr.corpora.emotion_names import EmotionNames, is_usual
from tfcr.corpora.paths import Finder
from tfcr.corpora.utterance import Utterance, normalised
from tfcr.errors import TfcrError
from tfcr.protocols import parts

FILE_NAME = "manifest.csv"
REQUIRED = ("id", "path", "transcript", "emotion", "speaker")
OPTIONAL = ("session", "script", "part")
_FILLED = ("id", "path", "emotion", "speaker")  # a transcript may be empty: some recordings hold no words
_LOOKED_AT = 100  # rows that tell whether columns are swapped

_CONTROL = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}]")


def read(root: str | pathlib.Path, emotion_names: Mapping[str, str] | None = None) -> Corpus:
    """Reads `root/manifest.csv` (UTF-8, or UTF-16 as spreadsheets write it), composed as NFC.

    Emotions get their usual names (`tfcr.corpora.emotion_names`). A recording that is not where the manifest says is
    looked for under other spellings of its path; whether it is there at all is seen when it is opened.

    Args:
        emotion_names: one's own, label → name; they go before the usual ones.

    Raises:
        TfcrError: naming file and line: no manifest, neither UTF-8 nor UTF-16, a column or a value missing, an id
            twice, a part that is none, columns swapped, no rows.
    """
    path = pathlib.Path(root) / FILE_NAME
    table = tables.table(str(path), tables.decoded(str(path), _content(path)), REQUIRED, OPTIONAL)
    rows = _checked(path, table)
    found = Finder(path.parent)
    recordings = [found.find(row["path"]) for row in rows]
    _refuse_swapped(path, rows, recordings, own_names=bool(emotion_names))
    names = EmotionNames(emotion_names)
    utterances = [_utterance(row, audio, names) for row, audio in zip(rows, recordings, strict=True)]
    return Corpus(utterances, [*_misspelt(path, table.columns), *names.note(path), *found.notes(path)])


def _utterance(row: dict[str, str], audio: pathlib.Path, names: EmotionNames) -> Utterance:
    return Utterance(
        id=row["id"],
        audio=audio,
        transcript=row["transcript"],
        emotion=names.name(row["emotion"]),
        speaker=row["speaker"],
        session=row.get("session", ""),
        script=row.get("script") or normalised(row["transcript"]) or row["id"],
        part=parts.part_named(row.get("part", "")),
    )


def _content(path: pathlib.Path) -> bytes:
    if not path.parent.is_dir():
        raise TfcrError(f"{path.parent} is no folder; expected one that holds {FILE_NAME}")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise TfcrError(f"{path} does not exist; expected a CSV file with the columns {','.join(REQUIRED)}") from None
    except OSError as error:
        raise TfcrError(f"{path} cannot be read ({error.strerror})") from None


def _checked(path: pathlib.Path, table: tables.Table) -> list[dict[str, str]]:
    """All rows, composed as NFC, after a look at each."""
    rows = []
    line_of: dict[str, int] = {}
    for line, written in table.rows:
        row = {column: _composed(column, value) for column, value in written.items()}
        _check(path, line, row)
        if row["id"] in line_of:
            raise TfcrError(
                f"{path}, line {line}: the id {row['id']!r} stands in line {line_of[row['id']]} already; "
                "expected unique ids"
            )
        line_of[row["id"]] = line
        rows.append(row)
    if not rows:
        raise TfcrError(f"{path} has no rows below its header; expected one per recording")
    return rows


def _check(path: pathlib.Path, line: int, row: dict[str, str]) -> None:
    for column in _FILLED:
        if not row[column]:
            raise TfcrError(f"{path}, line {line}: {column!r} is empty; expected a value in every row")
    for column, value in row.items():
        if column != "transcript" and _CONTROL.search(value):
            raise TfcrError(
                f"{path}, line {line}: {column!r} is {value!r}; expected no line breaks or control characters"
            )
    if "part" in row and not parts.part_named(row["part"]):
        raise TfcrError(f"{path}, line {line}: 'part' is {row['part']!r}; expected {parts.EXPECTED} in every row")


def _composed(column: str, value: str) -> str:
    """The value as NFC, so that a name is one name however its accents were typed; a path stays as the disk has it."""
    return value if column == "path" else unicodedata.normalize("NFC", value)


def _misspelt(path: pathlib.Path, columns: Sequence[str]) -> list[str]:
    """A note for every column that is not read and nearly has the name of one that may be there and is not."""
    read = (*REQUIRED, *OPTIONAL)
    unread = {column.lower(): column for column in columns if column.lower() not in read}
    notes = []
    for column in (column for column in read if column not in map(str.lower, columns)):
        for near in difflib.get_close_matches(column, unread, n=1, cutoff=0.8):
            notes.append(f"{path}: the column {unread[near]!r} is not read; did you mean {column!r}?")
    return notes


def _refuse_swapped(
    path: pathlib.Path, rows: Sequence[dict[str, str]], recordings: Sequence[pathlib.Path], own_names: bool
) -> None:
    """Refuses a manifest in which another column holds what stands in no row of `path`, or of `emotion`."""
    rows, found = rows[:_LOOKED_AT], Finder(path.parent)
    if not any(map(os.path.exists, recordings[:_LOOKED_AT])):
        _refuse_other(path, rows, "path", "a recording", lambda value: os.path.isfile(found.find(value)))
    if not own_names and not any(is_usual(row["emotion"]) for row in rows):
        _refuse_other(path, rows, "emotion", "an emotion", is_usual)


def _refuse_other(
    path: pathlib.Path, rows: Sequence[dict[str, str]], column: str, what: str, holds: Callable[[str], bool]
) -> None:
    for other in (name for name in rows[0] if name != column):
        if all(row[other] and holds(row[other]) for row in rows):
            raise TfcrError(
                f"{path}: the column {column!r} has {rows[0][column]!r} where {other!r} has {what}, "
                f"{rows[0][other]!r}, and so in every row; are the two swapped?"
            )
