"""Word vectors: pretrained ones, or trained on the corpus itself through gensim."""

import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tfcr import files
from tfcr.errors import TfcrError
from tfcr.features import gensim_data, vector_cache, vector_files
from tfcr.features.look_up import WHOLE, LookUp
from tfcr.features.vector_cache import Source, Vocabulary
from tfcr.features.words import lowered
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS
from tfcr.wording import printable

_WORD2VEC = {"vector_size": EMBEDDING_DIM, "window": 5, "min_count": 1, "sg": 1, "negative": 10, "epochs": 40}


@dataclass(frozen=True)
class WordVectors:
    """The vectors of a corpus's words.

    Attributes:
        vectors: word → float32 [width].
        source: where they come from, for records and reports.
        sha256: of the source's file; empty where there is none.
        transductive: whether they were trained on the corpus's own transcripts, test ones included.
        look_up: how a word finds its vector; the preset's.
        width: numbers of a vector.
        other_case: of words without a vector → the form in other capitals that the source has one for.
    """

    vectors: dict[str, np.ndarray]
    source: str
    sha256: str = ""
    transductive: bool = False
    look_up: LookUp = WHOLE
    width: int = EMBEDDING_DIM
    other_case: Mapping[str, str] = field(default_factory=dict)

    def embed(self, words: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """Looks words up; what has no vector is dropped before the cut at 30.

        Returns:
            The forms of words, or of their parts, that have a vector, uncut, and float32 [30, width] with zero rows
            after the last of them.
        """
        known = [form for word in words for form in self.look_up.known(word, self.vectors)]
        sequence = np.zeros((MAX_TOKENS, self.width), np.float32)
        for row, word in enumerate(known[:MAX_TOKENS]):
            sequence[row] = self.vectors[word]
        return known, sequence


def train_word_vectors(sentences: Sequence[Sequence[str]], seed: int = 0, look_up: LookUp = WHOLE) -> WordVectors:
    """Word2Vec on the corpus's own transcripts: transductive, and the same vectors for the same sentences and seed."""
    from gensim.models import Word2Vec

    sentences = [[lowered(word) for word in words] for words in sentences if words]
    if not sentences:
        return WordVectors({}, "Word2Vec on no words: every transcript is empty", "", True, look_up)
    model = Word2Vec(sentences, seed=seed, workers=1, **_WORD2VEC)  # more workers would make the order a race
    vectors = {word: model.wv[word].astype(np.float32) for word in model.wv.index_to_key}
    return WordVectors(vectors, "Word2Vec trained on this dataset's own transcripts", "", True, look_up)


def refuse_missing(path: str | os.PathLike) -> None:
    """What `load_word_vectors` cannot find, said at once: neither the file is there nor anything read from it before.

    Raises:
        UsageError: what stands for a name after `gensim:` is none.
        TfcrError: no such file.
    """
    if os.fspath(path).startswith(gensim_data.PREFIX):
        gensim_data.check_name(os.fspath(path).removeprefix(gensim_data.PREFIX))
        return
    file = pathlib.Path(path)
    try:
        source = None if file.exists() else vector_cache.identify(os.path.abspath(path), file)
        missing = not file.exists() and (source is None or vector_cache.read(source.sha256) is None)
    except OSError as error:
        raise TfcrError(f"--embeddings {path} cannot be read ({error}); {vector_files.FORMATS}") from None
    if missing:
        raise TfcrError(_missing(path, None, []))


def load_word_vectors(
    path: str | os.PathLike,
    words: Iterable[str],
    say: Callable[[str], None] = lambda sentence: None,
    look_up: LookUp = WHOLE,
) -> WordVectors:
    """Reads pretrained vectors and keeps those of `words`, in every form that is looked up.

    What was read is cached (`vector_cache`): the same words of an unchanged file, or of one that has gone since, come
    from there and are the same bits. The cache only ever saves time: where it cannot be written, `say` hears of it.

    Args:
        path: a file that `vector_files` reads, or `gensim:NAME` for one that gensim's downloader offers.
        words: of the corpus.
        say: takes sentences for the user.
        look_up: how a word finds its vector.

    Raises:
        TfcrError: no such file, another format, or a header that the file does not keep.
    """
    words = set(words)
    wanted = sorted(form for form in set().union(*map(look_up.asked, words)) if can_be_written(form))
    other_case = sorted({form for word in words for form in _other_cases(word) if can_be_written(form)} - set(wanted))
    named = os.fspath(path)
    by_name = named.startswith(gensim_data.PREFIX)
    file = gensim_data.data_file(named.removeprefix(gensim_data.PREFIX)) if by_name else pathlib.Path(named)
    place = named if by_name else os.path.abspath(named)
    try:
        if file.exists() and not file.is_file():
            raise TfcrError(f"--embeddings {path} is no file; {vector_files.FORMATS}")
        source = vector_cache.identify(place, file)
        known = vector_cache.read(source.sha256) if source else None
        needed = [*wanted, *other_case] if file.exists() else wanted
        if source is not None and known is not None and known.knows(needed):
            new = None
            gone = "" if file.exists() else ", which is gone,"
            say(f"The vectors of {path}{gone} were read before and come from {vector_cache.folder()}")
        else:
            if not file.exists():
                if not by_name:
                    raise TfcrError(_missing(path, known, wanted))
                file = gensim_data.download(named.removeprefix(gensim_data.PREFIX), say)
            say(f"Reading word vectors from {file}")
            source, new = _read(file, source, wanted, other_case, say)
            known = new
    except OSError as error:
        raise TfcrError(f"--embeddings {path} cannot be read ({error}); {vector_files.FORMATS}") from None
    _keep(place, source, new, say)
    vectors = {word: known.vectors[word] for word in wanted if word in known.vectors}
    missing = [word for word in words if not look_up.known(word, vectors)]
    say(f"{len(words) - len(missing)} of {len(words)} different words have a vector")
    source_name = named if by_name else printable(file.name)
    in_other_case = {word: form for word in missing for form in _other_cases(word) if form in known.vectors}
    return WordVectors(
        vectors, source_name, source.sha256, look_up=look_up, width=known.width, other_case=in_other_case
    )


def _read(
    file: pathlib.Path, source: Source | None, wanted: list[str], hints: list[str], say: Callable[[str], None]
) -> tuple[Source, Vocabulary]:
    """Reads the large file; its SHA-256 is of the very bytes, not recalled. Of unusable hints nothing is known."""
    if source is None or source.recalled:
        source = vector_cache.hashed(file)
    vectors = vector_files.read_vectors(file, wanted, hints)
    if files.stamp(file) != source.stamp:
        raise TfcrError(f"--embeddings {file} has changed while it was read; try again")
    if vectors.note:
        say(vectors.note)
    absent = {*wanted, *hints} - vectors.keys() - vectors.unusable
    return source, Vocabulary(vectors, frozenset(absent), vectors.width)


def _keep(place: str, source: Source, new: Vocabulary | None, say: Callable[[str], None]) -> None:
    """Caches what was read; where that fails, it is only said."""
    try:
        if new is not None:
            vector_cache.extend(source.sha256, new)
        if not source.recalled:
            vector_cache.remember(place, source)
    except OSError as error:
        say(f"The vectors could not be cached ({error}); the next preparation reads the whole file again")


def _missing(path: str | os.PathLike, known: Vocabulary | None, wanted: list[str]) -> str:
    if known is None:
        named = f"; or is {gensim_data.PREFIX}{path} meant?" if gensim_data.resembles_name(os.fspath(path)) else ""
        return f"--embeddings {path} does not exist; {vector_files.FORMATS}{named}"
    new = [word for word in wanted if not known.knows([word])]
    return (
        f"--embeddings {path} does not exist, and {len(new)} of this corpus's words, such as {new[0]!r}, were not "
        "looked up while it did; put the file back"
    )


def _other_cases(word: str) -> tuple[str, str]:
    """Forms that are not looked up, and say why a word may have no vector."""
    return word.upper(), lowered(word).capitalize()


def can_be_written(word: str) -> bool:
    """Whether a word can stand in a file at all: surrogates have no UTF-8, and HDF5 ends a text at NUL."""
    return "\0" not in word and not any("\ud800" <= letter <= "\udfff" for letter in word)
