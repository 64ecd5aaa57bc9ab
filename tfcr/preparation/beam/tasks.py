"""A shard as work that travels to another process or machine: one line of JSON, and beside it the word vectors.

JSON rather than pickle: whoever can write into a dataset's folder shall not thereby run code in the workers.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import BinaryIO

import numpy as np

from tfcr import __version__
from tfcr.corpora.utterance import Utterance
from tfcr.dataset_info import IndexRow
from tfcr.errors import TfcrError
from tfcr.features.embeddings import WordVectors
from tfcr.features.own import OwnFeatures
from tfcr.features.presets import PRESETS
from tfcr.features.sets import SETS, TOKEN_IDS, FeatureSet, Field
from tfcr.preparation import feature_sets
from tfcr.preparation.feature_sets import FeaturePlan
from tfcr.preparation.shards import RecordPlan, ShardPlan
from tfcr.schema import FEATURES_REVISION

_MAKER = {"tfcr": __version__, "features": FEATURES_REVISION}  # another one may write other bytes


def write_vectors(vectors: WordVectors, file: BinaryIO) -> dict[str, int]:
    """Writes every vector, little-endian float32 [width], one after another; returns the row of each word."""
    for vector in vectors.vectors.values():
        file.write(np.asarray(vector, "<f4").tobytes())
    return {word: row for row, word in enumerate(vectors.vectors)}


def read_vectors(path: pathlib.Path) -> np.ndarray:
    """The numbers of all vectors, float32 [words * width]; only what is looked at is read."""
    if not path.stat().st_size:
        return np.zeros(0, np.float32)
    return np.memmap(path, "<f4", "r")


def encode(plan: ShardPlan, shard: int, rows: Mapping[str, int], made_from: str | None = None) -> bytes:
    """A shard of a plan, with absolute paths.

    Args:
        rows: of `write_vectors`.
        made_from: SHA-256 of what the shard is made from (`Fingerprint`), where it is known already.
    """
    positions = plan.positions(shard)

    def of_shard(values: Sequence) -> list:
        return [values[position] for position in positions]

    content = {
        "maker": _MAKER,
        "name": plan.name,
        "count": plan.count,
        "shard": shard,
        "made_from": made_from,
        "utterances": [each.to_dict() | {"audio": str(each.audio.absolute())} for each in of_shard(plan.utterances)],
        "rows": [dataclasses.astuple(row) for row in of_shard(plan.rows)],
    }
    if isinstance(plan, RecordPlan):
        words = [list(sentence) for sentence in of_shard(plan.words)]
        content |= {"preset": plan.preset, "words": words, "width": plan.vectors.width}
        content["vectors"] = _rows_of(words, plan.vectors, rows)
    elif isinstance(plan, FeaturePlan):
        content |= {"set": plan.feature_set.name, "origins": of_shard(plan.origins)}
        if plan.own is not None:
            (field,) = plan.feature_set.fields
            content["own"] = {
                "path": str(plan.own.path.absolute()),
                "modality": plan.own.modality,
                "sha256": plan.source_sha256,
                "shape": list(field.shape),
            }
    return json.dumps(content).encode() + b"\n"


def decode(task: bytes, vectors: np.ndarray) -> tuple[ShardPlan, str | None]:
    """The plan of one shard (`ShardPlan.only`), and `made_from`.

    Args:
        vectors: of `read_vectors`.

    Raises:
        TfcrError: the task is of another version of tfcr, or a file of one's own features is not there.
    """
    content = json.loads(task)
    if content.get("maker") != _MAKER:
        of = [
            f"tfcr {each.get('tfcr')}, features {each.get('features')}" for each in (_MAKER, content.get("maker", {}))
        ]
        raise TfcrError(f"a worker has {of[0]}; expected {of[1]}, as the launcher has; install the same everywhere")
    return _plan_of(content, vectors), content["made_from"]


def _plan_of(content: dict, vectors: np.ndarray) -> ShardPlan:
    cut = {
        "utterances": [Utterance(**each | {"audio": pathlib.Path(each["audio"])}) for each in content["utterances"]],
        "rows": [IndexRow(*row) for row in content["rows"]],
        "count": content["count"],
        "only": content["shard"],
    }
    if "words" in content:
        width = content["width"]
        known = {word: np.array(vectors[width * row : width * (row + 1)]) for word, row in content["vectors"].items()}
        return RecordPlan(
            name=content["name"],
            preset=content["preset"],
            words=content["words"],
            vectors=WordVectors(known, "", look_up=PRESETS[content["preset"]].look_up, width=width),
            **cut,
        )
    records = ShardPlan(name=content["name"].removesuffix(f".{content['set']}"), **cut)
    if "own" in content:
        own = OwnFeatures(pathlib.Path(content["own"]["path"]), content["own"]["modality"])
        own.check_name()
        field = Field(own.field, tuple(content["own"]["shape"]))
        return feature_sets.of_file(records, own, FeatureSet(own.name, (field,)), content["own"]["sha256"])
    if content["set"] == TOKEN_IDS:
        return feature_sets.of_words(records, [json.loads(origin) for origin in content["origins"]])
    assert content["set"] in SETS
    return feature_sets.of_speech(records, content["set"], content["origins"])


def _rows_of(sentences: Iterable[Iterable[str]], vectors: WordVectors, rows: Mapping[str, int]) -> dict[str, int]:
    """The rows of the forms that are looked up for some words; among these alone, each word has the same form."""
    words = {word for sentence in sentences for word in sentence}
    forms = {form for word in words for form in vectors.look_up.known(word, vectors.vectors)}
    return {form: rows[form] for form in sorted(forms)}
