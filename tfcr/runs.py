"""The run folder: one trained and tested fold, as `tfcr train` leaves it and all else reads it. No TensorFlow."""

import csv
import hashlib
import json
import math
import os
import pathlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property

import h5py
import numpy as np
import yaml

from tfcr import checked_hdf5, files
from tfcr.config import Config
from tfcr.errors import TfcrError
from tfcr.schema import EMBEDDING_DIM
from tfcr.training_noise import TrainingNoise

CONFIG = "config.yaml"
METRICS = "metrics.json"
HISTORY = "history.csv"
PREDICTIONS = "predictions.h5"
WEIGHTS = "model.weights.h5"
SPLIT_FILE = "protocol.csv"  # the copy of the file of --split, where one stands for the protocol
DRAWN = "split.csv"  # which part each utterance was in
TENSORBOARD = "tensorboard"
WHERE = ("data", "split")  # what config.yaml has beside the configuration: where dataset and file of --split lay
EMBEDDINGS = ("audio_embedding", "text_embedding")  # in predictions.h5
METRICS_SCHEMA = 1
SHOWN_DIGITS = 8  # of the SHA-256 of a file of --split, of a noise, or of a subset too long for a folder's name
_LONGEST_SUBSET = 60  # characters, in the name of a folder
_KIND = "tfcr predictions"
_NO_NAME = re.compile(r"[^\w.,=-]+")  # what a subset may hold and the name of a folder had better not

_REMEDY = "train it with `tfcr train`, or name another folder"


@dataclass(frozen=True)
class Predictions:
    """What a model said of the test utterances, sorted by id. What a system does not define is None.

    Attributes:
        id, speaker, session, script: str [utterances].
        label: int64 [utterances].
        logits: float32 [utterances, classes]; `audio_logits` and `text_logits` likewise (s, s_a, s_t of Eq. 1-4).
        audio_embedding, text_embedding: float32 [utterances, dimension] (e_a, e_t).
    """

    id: np.ndarray
    speaker: np.ndarray
    session: np.ndarray
    script: np.ndarray
    label: np.ndarray
    logits: np.ndarray
    audio_logits: np.ndarray | None = None
    text_logits: np.ndarray | None = None
    audio_embedding: np.ndarray | None = None
    text_embedding: np.ndarray | None = None


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: pathlib.Path

    @cached_property
    def config(self) -> dict:
        """The resolved configuration (`config.yaml`)."""
        return read_config(self.folder)

    @cached_property
    def metrics(self) -> dict:
        """`metrics.json`."""
        return files.read_json(self.folder / METRICS)

    @cached_property
    def history(self) -> list[dict[str, float]]:
        """One dictionary an epoch, in order (`history.csv`)."""
        path = self.folder / HISTORY
        try:
            with open(path, encoding="utf-8", newline="") as file:
                return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise TfcrError(f"{path} is missing or broken ({error}); train the run again") from None

    @cached_property
    def predictions(self) -> Predictions:
        """`predictions.h5`."""
        return read_predictions(self.folder / PREDICTIONS)

    @property
    def emotions(self) -> list[str]:
        """The classes, in label order."""
        return list(self.metrics["emotions"])

    @property
    def embedding_dim(self) -> int:
        """Numbers of a word vector; earlier versions took those of the paper's width only."""
        return self.metrics.get("embedding_dim", EMBEDDING_DIM)

    @property
    def own_features(self) -> dict[str, tuple[int | None, ...]]:
        """The shapes of an utterance's own features, by the network's input: `audio_features`, `text_features`."""
        return {name: tuple(shape) for name, shape in self.metrics.get("own_features", {}).items()}

    @property
    def takes_word_vectors(self) -> bool:
        """Whether the dataset's word vectors are among what it was trained on."""
        test = self.metrics["test"]
        is_speech_alone = test.get("wa_audio") is not None and test.get("wa_text") is None
        return not is_speech_alone and not self.metrics.get("text_features")

    @property
    def pooled_features(self) -> set[str]:
        """Which own features have time, over which they are pooled; those of a shape that was not recorded may have."""
        taken = [name for name in ("audio_features", "text_features") if self.metrics.get(name)]
        return {name for name in taken if None in self.own_features.get(name, [None])}

    @property
    def extractors(self) -> dict[str, dict]:
        """What made its own features, by the network's input, where their file said it."""
        return self.metrics.get("extractors", {})


def open_run(folder: str | os.PathLike) -> Run:
    """Opens a finished run.

    Raises:
        TfcrError: no run there, or one that is not finished.
    """
    folder = pathlib.Path(folder)
    files.refuse_undecodable(folder)
    if not (folder / CONFIG).is_file():
        raise TfcrError(f"{folder} is not a run: it has no {CONFIG}; {_REMEDY}")
    if not (folder / METRICS).is_file():
        raise TfcrError(f"{folder} is a run that is not finished; the same `tfcr train` command resumes it")
    run = Run(folder)
    keys = {"schema", "emotions", "test", "validation"}
    if not isinstance(run.metrics, dict) or not keys <= set(run.metrics) or run.metrics["schema"] != METRICS_SCHEMA:
        raise TfcrError(f"{folder / METRICS} is not of schema {METRICS_SCHEMA}; {_REMEDY}")
    return run


def find_runs(paths: Iterable[str | os.PathLike]) -> list[Run]:
    """The finished runs at or below `paths`, sorted by folder.

    Raises:
        TfcrError: a path that holds none.
    """
    found = {}
    for path in map(pathlib.Path, paths):
        if (path / CONFIG).is_file():
            folders = [path]
        else:
            folders = sorted(metrics.parent for metrics in path.rglob(METRICS) if (metrics.parent / CONFIG).is_file())
        if not folders:
            raise TfcrError(f"{path} holds no finished run; {_REMEDY}")
        found.update({folder.resolve(): folder for folder in folders})
    return [open_run(folder) for _, folder in sorted(found.items())]


def folder_of(dataset: str, config: Config) -> pathlib.Path:
    """`runs/<dataset>/<protocol>-<system>-a<alpha>-f<fold>-s<seed>` of a resolved configuration.

    A subset stands behind the protocol, and behind protocol `file` the beginning of its file's SHA-256; one's own
    features stand behind the system. A run that pools these by attention ends in `-attended`; one whose cross-entropy
    is weighed in `-balanced`; one under noise in `-noise`, and behind it the beginning of the noise's SHA-256 where it
    is another than the default's; and a baseline that was trained on in `-continued`.
    """
    drawn = (config.protocol, (config.split_sha256 or "")[:SHOWN_DIGITS], _in_a_name(config.subset or ""))
    own = "".join(f"-{name}" for name in (config.audio_features, config.text_features) if name)
    parts = f"a{config.alpha:.12g}", f"f{config.fold}", f"s{config.seed}"
    attended = "-attended" if own and config.pooling == "attention" else ""
    balanced = "-balanced" if config.class_weights == "balanced" else ""
    continued = "-continued" if config.alpha == 0 and config.start == "baseline" else ""
    ending = attended + balanced + _noise_in_a_name(config) + continued
    name = f"{'-'.join(filter(None, drawn))}-{config.system}{own}-{'-'.join(parts)}{ending}"
    return pathlib.Path("runs") / dataset / name


def _noise_in_a_name(config: Config) -> str:
    if config.noise is None:
        return ""
    if config.noise == TrainingNoise():
        return "-noise"
    content = json.dumps(config.to_dict()["noise"], sort_keys=True)
    return f"-noise-{hashlib.sha256(content.encode()).hexdigest()[:SHOWN_DIGITS]}"


def _in_a_name(subset: str) -> str:
    if len(subset) > _LONGEST_SUBSET:
        return f"{subset.partition('=')[0]}={hashlib.sha256(subset.encode()).hexdigest()[:SHOWN_DIGITS]}"
    return _NO_NAME.sub("_", subset)


def refuse_other(folder: str | os.PathLike, config: Config) -> None:
    """Refuses a run's folder that belongs to another dataset or configuration.

    A field that is younger than the run counts as its default; `threads` decides nothing, and may differ.

    Args:
        config: resolved, with the dataset's SHA-256.
    """
    found, wanted = read_config(folder), config.to_dict()
    remedy = "remove it, or choose another --run"
    if found.get("dataset_sha256") != wanted["dataset_sha256"]:
        raise TfcrError(f"{folder} belongs to another dataset (it was {found.get('data')}); {remedy}")
    decide = {name: default for name, default in Config().to_dict().items() if name != "threads"}
    for name, default in decide.items():
        if found.get(name, default) != wanted[name] and name == "features_sha256":
            raise TfcrError(f"{folder} was trained on other features of the same names; {remedy}")
        if found.get(name, default) != wanted[name]:
            raise TfcrError(
                f"{folder} belongs to another configuration: its {name} is {found.get(name, default)!r}, "
                f"not {wanted[name]!r}; {remedy}"
            )


def evaluation_folder(run: Run, name: str) -> pathlib.Path:
    """Where what `tfcr evaluate` finds on another dataset or part lies."""
    return run.folder / f"evaluation-{name}"


def check_weights(run: Run) -> None:
    """Refuses weights that are not those the run ended with."""
    path = run.folder / WEIGHTS
    if not path.is_file() or files.sha256_of_file(path) != run.metrics.get("weights_sha256"):
        raise TfcrError(
            f"{path} is missing or was changed since it was trained; remove {run.folder} and train it again"
        )


def write_split(folder: pathlib.Path, rows: Iterable[tuple[str, str, str]]) -> None:
    """Writes `split.csv`: which part (train, validation, test) each utterance was in.

    Args:
        rows: id, recording (by which it is known again in another dataset) and part.
    """
    with files.written_whole(folder / DRAWN) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("id", "recording", "part"))
        writer.writerows(rows)


def read_split(folder: pathlib.Path) -> dict[str, str]:
    """`split.csv`: recording → part."""
    try:
        with open(folder / DRAWN, encoding="utf-8", newline="") as file:
            rows = [(row["recording"], row["part"]) for row in csv.DictReader(file)]
        # a recording that has two ids was seen if one of them was
        return dict(sorted(rows, key=lambda row: row[1] != "test"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TfcrError(f"{folder / DRAWN} is missing or broken ({error}); train the run again") from None


def read_config(folder: str | os.PathLike) -> dict:
    """The `config.yaml` of a run, finished or not."""
    path = pathlib.Path(folder) / CONFIG
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TfcrError(f"{folder} is not a run: it has no {CONFIG}; {_REMEDY}") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise TfcrError(f"{path} is not readable YAML ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict):
        raise TfcrError(f"{path} holds no configuration; expected `name: value` lines")
    return content


def write_history(folder: pathlib.Path, epochs: list[Mapping[str, float]]) -> None:
    """Writes `history.csv`: one row an epoch; floats with all their digits, `nan` where an epoch lacks one."""
    names = list(dict.fromkeys(name for row in epochs for name in row)) or ["epoch"]
    lines = [",".join(names)] + [",".join(repr(row.get(name, math.nan)) for name in names) for row in epochs]
    files.write_text(folder / HISTORY, "\n".join(lines) + "\n")


def write_predictions(path: pathlib.Path, predictions: Predictions) -> None:
    """Writes `predictions.h5`: one dataset a field, strings as variable-length UTF-8. Equal content, equal bytes."""
    with checked_hdf5.written(path, _KIND) as file:
        for field in fields(Predictions):
            value = getattr(predictions, field.name)
            if value is None:
                continue
            if value.dtype.kind in "UO":
                file.create_dataset(field.name, data=value.astype(object), dtype=h5py.string_dtype("utf-8"))
            else:
                file.create_dataset(field.name, data=value)


def read_predictions(path: pathlib.Path, embeddings: Iterable[str] = EMBEDDINGS) -> Predictions:
    """Reads `predictions.h5`.

    Args:
        embeddings: those that are read, which are most of the file; the others are None.

    Raises:
        TfcrError: it is missing, broken or lacks a field that every system has.
    """
    left_out = {*EMBEDDINGS} - {*embeddings}
    try:
        with checked_hdf5.opened(path, _KIND, may_lack_digest=True) as file:  # the first ones had none
            content = {}
            for field in fields(Predictions):
                if field.name in file and field.name not in left_out:
                    data = file[field.name]
                    text = h5py.check_string_dtype(data.dtype)
                    content[field.name] = np.asarray(data.asstr()[()], dtype=str) if text else data[()]
        return Predictions(**content)
    except (OSError, TypeError, ValueError, RuntimeError) as error:
        raise TfcrError(f"{path} is missing or broken ({error}); `tfcr evaluate` writes it anew") from None
