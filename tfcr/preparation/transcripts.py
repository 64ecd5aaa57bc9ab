"""A file of transcripts that replaces a corpus's words, say a recogniser's output. No TensorFlow."""

import csv
import hashlib
import io
import pathlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError
from tfcr.wording import counted


@dataclass(frozen=True)
class Transcripts:
    """The words of a file.

    Attributes:
        path: the file.
        sha256: of its bytes.
        words: utterance id → transcript.
    """

    path: pathlib.Path
    sha256: str
    words: dict[str, str]

    def replace(self, utterances: Sequence[Utterance]) -> list[Utterance]:
        """The utterances with the file's words.

        Raises:
            TfcrError: the file lacks one of them.
        """
        lacking = [utterance.id for utterance in utterances if utterance.id not in self.words]
        if lacking:
            raise TfcrError(
                f"--transcripts {self.path} lacks {counted(len(lacking), 'utterance')}, "
                f"the first of them {lacking[0]!r}"
            )
        return [replace(utterance, transcript=self.words[utterance.id]) for utterance in utterances]

    def note(self, utterances: Sequence[Utterance]) -> str:
        """A sentence for `dataset_info.json`."""
        return f"{self.path.name} replaced {counted(len(utterances), 'transcript')} of the corpus."

    def to_dict(self) -> dict:
        """For `dataset_info.json`."""
        return {"source": self.path.name, "sha256": self.sha256}


def refuse_missing(path: pathlib.Path) -> None:
    """Raises `TfcrError` where there is no such file."""
    if not path.exists():
        raise TfcrError(f"--transcripts {path} does not exist; expected a CSV file with the columns id,transcript")


def read_transcripts(path: pathlib.Path) -> Transcripts:
    """Reads a CSV file with the columns id and transcript; others are passed over.

    Raises:
        TfcrError: naming the file and the line: it is missing or no such file.
    """
    refuse_missing(path)
    try:
        content = path.read_bytes()
        return Transcripts(path, hashlib.sha256(content).hexdigest(), _words(path, content.decode("utf-8-sig")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TfcrError(f"--transcripts {path} cannot be read ({error}); expected a UTF-8 CSV file") from None


def _words(path: pathlib.Path, text: str) -> dict[str, str]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)  # else an open quotation mark takes in all below
    header = [name.strip() for name in next(reader, [])]
    missing = {"id", "transcript"} - set(header)
    if missing:
        raise TfcrError(f"--transcripts {path} has no column {sorted(missing)[0]!r}; expected id,transcript")
    words: dict[str, str] = {}
    next_line = reader.line_num + 1
    for values in reader:
        line, next_line = next_line, reader.line_num + 1  # a quoted value may run over several lines
        if len(values) < 2 and not any(value.strip() for value in values):
            continue
        if len(values) != len(header):
            raise TfcrError(
                f"--transcripts {path}, line {line}: {counted(len(values), 'value')} for "
                f"{counted(len(header), 'column')}; put a value that holds a comma in quotation marks"
            )
        row = {name: unicodedata.normalize("NFC", value.strip()) for name, value in zip(header, values, strict=True)}
        if "\0" in row["transcript"]:
            raise TfcrError(f"--transcripts {path}, line {line}: holds NUL bytes; copy it again")
        if row["id"] in words:
            raise TfcrError(f"--transcripts {path}: the id {row['id']!r} stands twice; expected unique ids")
        words[row["id"]] = row["transcript"]
    return words
