"""A file that stands for a protocol (`--split FILE.csv`): of each utterance its part, or its fold. No TensorFlow."""

import hashlib
import os
import pathlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tfcr import files, runs
from tfcr.errors import TfcrError
from tfcr.protocols import parts
from tfcr.wording import counted, first_of, printable

COLUMNS = ("part", "fold")  # one of them, beside `id`
HEADER = " or ".join(f"id,{column}" for column in COLUMNS)
LEAST_FOLDS = 3  # one tests, one validates, and one trains
_FOLD = re.compile("[0-9]{1,4}")


@dataclass(frozen=True)
class SplitFile:
    """The bytes of a file, which travel with what is trained by it.

    Attributes:
        path: where it was read from.
    """

    path: str
    content: bytes = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def name(self) -> str:
        """The file's."""
        return pathlib.PurePath(self.path).name

    @property
    def source(self) -> str:
        """What messages call it."""
        return f"--split {self.name}"

    def listed(self, ids: Sequence[str], known: Sequence[str]) -> list[str]:
        """Of each utterance its part, `none`, or the number of its fold.

        Args:
            ids: of the utterances that are divided.
            known: of all utterances of the dataset; the file may list those that a subset leaves out.

        Raises:
            TfcrError: rows that are broken or contradict each other, ids that are unknown or missing, or a part or fold
                without an utterance.
        """
        column, said = self._said()
        of_dataset = set(known)
        unknown = [id for id in said if id not in of_dataset]
        if unknown:
            are = counted(len(unknown), "id is", "ids are")
            raise TfcrError(
                f"{self.source}: {are} not in the dataset: {first_of(unknown)}; its own are such as {known[0]!r}; take "
                "other rows out"
            )
        missing = [id for id in ids if id not in said]
        if missing:
            have = counted(len(missing), "utterance of the dataset has", "utterances of the dataset have")
            raise TfcrError(
                f"{self.source}: {have} no row: {first_of(missing)}; {column} {parts.NO_PART} says that one stays out"
            )
        listed = [said[id] for id in ids]
        self._refuse_gaps(column, set(listed) - {parts.NO_PART})
        return listed

    def _said(self) -> tuple[str, dict[str, str]]:
        """Which column the file has, and what it says of each id."""
        from tfcr.corpora import tables  # what a training by another protocol has no need of

        text = tables.decoded(self.source, self.content)
        table = tables.table(self.source, text, ["id"], COLUMNS, header=HEADER)
        there = [column for column in COLUMNS if column in map(str.lower, table.columns)]
        if len(there) != 1:
            raise TfcrError(f"{self.source}: expected the columns {HEADER}; found {', '.join(table.columns)}")
        (column,) = there
        said: dict[str, list[str]] = defaultdict(list)
        for line, row in table.rows:
            id = unicodedata.normalize("NFC", row["id"])
            if not id:
                raise TfcrError(f"{self.source}, line {line}: 'id' is empty; expected a value in every row")
            said[id].append(self._value(column, row[column], line))
        self._refuse_doubled(column, said)
        return column, {id: values[0] for id, values in said.items()}

    def _value(self, column: str, word: str, line: int) -> str:
        if word.lower() == parts.NO_PART:
            return parts.NO_PART
        if column == "fold":
            value, expected = str(int(word)) if _FOLD.fullmatch(word) else "", "a whole number from 0"
        else:
            value, expected = parts.part_named(word), f"{parts.EXPECTED}, or {parts.NO_PART} for who stays out"
        if not value or (column == "part" and value not in parts.PARTS):
            raise TfcrError(f"{self.source}, line {line}: {column!r} is {word!r}; expected {expected}")
        return value

    def _refuse_doubled(self, column: str, said: Mapping[str, Sequence[str]]) -> None:
        in_two = [id for id, values in said.items() if len(set(values)) > 1]
        if in_two:
            first, second = dict.fromkeys(said[in_two[0]])
            are = counted(len(in_two), "id is", "ids are")
            raise TfcrError(
                f"{self.source}: {are} in two {column}s: {first_of(in_two)}; the first in {first} and in {second}; "
                "expected one row of each"
            )
        doubled = [id for id, values in said.items() if len(values) > 1]
        if doubled:
            stand = counted(len(doubled), "id stands", "ids stand")
            raise TfcrError(f"{self.source}: {stand} twice: {first_of(doubled)}; expected one row of each")

    def _refuse_gaps(self, column: str, values: set[str]) -> None:
        if column == "part":
            absent = [part for part in parts.PARTS if part not in values]
            if absent:
                raise TfcrError(
                    f"{self.source}: no utterance is in part {' or '.join(absent)}; expected some in each of "
                    f"{', '.join(parts.PARTS)}"
                )
            return
        found = sorted(map(int, values))
        if found != list(range(len(found))) or len(found) < LEAST_FOLDS:
            last = max(len(found), LEAST_FOLDS) - 1
            raise TfcrError(
                f"{self.source}: the folds with utterances are {', '.join(map(str, found)) or 'none'}; expected 0 to "
                f"{last}, each with some"
            )


def read(path: pathlib.Path) -> SplitFile:
    """Reads a file's bytes; what is in them is seen once a dataset is there.

    Raises:
        TfcrError: there is no such file, or it cannot be read.
    """
    try:
        return SplitFile(printable(os.path.abspath(path)), path.read_bytes())
    except FileNotFoundError:
        raise TfcrError(f"--split {path} does not exist; expected a CSV file with the columns {HEADER}") from None
    except OSError as error:
        raise TfcrError(f"--split {path} cannot be read ({error.strerror}); expected a CSV file") from None


def keep(run: pathlib.Path, split_file: SplitFile) -> None:
    """Leaves a copy in a run's folder, so that nothing needs the file again."""
    with files.written_whole(run / runs.SPLIT_FILE) as temporary:
        temporary.write_bytes(split_file.content)


def kept_in(run: pathlib.Path) -> SplitFile | None:
    """The copy that a run keeps; None for a run of another protocol.

    Raises:
        TfcrError: the copy is missing, or was changed.
    """
    config = runs.read_config(run)
    if config.get("split_sha256") is None:
        return None
    path = run / runs.SPLIT_FILE
    found = SplitFile(str(config.get("split")), path.read_bytes()) if path.is_file() else None
    if found is None or found.sha256 != config["split_sha256"]:
        raise TfcrError(f"{path} is missing or was changed since {run} was begun; put the file of --split there again")
    return found
