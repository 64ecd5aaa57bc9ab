"""The words of a dataset with their vectors (`vocabulary.h5` in its folder), which an export takes along.

No TensorFlow.
"""

import os
import pathlib
from collections.abc import Sequence

import h5py
import numpy as np

from tfcr import checked_hdf5
from tfcr.errors import TfcrError

VOCABULARY = "vocabulary.h5"
_KIND = "tfcr vocabulary"


def write_vocabulary(
    path: str | os.PathLike, words: Sequence[str], vectors: np.ndarray, known: np.ndarray | None = None
) -> None:
    """Writes a vocabulary whole or not at all, its words sorted. Equal content, equal bytes.

    Args:
        words: different ones, in any order.
        vectors: float32 [words, width], finite.
        known: bool [words], False where a word has no vector and its row is zero; None says that all have one.

    Raises:
        ValueError: rows that do not belong together, a word twice, or one that UTF-8 or HDF5 cannot hold.
        NoRoomError: the disk is full.
    """
    known = np.ones(len(words), bool) if known is None else np.asarray(known)
    vectors = np.asarray(vectors, np.float32)
    _check(words, vectors, known)
    order = sorted(range(len(words)), key=words.__getitem__)
    words, vectors, known = [words[row] for row in order], vectors[order], known[order]
    with checked_hdf5.written(path, _KIND) as file:
        file.create_dataset("words", data=words, dtype=h5py.string_dtype("utf-8"), shape=(len(words),))
        file.create_dataset("vectors", data=vectors.astype("<f4", copy=False))
        file.create_dataset("known", data=known)


def read_vocabulary(folder: str | os.PathLike) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Reads the `vocabulary.h5` of a dataset's folder.

    Returns:
        The words, sorted; their vectors float32 [words, width], zeros where there is none; and bool [words], whether
        there is one.

    Raises:
        TfcrError: the folder or the file is missing, or the file is not what was written.
    """
    path = pathlib.Path(folder) / VOCABULARY
    if not path.parent.is_dir():
        raise TfcrError(f"dataset {folder} does not exist; name where it lies by --data")
    try:
        with checked_hdf5.opened(path, _KIND) as file:
            words, vectors, known = file["words"].asstr()[()].tolist(), file["vectors"][()], file["known"][()]
        _check(words, vectors, known)
        if words != sorted(words):
            raise ValueError("its words are not sorted")
    except FileNotFoundError:
        raise TfcrError(
            f"dataset {folder} has no {VOCABULARY}; `tfcr prepare-tfrecords` with the same options writes it, or name "
            "a copy of the dataset that has one by --data"
        ) from None
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise TfcrError(
            f"{path} is broken ({error}); `tfcr prepare-tfrecords` with the same options writes it"
        ) from None
    return words, vectors, known


def _check(words: Sequence[str], vectors: np.ndarray, known: np.ndarray) -> None:
    """Raises `ValueError` where the three do not make a vocabulary."""
    if vectors.ndim != 2 or len(vectors) != len(words) or vectors.dtype != np.float32:
        raise ValueError(f"vectors are {vectors.dtype} {list(vectors.shape)} for {len(words)} words")
    if known.shape != (len(words),) or known.dtype != bool:
        raise ValueError(f"known is {known.dtype} {list(known.shape)} for {len(words)} words")
    if len(set(words)) != len(words):
        raise ValueError("a word stands twice")
    for word in words:
        if "\0" in word or any("\ud800" <= letter <= "\udfff" for letter in word):
            raise ValueError(f"the word {word!r} cannot be written")
    if not np.isfinite(vectors).all():
        raise ValueError("a vector is not finite")
    if vectors[~known].any():
        raise ValueError("a word without a vector has one")
