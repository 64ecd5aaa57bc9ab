"""One's own features: an HDF5 file with one dataset an utterance id, such as embeddings of a pretrained model.

Written by `write_features`, or by anything that writes HDF5. No TensorFlow.
"""

import json
import os
import pathlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import h5py
import numpy as np

from tfcr import files
from tfcr.errors import TfcrError, UsageError
from tfcr.features.sets import SETS, FeatureSet, Field
from tfcr.wording import counted

Modality = Literal["audio", "text"]
EXTRACTOR = "extractor"  # the attribute of a file that says in JSON what made it
FORMAT = (
    "expected an HDF5 file with a dataset [time, dim], [layers, time, dim] or [dim] of numbers for every utterance id"
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_ROUNDING = ("versions", "precision")  # of what makes features: what should change their last digits alone
_SETTINGS = "settings_sha256"  # of a model's configuration, tokenizer and feature extractor
_LARGEST = np.finfo(np.float32).max


def write_features(
    path: str | os.PathLike, features: Iterable[tuple[str, np.ndarray]], extractor: Mapping | None = None
) -> None:
    """Writes a file of features, whole or not at all, holding one array at a time.

    Args:
        features: utterance id and its array [time, dim], [layers, time, dim] (of several layers of one model) or [dim],
            as float32 or what float32 can hold; all of one kind and width.
        extractor: what made them, as JSON can hold it; the dataset, its runs and their exports keep it.

    Raises:
        ValueError: an id twice, or an array of another shape than the first, empty or not finite.
        TfcrError: ids that one HDF5 file cannot hold (`refuse_unholdable`).
    """
    first = None
    ids: set[str] = set()
    with files.written_whole(path) as temporary, h5py.File(temporary, "w") as file:
        if extractor is not None:
            file.attrs[EXTRACTOR] = json.dumps(extractor)
        for id, array in features:
            array = np.asarray(array)
            shape = _kind(array.shape)
            first = first or shape
            if shape is None or shape != first or not array.size:
                raise ValueError(f"features of {id!r} have the shape {array.shape}; the first have {first}")
            if not _fits_float32(array):
                raise ValueError(f"features of {id!r} are not all finite in float32")
            if id in ids:
                raise ValueError(f"features of {id!r} are given twice")
            ids.add(id)
            try:
                file.create_dataset(id, data=array.astype("<f4", copy=False))
            except (TypeError, ValueError):
                refuse_unholdable(ids)
                raise


def refuse_unholdable(ids: Collection[str]) -> None:
    """Refuses ids that one HDF5 file cannot hold, for / stands for folders there: `a` beside `a/b`, or `a//b`.

    Raises:
        TfcrError: there are such, the first by name.
    """
    for id in sorted(ids):
        parts = id.split("/")
        folders = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        if folder := next((each for each in folders if each in ids), None):
            raise TfcrError(
                f"the ids {folder!r} and {id!r} cannot stand in one file of features: in HDF5 / is for folders, and "
                f"{folder!r} would be one; give one of them another id"
            )
        if "\0" in id or not {"", "."}.isdisjoint(parts):
            raise TfcrError(f"the id {id!r} cannot name features in HDF5, where / is for folders; give it another one")


@dataclass(frozen=True)
class OwnFeatures:
    """A file of features as a feature set, named after the file.

    Attributes:
        path: of the HDF5 file.
        modality: whether they stand for speech or for words.
    """

    path: pathlib.Path
    modality: Modality

    @property
    def name(self) -> str:
        """The file's name without its ending: `hubert.h5` holds the features `hubert`."""
        return self.path.stem

    @property
    def field(self) -> str:
        """The network's input that takes them."""
        return f"{self.modality}_features"

    @property
    def option(self) -> str:
        return f"--{self.modality}-features {self.path}"

    def check_name(self) -> None:
        """Refuses a file that is missing, or whose name cannot name features.

        Raises:
            UsageError: the name is taken by a feature set of tfcr, or has other characters than letters, digits, _.+-
            TfcrError: no such file.
        """
        if not _NAME.fullmatch(self.name) or self.name in SETS or self.name == "spectrogram":
            raise UsageError(
                f"{self.option}: features are called after their file, and {self.name!r} cannot be a name; "
                f"rename the file (letters, digits, _.+-, and none of {', '.join(SETS)})"
            )
        self.check_exists()

    def check_exists(self) -> None:
        """Refuses a file that is missing.

        Raises:
            TfcrError: no such file.
        """
        if not self.path.is_file():
            raise TfcrError(f"{self.option} {'is no file' if self.path.exists() else 'does not exist'}; {FORMAT}")

    def feature_set(self, ids: Sequence[str]) -> FeatureSet:
        """The set, after a look at the shapes of all that is wanted; no values are read.

        Args:
            ids: of the utterances.

        Raises:
            TfcrError: no HDF5, of another corpus, or ids are missing or have other widths.
        """
        first = None
        with self._open() as file:
            missing = [id for id in ids if not isinstance(_get(file, id), h5py.Dataset)]
            if len(missing) == len(ids):
                theirs = next(iter(file), None)
                raise TfcrError(
                    f"{self.option} has none of this corpus's {counted(len(ids), 'id')}, not even {ids[0]!r}"
                    + ("; it is empty" if theirs is None else f"; its first is {theirs!r}: is it of another corpus?")
                )
            if missing:
                raise TfcrError(
                    f"{self.option} has no dataset for {len(missing)} of {counted(len(ids), 'utterance')}; "
                    f"the first is {missing[0]!r}"
                )
            for id in ids:
                found = file[id]
                shape = _kind(found.shape)
                if shape is None or 0 in found.shape or found.dtype.kind not in "fiu":
                    raise TfcrError(f"{self.option}: {id!r} has {_described(found)}; {FORMAT}")
                first = first or (id, shape)
                if shape != first[1]:
                    raise TfcrError(
                        f"{self.option}: {id!r} has {_described(found)}, {first[0]!r} has "
                        f"{_described(file[first[0]])}; expected the same dimensions, but for time, of all"
                    )
        assert first is not None  # there are utterances
        return FeatureSet(self.name, (Field(self.field, first[1]),))

    def extractor(self) -> dict | None:
        """What made the features, where the file says it (`write_features`, `tfcr extract`).

        Raises:
            TfcrError: it says something that is no JSON object.
        """
        with self._open() as file:
            text = file.attrs.get(EXTRACTOR)
        try:
            described = None if text is None else json.loads(text)
        except (TypeError, ValueError):
            described = text
        if described is not None and not isinstance(described, dict):
            raise TfcrError(f"{self.option}: its attribute {EXTRACTOR!r} is no JSON object; expected one, or none")
        return described

    def first_of(self, names: Sequence[str]) -> str | None:
        """The first of some names by which there is a dataset.

        Raises:
            TfcrError: no HDF5.
        """
        with self._open() as file:
            return next((name for name in names if isinstance(_get(file, name), h5py.Dataset)), None)

    def read(self, id: str) -> np.ndarray:
        """The features of an utterance, float32 [time, dim], [layers, time, dim] or [dim].

        Raises:
            TfcrError: they are not finite, or cannot be read.
        """
        with self._open() as file:
            try:
                array = file[id][()]
            except (OSError, KeyError, RuntimeError, ValueError, MemoryError) as error:
                raise TfcrError(f"{self.option}: {id!r} cannot be read ({error})") from None
        if not _fits_float32(array):
            raise TfcrError(
                f"{self.option}: the features of {id!r} are not all finite in float32; expected such numbers"
            )
        return array.astype(np.float32)

    def _open(self) -> h5py.File:
        try:
            return h5py.File(self.path, "r")
        except BlockingIOError:
            raise TfcrError(
                f"{self.option} is open in another process, which may still write to it; wait for that, or end it"
            ) from None
        except (OSError, RuntimeError, ValueError) as error:
            raise TfcrError(f"{self.option} cannot be read as HDF5 ({error}); {FORMAT}") from None


def in_words(extractor: Mapping) -> str:
    """What made features, as a file says it, in one line: `model wavlm, layer 12, versions torch 2.9`."""
    parts = []
    for name, value in extractor.items():
        if value is not None:
            said = in_words(value) if isinstance(value, Mapping) else " ".join(str(value).split())
            parts.append(f"{name.replace('_', ' ')} {said}")
    return ", ".join(parts)


def may_be_same(extractor: Mapping | None, other: Mapping | None) -> bool:
    """Whether two extractors make the same features, but for versions and rounding; an unknown one may be any.

    The same weights are the same model, wherever they lie and whatever they are called.
    """
    if extractor is None or other is None:
        return True
    named = ("model", "revision") if extractor.get("sha256") and other.get("sha256") else ()
    unsaid = () if extractor.get(_SETTINGS) and other.get(_SETTINGS) else (_SETTINGS,)  # by the first files
    passed_over = {*_ROUNDING, *named, *unsaid}
    made, others = ({name: each[name] for name in each if name not in passed_over} for each in (extractor, other))
    return made == others


def _get(file: h5py.File, id: str):
    """What stands at an id, or None."""
    try:
        return file.get(id) if id and id.strip("/") == id else None
    except (KeyError, OSError, RuntimeError, ValueError, TypeError):
        return None


def _fits_float32(array: np.ndarray) -> bool:
    """Whether every number is finite in float32."""
    return bool((np.abs(array) <= _LARGEST).all())  # false for NaN


def _kind(shape: tuple[int, ...]) -> tuple[int | None, ...] | None:
    """The shape of a field for an array's, with None for time; None where it is no such array."""
    return {1: shape, 2: (None, *shape[1:]), 3: (*shape[:1], None, *shape[2:])}.get(len(shape))


def _described(dataset: h5py.Dataset) -> str:
    return f"{dataset.dtype} {list(dataset.shape)}"
