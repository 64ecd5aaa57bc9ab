"""Word vectors: read from a file or trained on the corpus itself, through gensim."""

import os
import pathlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from tfcr import files
from tfcr.errors import TfcrError
from tfcr.features.words import in_vocabulary
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS

_FORMATS = "expected word2vec vectors (.bin or text) or GloVe vectors (.txt)"
_WORD2VEC = {"vector_size": EMBEDDING_DIM, "window": 5, "min_count": 1, "sg": 1, "negative": 10, "epochs": 40}


@dataclass(frozen=True)
class WordVectors:
    """The vectors of a corpus's words.

    Attributes:
        vectors: word → float32 [300].
        source: where they come from, for records and reports.
        sha256: of the source's file; empty where there is none.
        transductive: whether they were trained on the corpus's own transcripts, test ones included.
    """

    vectors: dict[str, np.ndarray]
    source: str
    sha256: str = ""
    transductive: bool = False

    def embed(self, words: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """Looks words up; those without a vector are dropped before the cut at 30 words.

        Returns:
            The words that have a vector, uncut, and float32 [30, 300] with zero rows after the last word.
        """
        known = [form for form in (in_vocabulary(word, self.vectors) for word in words) if form is not None]
        sequence = np.zeros((MAX_TOKENS, EMBEDDING_DIM), np.float32)
        for row, word in enumerate(known[:MAX_TOKENS]):
            sequence[row] = self.vectors[word]
        return known, sequence


@dataclass
class Coverage:
    """How many of a corpus's words have a vector."""

    words: int = 0
    known: int = 0
    missing: dict[str, int] = field(default_factory=dict)

    def count(self, words: Iterable[str], vectors: WordVectors) -> None:
        """Adds the words of one transcript."""
        for word in words:
            self.words += 1
            if in_vocabulary(word, vectors.vectors) is None:
                self.missing[word] = self.missing.get(word, 0) + 1
            else:
                self.known += 1

    def summary(self, most: int = 20) -> dict:
        """For `dataset_info.json`: counts, the share covered (None without words), the most frequent missing words."""
        frequent = sorted(self.missing.items(), key=lambda item: (-item[1], item[0]))[:most]
        return {
            "words": self.words,
            "words_with_vector": self.known,
            "coverage": self.known / self.words if self.words else None,
            "distinct_out_of_vocabulary": len(self.missing),
            "out_of_vocabulary": dict(frequent),
        }


def train_word_vectors(sentences: Sequence[Sequence[str]], seed: int = 0) -> WordVectors:
    """Word2Vec on the corpus's own transcripts: transductive, and the same vectors for the same sentences and seed."""
    from gensim.models import Word2Vec

    lowered = [[word.lower() for word in words] for words in sentences if words]
    if not lowered:
        return WordVectors({}, "Word2Vec on no words: every transcript is empty", transductive=True)
    model = Word2Vec(lowered, seed=seed, workers=1, **_WORD2VEC)  # more workers would make the order a race
    vectors = {word: model.wv[word].astype(np.float32) for word in model.wv.index_to_key}
    return WordVectors(vectors, "Word2Vec trained on this corpus's own transcripts", transductive=True)


def load_word_vectors(path: str | os.PathLike, words: Iterable[str]) -> WordVectors:
    """Reads pretrained vectors and keeps those of `words`, as written and in lower case.

    Args:
        path: word2vec's binary format (`.bin`), its text format, or GloVe's text format.

    Raises:
        TfcrError: no such file, another format, another width than 300, or a header that the file does not keep.
    """
    from gensim.models import KeyedVectors

    path = pathlib.Path(path)
    if not path.is_file():
        raise TfcrError(f"--embeddings {path} does not exist; {_FORMATS}")
    binary = path.suffix == ".bin"
    try:
        has_header = _check_header(path, binary)
        everything = KeyedVectors.load_word2vec_format(
            str(path), binary=binary, no_header=not has_header, unicode_errors="replace"
        )
    except (OSError, ValueError, EOFError, UnicodeDecodeError, IndexError) as error:
        raise TfcrError(f"--embeddings {path} cannot be read ({' '.join(str(error).split())}); {_FORMATS}") from None
    if binary:
        _check_nothing_is_left(path, everything)
    wanted = {form for word in words for form in (word, word.lower())}
    kept = {word: everything[word].astype(np.float32) for word in sorted(wanted) if word in everything.key_to_index}
    if not all(np.isfinite(vector).all() for vector in kept.values()):
        raise TfcrError(f"--embeddings {path} holds numbers that are not finite; {_FORMATS}")
    return WordVectors(kept, path.name, sha256=files.sha256_of_file(path))


def _check_header(path: pathlib.Path, binary: bool) -> bool:
    """Whether the file starts with `<words> <width>`; a header that the file does not keep is an error, before any
    memory is set aside for what it says."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        first = file.readline(1 << 20)
        fields = first.split()
        if len(fields) == 2 and all(part.isdigit() for part in fields):
            count, width = (int(digits[:19]) for digits in fields)  # no file is longer, and int() has its limits
            _check_width(path, width)
            if binary:
                least = len(first) + count * (width * 4 + 2)  # a word has a letter and a space at least
                if size < least:
                    raise TfcrError(
                        f"--embeddings {path}: its header promises {count} words of {width} numbers, which take "
                        f"{least} bytes at least, and the file has {size}; download it again"
                    )
            else:
                lines = _count_lines(path, file)
                if lines != count:
                    raise TfcrError(
                        f"--embeddings {path}: its header promises {count} words and the file has {lines}; "
                        "download it again"
                    )
            return True
        if binary:
            raise TfcrError(f"--embeddings {path} has no word2vec header; {_FORMATS}")
        if len(fields) < 3:
            raise TfcrError(f"--embeddings {path} holds no vectors; {_FORMATS}")
        _check_width(path, len(fields) - 1)
        _count_lines(path, file)
    return False


def _count_lines(path: pathlib.Path, file: BinaryIO) -> int:
    """How many words the rest of a text file has; one with another count of numbers is an error, for gensim would take
    a single number for all 300."""
    lines = 0
    for line in file:
        line = line.rstrip()
        if line:
            lines += 1
            _check_width(path, line.count(b" "))
    return lines


def _check_nothing_is_left(path: pathlib.Path, everything) -> None:
    """A binary file that goes on after the words its header counts has lost the others."""
    with open(path, "rb") as file:
        count = int(file.readline().split()[0])
        header = file.tell()
    if len(everything) != count:
        return  # words that stand twice are kept once, so the bytes cannot be told
    most = header + sum(len(word.encode()) + 2 + 4 * EMBEDDING_DIM for word in everything.index_to_key)
    if path.stat().st_size > most:
        raise TfcrError(
            f"--embeddings {path}: its header promises {count} words and the file holds more; download it again"
        )


def _check_width(path: pathlib.Path, width: int) -> None:
    if width != EMBEDDING_DIM:
        raise TfcrError(f"--embeddings {path} has vectors of {width} numbers; expected {EMBEDDING_DIM} (Sec. 4.2)")
