"""Which words an export knows: those of the dataset that its run was trained on, and more where they are asked for."""

import os
import pathlib

import numpy as np

from tfcr import files
from tfcr.dataset_info import Dataset, open_dataset
from tfcr.errors import TfcrError
from tfcr.features import gensim_data, vector_cache, vector_files
from tfcr.features.vocabulary import VOCABULARY, read_vocabulary
from tfcr.runs import Run

_CLOSE = {"rtol": 1e-3, "atol": 1e-4}  # text files hold rounded numbers
_MOST_DIGITS = 9  # no file has more words


def choose_words(
    run: Run,
    data: str | os.PathLike | None = None,
    more: str | None = None,
    embeddings: str | os.PathLike | None = None,
) -> tuple[list[str], np.ndarray]:
    """The words that an export looks up, and their vectors.

    Args:
        data: where the run's dataset lies now; None for where it was.
        more: a file of word vectors, all of whose words are added, or a number N for the first N words of the vectors
            that the dataset was prepared with: in such files, the most frequent ones.
        embeddings: where those vectors lie, if a number is given; None looks here, or where gensim keeps them.

    Returns:
        Different words, those of the dataset first, and float32 [words, width].

    Raises:
        TfcrError: the dataset is another or has no vocabulary, or the vectors are missing or of another kind.
    """
    dataset = open_run_dataset(run, data)
    words, vectors, known = read_vocabulary(dataset.folder)
    _refuse_other_vocabulary(dataset)
    words, vectors = [word for word, has_vector in zip(words, known, strict=True) if has_vector], vectors[known]
    if more is None:
        return words, vectors
    if _is_number(more):
        count = _count(more)
        source = _source(dataset, count, embeddings)
        found = vector_files.first_vectors(source, count)
    else:
        source = pathlib.Path(more)
        if not source.is_file():
            raise TfcrError(f"--vocabulary {more} is neither a number nor a file; {vector_files.FORMATS}")
        found = vector_files.first_vectors(source)
    width = vectors.shape[1]
    if any(len(vector) != width for vector in found.values()):
        raise TfcrError(
            f"--vocabulary {source} has vectors of {len(next(iter(found.values())))} numbers; {run.folder} was trained "
            f"on vectors of {width}; give the vectors that its dataset was prepared with ({run.metrics['embeddings']})"
        )
    _refuse_unlike(run, source, words, vectors, found)
    there = set(words)
    new = [word for word in found if word not in there]
    return words + new, np.concatenate([vectors, _rows([found[word] for word in new], width)])


def open_run_dataset(run: Run, data: str | os.PathLike | None = None) -> Dataset:
    """The dataset that a run was trained on.

    Raises:
        TfcrError: it is not there, or another one is.
    """
    folder = run.config["data"] if data is None else data
    dataset = open_dataset(folder)
    if dataset.sha256 != run.metrics["dataset_sha256"]:
        raise TfcrError(
            f"dataset {folder} is not the one that {run.folder} was trained on ({run.metrics['dataset']}, "
            f"{run.metrics['dataset_sha256'][:12]}…); name where that one lies by --data"
        )
    return dataset


def _refuse_other_vocabulary(dataset: Dataset) -> None:
    """Refuses a whole vocabulary that is not the one the dataset was written with."""
    recorded = dataset.info.get("vocabulary")
    if recorded is not None and files.sha256_of_file(dataset.folder / VOCABULARY) != recorded["sha256"]:
        raise TfcrError(
            f"{dataset.folder / VOCABULARY} is not the one that its dataset was written with (its SHA-256 differs); "
            "`tfcr prepare-tfrecords` with the same options writes it"
        )


def _is_number(more: str | None) -> bool:
    return more is not None and more.isascii() and more.isdigit()


def _count(more: str) -> int:
    if len(more) > _MOST_DIGITS:
        raise TfcrError(f"--vocabulary has a number of {len(more)} digits; expected at most {_MOST_DIGITS} of them")
    if int(more) == 0:
        raise TfcrError("--vocabulary 0 adds no word; expected a number from 1 on, or leave it out")
    return int(more)


def _source(dataset: Dataset, count: int, embeddings: str | os.PathLike | None) -> pathlib.Path:
    """The file of vectors that a dataset was prepared with."""
    recorded = dataset.info["embeddings"]
    if recorded["transductive"]:
        raise TfcrError(
            f"--vocabulary {count}: the word vectors of dataset {dataset.folder} were trained on its own transcripts, "
            "so there are no further words; leave it out"
        )
    name = recorded["source"]
    if embeddings is not None:
        place, file = os.path.abspath(embeddings), pathlib.Path(embeddings)
    elif name.startswith(gensim_data.PREFIX):
        place, file = name, gensim_data.data_file(name.removeprefix(gensim_data.PREFIX))
    else:
        place, file = os.path.abspath(name), pathlib.Path(name)
    if not file.is_file():
        raise TfcrError(
            f"--vocabulary {count} needs the word vectors that dataset {dataset.folder} was prepared with ({name}), "
            f"and {file} is not there; say by --embeddings where they lie"
        )
    source = vector_cache.identify(place, file)
    if source is None or source.sha256 != recorded["sha256"]:
        raise TfcrError(
            f"{file} is not the file of word vectors that dataset {dataset.folder} was prepared with ({name}, SHA-256 "
            f"{recorded['sha256'][:12]}…); say by --embeddings where that one lies"
        )
    return file


def _refuse_unlike(
    run: Run, source: pathlib.Path, words: list[str], vectors: np.ndarray, found: dict[str, np.ndarray]
) -> None:
    """Refuses vectors that mean something else to the network than those it was trained with."""
    rows = [row for row, word in enumerate(words) if word in found]
    if not rows:
        raise TfcrError(
            f"--vocabulary {source} shares no word with the {len(words)} that {run.folder} was trained with; give the "
            "vectors that its dataset was prepared with"
        )
    equal = np.isclose(vectors[rows], _rows([found[words[row]] for row in rows], vectors.shape[1]), **_CLOSE).all(
        axis=1
    )
    if not equal.all():
        other = words[rows[int(np.argmin(equal))]]
        raise TfcrError(
            f"--vocabulary {source} has another vector for {other!r} than {run.folder} was trained with; give the "
            f"vectors that its dataset was prepared with ({run.metrics['embeddings']})"
        )


def _rows(vectors: list[np.ndarray], width: int) -> np.ndarray:
    return np.array(vectors, np.float32).reshape(-1, width)
