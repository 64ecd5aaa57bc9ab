"""A prepared dataset: what its info file and index say. No TensorFlow."""

import csv
import dataclasses
import hashlib
import json
import os
import pathlib
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from tfcr import files
from tfcr.errors import TfcrError
from tfcr.features.sets import SETS, FeatureSet, Field
from tfcr.protocols import Labelled
from tfcr.record_order import RECORD_ORDER, record_order
from tfcr.schema import EMBEDDING_DIM

INFO = "dataset_info.json"
INDEX = "utterances.csv"
JOBS = ".beam"  # the folder in a dataset's folder through which launcher and workers of Apache Beam speak
SCHEMA = 2  # since 2, records stand in an order drawn from their ids
PREPARE_AGAIN = "`tfcr prepare-tfrecords` with the same options writes it anew"


@dataclass(frozen=True)
class Shard:
    """One TFRecord file of a dataset."""

    name: str
    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One utterance of the index; rows are sorted by id, whatever the order of the records.

    `recording` is the beginning of the SHA-256 of the recording's file, by which it is known again in another dataset.
    `part` is the one that the corpus was released in; a corpus without parts has no such column.
    """

    id: str
    emotion: str
    label: int
    speaker: str
    session: str
    script: str
    num_samples: int
    num_frames: int
    num_segments: int
    num_tokens: int
    recording: str
    part: str = ""

    @property
    def values(self) -> tuple:
        """All of them; without parts they are what they were before parts were kept."""
        *others, part = dataclasses.astuple(self)
        return (*others, part) if part else tuple(others)


@dataclass(frozen=True)
class Features:
    """A feature set beside the records of the paper's features, in shards of its own and in the records' order.

    Attributes:
        name: of the set; for one's own features their file's.
        fields: of every record.
        shards: as many as the dataset has, each with the same utterances.
        sha256: identifies them by their content.
        revision: of what computed them.
        modality: of one's own features, what they stand for: `audio` or `text`; else None.
        extractor: of one's own features, what made them, where their file says it.
    """

    name: str
    fields: tuple[Field, ...]
    shards: tuple[Shard, ...]
    sha256: str
    revision: int
    modality: str | None = None
    extractor: dict | None = None


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset in its folder."""

    folder: pathlib.Path
    info: dict

    @property
    def name(self) -> str:
        return self.info["name"]

    @property
    def emotions(self) -> list[str]:
        """The classes, in label order."""
        return self.info["emotions"]

    @property
    def sha256(self) -> str:
        """Identifies the dataset by its content: equal for equal shards, whatever folder or name they have."""
        return self.info["dataset_sha256"]

    @property
    def embedding_dim(self) -> int:
        """Numbers of a word vector."""
        return self.info["embeddings"].get("dimension", EMBEDDING_DIM)

    @property
    def shards(self) -> list[Shard]:
        return [Shard(**shard) for shard in self.info["shards"]]

    @cached_property
    def features(self) -> dict[str, Features]:
        """The feature sets beside the paper's, by name."""
        try:
            return {name: _features(name, content) for name, content in self.info.get("features", {}).items()}
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise TfcrError(f"{self.folder / INFO}: its features are broken ({error}); {PREPARE_AGAIN}") from None

    def feature_sets(self, names: Iterable[str]) -> list[Features]:
        """The named feature sets.

        Raises:
            TfcrError: the dataset lacks one, or has it as another version computed it; the message names the option.
        """
        names = list(names)
        absent = [name for name in names if name not in self.features]
        if absent:
            built_in = [name for name in absent if name in SETS]
            option = "--features all" if built_in else "--audio-features FILE.h5 (or --text-features), so named,"
            raise TfcrError(
                f"dataset {self.folder} was prepared without the features {', '.join(built_in or absent)}; the same "
                f"`tfcr prepare-tfrecords` command with {option} adds them and computes nothing else again"
            )
        for name in names:
            if name in SETS and self.features[name].revision != SETS[name].revision:
                raise TfcrError(
                    f"dataset {self.folder} has the features {name} as another version of tfcr computes them; the same "
                    "`tfcr prepare-tfrecords` command with --features all computes them anew, and nothing else"
                )
        return [self.features[name] for name in names]

    @cached_property
    def index(self) -> list[IndexRow]:
        """One row an utterance."""
        path = self.folder / INDEX
        try:
            rows = read_index(path)
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise TfcrError(f"{path} is missing or broken ({error}); {PREPARE_AGAIN}") from None
        if len(rows) != self.info["utterances"]:
            raise TfcrError(
                f"{path} has {len(rows)} rows; expected {self.info['utterances']} utterances; {PREPARE_AGAIN}"
            )
        return rows

    @cached_property
    def order(self) -> list[int]:
        """The positions of the utterances, which count by their sorted ids, in the order of the records."""
        return record_order([row.id for row in self.index])

    @cached_property
    def labelled(self) -> Labelled:
        """What a protocol needs to know."""
        rows = self.index
        names = ("id", "label", "speaker", "session", "script", "part")
        return Labelled(**{f"{name}s": [getattr(row, name) for row in rows] for name in names}, emotions=self.emotions)


def open_dataset(folder: str | os.PathLike) -> Dataset:
    """Opens a prepared dataset; `tfcr.verification.verify` checks its bytes.

    Raises:
        TfcrError: no dataset there, or one of another schema.
    """
    folder = pathlib.Path(folder)
    files.refuse_undecodable(folder)
    if not (folder / INFO).is_file():
        what = "does not exist" if not folder.exists() else f"has no {INFO}, so it is not a finished dataset"
        raise TfcrError(
            f"dataset {folder} {what}; prepare it with `tfcr prepare-tfrecords --corpus … --root …`, "
            "or name where it lies by --data"
        )
    info = files.read_json(folder / INFO)
    keys = {"schema", "name", "emotions", "shards", "dataset_sha256", "utterances", "preset", "embeddings", "counts"}
    _refuse_sorted_records(folder, info)
    if not isinstance(info, dict) or not keys <= set(info) or info["schema"] != SCHEMA:
        raise TfcrError(f"{folder / INFO} is not of schema {SCHEMA}; {PREPARE_AGAIN}")
    if info.get("order") != RECORD_ORDER:
        raise TfcrError(f"{folder / INFO} does not say that records stand by {RECORD_ORDER!r}; {PREPARE_AGAIN}")
    if not _keeps_its_sha256(info):
        raise TfcrError(f"{folder / INFO} was changed since it was written; {PREPARE_AGAIN}")
    return Dataset(folder, info)


def refuse_sorted_records(folder: pathlib.Path) -> None:
    """Refuses to mend a dataset of an earlier version, whose records are sorted by id.

    Raises:
        TfcrError: it is one.
    """
    try:
        info = files.read_json(folder / INFO)
    except TfcrError:  # none, or a broken one, which is mended
        return
    _refuse_sorted_records(folder, info)


def _refuse_sorted_records(folder: pathlib.Path, info) -> None:
    if isinstance(info, dict) and info.get("schema") == 1:
        corpus = f" --corpus {info['corpus']}" if isinstance(info.get("corpus"), str) else ""
        raise TfcrError(
            f"dataset {folder} was prepared by an earlier version of tfcr, which let the names of recordings decide "
            "the order of a training; remove the folder, and prepare it again by the same "
            f"`tfcr prepare-tfrecords{corpus}`, with its other options as they were"
        )


def _keeps_its_sha256(info: dict) -> bool:
    """Whether what identifies the dataset, and the number of its records, are those it was written with."""
    try:
        records = sum(Shard(**shard).records for shard in info["shards"])
        return info["dataset_sha256"] == content_sha256(info) and info["utterances"] == records
    except (TypeError, KeyError):
        return False


def latest_dataset(below: str | os.PathLike = "data") -> pathlib.Path:
    """The folder of the dataset prepared last below a folder.

    Raises:
        TfcrError: there is none.
    """
    found = sorted(pathlib.Path(below).glob(f"*/{INFO}"), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise TfcrError(
            f"there is no dataset under {below}/; make one with `tfcr prepare-tfrecords`, or name it by --data"
        )
    return found[-1].parent


def content_sha256(info: dict) -> str:
    """The identity of a dataset: its emotions, preset and the bytes of its shards and index."""
    content = [info["emotions"], info["preset"], info["index"]["sha256"], [s["sha256"] for s in info["shards"]]]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def features_sha256(sets: Iterable[Features]) -> str | None:
    """The identity of some feature sets together; None for none."""
    content = [[each.name, each.sha256] for each in sets]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest() if content else None


def describe_features(
    feature_set: FeatureSet,
    shards: Sequence[Shard],
    modality: str | None = None,
    source_sha256: str | None = None,
    extractor: dict | None = None,
) -> dict:
    """A feature set's entry in `dataset_info.json`.

    Args:
        source_sha256: of the file that one's own features come from.
        extractor: what made them, where the file says it.
    """
    return {
        "modality": modality,
        "revision": feature_set.revision,
        "source_sha256": source_sha256,
        **({} if extractor is None else {"extractor": extractor}),
        "fields": {field.name: {"shape": list(field.shape), "dtype": field.dtype} for field in feature_set.fields},
        "shards": [dataclasses.asdict(shard) for shard in shards],
    }


def _features(name: str, content: dict) -> Features:
    fields = tuple(Field(field, tuple(of["shape"]), of["dtype"]) for field, of in content["fields"].items())
    shards = tuple(Shard(**shard) for shard in content["shards"])
    identity = [content["fields"], [shard.sha256 for shard in shards]]
    sha256 = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
    return Features(name, fields, shards, sha256, content["revision"], content["modality"], content.get("extractor"))


def read_index(path: pathlib.Path) -> list[IndexRow]:
    """Reads `utterances.csv`."""
    kinds = typing.get_type_hints(IndexRow)
    with open(path, encoding="utf-8", newline="") as file:
        return [IndexRow(**{name: kinds[name](value) for name, value in row.items()}) for row in csv.DictReader(file)]


def write_index(path: pathlib.Path, rows: list[IndexRow]) -> None:
    """Writes `utterances.csv` whole."""
    with files.written_whole(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        names = [field.name for field in dataclasses.fields(IndexRow)]
        if not any(row.part for row in rows):
            names.remove("part")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([getattr(row, name) for name in names] for row in rows)
