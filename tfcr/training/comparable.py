"""Whether a network that was trained on one dataset can be tested on another, and on which classes."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tfcr.config import Config
from tfcr.dataset_info import Dataset
from tfcr.errors import TfcrError
from tfcr.features.own import in_words, may_be_same
from tfcr.features.sets import TOKEN_IDS
from tfcr.models.systems import extractors_of, feature_names, sizes_of
from tfcr.schema import EMBEDDING_DIM

_LEAST_CLASSES = 2


def features_recorded(config: Config, dataset: Dataset) -> dict[str, Any]:
    """What `metrics.json` says of the features that a training takes."""
    own = sizes_of(config, dataset).own_features
    return {
        "embeddings": dataset.info["embeddings"]["source"],
        "embeddings_sha256": dataset.info["embeddings"]["sha256"],
        "transductive": dataset.info["embeddings"]["transductive"],
        "embedding_dim": dataset.embedding_dim,
        "own_features": {name: list(shape) for name, shape in own.items()},
        "extractors": extractors_of(config, dataset),
        "vocabulary_sha256": dataset.info["vocabulary"]["sha256"] if TOKEN_IDS in feature_names(config) else None,
    }


def shared_emotions(name: str, emotions: Sequence[str], datasets: Iterable[Dataset]) -> list[str]:
    """The classes among `emotions` that every dataset has, in the order of `emotions`.

    Args:
        name: of the run or dataset that has `emotions`, for the message.

    Raises:
        TfcrError: they share fewer than two.
    """
    shared = list(emotions)
    for dataset in datasets:
        shared = [emotion for emotion in shared if emotion in dataset.emotions]
        if len(shared) < _LEAST_CLASSES:
            raise TfcrError(
                f"dataset {dataset.folder} has the emotions {dataset.emotions}, {name} has {list(emotions)}; "
                f"they share {shared or 'none'}, and a test needs {_LEAST_CLASSES}"
            )
    return shared


def refuse_unlike(name: str, recorded: Mapping[str, Any], config: Config, dataset: Dataset) -> None:
    """Refuses a dataset whose features mean something else to a network.

    Args:
        name: of the run, or of the dataset that the network was trained on, for the message.
        recorded: what `features_recorded` said of the training; a run's metrics have it.
    """
    if config.preset != dataset.info["preset"]:
        preset = dataset.info["preset"]
        raise TfcrError(f"dataset {dataset.folder} has the preset {preset}; {name} was trained on {config.preset}")
    found = features_recorded(config, dataset)
    if found["own_features"] != recorded.get("own_features", found["own_features"]):
        raise TfcrError(
            f"dataset {dataset.folder} has own features of the shapes {found['own_features']}; {name} was trained on "
            f"{recorded['own_features']}"
        )
    for field, made_by in found["extractors"].items():
        trained_on = recorded.get("extractors", {}).get(field)
        if trained_on is not None and not may_be_same(made_by, trained_on):
            raise TfcrError(
                f"dataset {dataset.folder} has {field} made by {in_words(made_by)}; {name} was trained on those "
                f"made by {in_words(trained_on)}"
            )
    words_of = recorded.get("vocabulary_sha256")
    if words_of is not None and words_of != found["vocabulary_sha256"]:
        raise TfcrError(
            f"dataset {dataset.folder} has another vocabulary than {name} was trained on, and system "
            f"{config.system!r} knows words by their place in it; test it on a dataset of the same words"
        )


def refuse_other_words(name: str, recorded: Mapping[str, Any], dataset: Dataset) -> None:
    """Refuses a dataset whose words lie in another vector space, for a network that reads word vectors."""
    dim = recorded.get("embedding_dim", EMBEDDING_DIM)  # earlier versions took the paper's width alone
    if dataset.embedding_dim != dim:
        raise TfcrError(
            f"dataset {dataset.folder} has word vectors of {dataset.embedding_dim} numbers and {name} was "
            f"trained on {dim}; prepare both with the same --embeddings"
        )
    words = dataset.info["embeddings"]
    if words["transductive"] or words["sha256"] != recorded["embeddings_sha256"]:
        raise TfcrError(
            f"dataset {dataset.folder} has other word vectors ({words['source']}) than {name} was trained on "
            f"({recorded['embeddings']}); prepare both with the same --embeddings"
        )
