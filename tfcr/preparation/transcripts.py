"""A file of transcripts that replaces a corpus's words, say a recogniser's output. No TensorFlow."""

import hashlib
import pathlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tfcr.corpora import tables
from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError
from tfcr.wording import counted, printable

COLUMNS = ("id", "transcript")


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
            has = f"; its own first is {next(iter(self.words))!r}" if len(lacking) == len(utterances) else ""
            raise TfcrError(
                f"--transcripts {self.path} lacks {counted(len(lacking), 'utterance')}, "
                f"the first of them {lacking[0]!r}{has}"
            )
        return [replace(utterance, transcript=self.words[utterance.id]) for utterance in utterances]

    def notes(self, utterances: Sequence[Utterance], corpus: Sequence[Utterance]) -> list[str]:
        """Sentences for `dataset_info.json`.

        Args:
            utterances: those that have the file's words.
            corpus: all, of other emotions too.
        """
        known = {utterance.id for utterance in corpus}
        unknown = [id for id in self.words if id not in known]
        notes = [f"{self.name} replaced {counted(len(utterances), 'transcript')} of the corpus."]
        if unknown:
            have = counted(len(unknown), "id that the corpus lacks", "ids that the corpus lacks")
            notes.append(f"{self.name} has {have}; the first is {unknown[0]!r}.")
        return notes

    @property
    def name(self) -> str:
        """The file's, so that it can be written."""
        return printable(self.path.name)

    def to_dict(self) -> dict:
        """For `dataset_info.json`."""
        return {"source": self.name, "sha256": self.sha256}


def refuse_missing(path: pathlib.Path) -> None:
    """Raises `TfcrError` where there is no such file."""
    if not path.exists():
        raise TfcrError(f"--transcripts {path} does not exist; expected a CSV file with the columns id,transcript")


def read_transcripts(path: pathlib.Path) -> Transcripts:
    """Reads a table with the columns id and transcript, as people write them; others are passed over.

    Raises:
        TfcrError: naming the file and the line: it is missing or no such file, or an id stands twice.
    """
    refuse_missing(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TfcrError(f"--transcripts {path} cannot be read ({error.strerror}); expected a UTF-8 CSV file") from None
    return Transcripts(path, hashlib.sha256(content).hexdigest(), _words(f"--transcripts {path}", content))


def _words(source: str, content: bytes) -> dict[str, str]:
    words: dict[str, str] = {}
    line_of: dict[str, int] = {}
    for line, row in tables.table(source, tables.decoded(source, content), COLUMNS).rows:
        id, words_said = (unicodedata.normalize("NFC", row[column]) for column in COLUMNS)
        if not id:
            raise TfcrError(f"{source}, line {line}: 'id' is empty; expected a value in every row")
        if id in words:
            raise TfcrError(
                f"{source}, line {line}: the id {id!r} stands twice, in line {line_of[id]} too; expected unique ids"
            )
        words[id], line_of[id] = words_said, line
    if not words:
        raise TfcrError(f"{source} has no rows below its header; expected one per utterance")
    return words
