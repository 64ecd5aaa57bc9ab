"""Words that are not heard, or heard as others: a share of all words of a test part. No TensorFlow."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfcr.features.embeddings import WordVectors
from tfcr.features.words import lowered
from tfcr.noise.draws import generator

NEIGHBOURS = 10  # the nearest words in the vector space, of which one is heard
_CHUNK = 256  # words whose neighbours are looked for at a time

Sentences = Mapping[str, Sequence[str]]  # id of an utterance → its words


def degraded(sentences: Sentences, kind: str, share: float, seed: int, vectors: WordVectors) -> dict[str, list[str]]:
    """The sentences of a test part after a share of all their words has changed, rounded to whole words.

    Which words change, and to what, is drawn once for a kind: a word that has changed at one share is the same at every
    larger one.

    Args:
        kind: `deleted`; `replaced`, by a word drawn from all of the part, as often as words occur there; `neighbours`,
            by one of the ten words of the dataset that are nearest by cosine, of words that have a vector.
        share: from 0 to 1.
        vectors: of the words of the dataset.
    """
    words = [word for id in sorted(sentences) for word in sentences[id]]
    random = generator(seed, kind)
    places, draws = random.permutation(len(words)), random.integers(2**31, size=len(words))
    changes = _CHANGES[kind](words, draws, vectors)
    changing = [place for place in places.tolist() if place in changes][: wanted(sentences, share)]
    changed = {place: changes[place] for place in changing}
    found, place = {}, 0
    for id in sorted(sentences):
        heard = (changed.get(place + number, word) for number, word in enumerate(sentences[id]))
        found[id] = [word for word in heard if word is not None]
        place += len(sentences[id])
    return found


def wanted(sentences: Sentences, share: float) -> int:
    """How many words a share of all words of a test part is."""
    return int(share * sum(map(len, sentences.values())) + 0.5)


def count_changed(sentences: Sentences, heard: Sentences) -> int:
    """How many words of a test part are not heard, or heard as others; fewer than wanted where too few could be."""
    if lost := sum(map(len, sentences.values())) - sum(map(len, heard.values())):
        return lost
    pairs = (zip(said, heard[id], strict=True) for id, said in sentences.items())
    return sum(word != other for sentence in pairs for word, other in sentence)


def without(sentences: Sentences) -> dict[str, list[str]]:
    """No word of any sentence."""
    return {id: [] for id in sentences}


def _deleted(words: Sequence[str], draws: np.ndarray, vectors: WordVectors) -> dict[int, None]:
    return dict.fromkeys(range(len(words)))


def _replaced(words: Sequence[str], draws: np.ndarray, vectors: WordVectors) -> dict[int, str]:
    """For every place another word: the drawn one, or the next that differs."""
    changes = {}
    for place, (word, draw) in enumerate(zip(words, draws.tolist(), strict=True)):
        others = (words[(draw + step) % len(words)] for step in range(len(words)))
        other = next((each for each in others if lowered(each) != lowered(word)), None)
        if other is not None:
            changes[place] = other
    return changes


def _neighbours(words: Sequence[str], draws: np.ndarray, vectors: WordVectors) -> dict[int, str]:
    """For every place whose word has a vector one of its neighbours."""
    forms = {word: vectors.look_up.form(word, vectors.vectors) for word in set(words)}
    near = nearest(sorted({form for form in forms.values() if form is not None}), vectors.vectors)
    changes = {}
    for place, (word, draw) in enumerate(zip(words, draws.tolist(), strict=True)):
        if found := near.get(forms[word], []):
            changes[place] = found[draw % len(found)]
    return changes


def nearest(words: Sequence[str], vectors: Mapping[str, np.ndarray], count: int = NEIGHBOURS) -> dict[str, list[str]]:
    """The words that are nearest to each by cosine, the nearest first; its other spellings are no neighbours."""
    names = sorted(vectors)
    if not names or not words:
        return {}
    table = np.stack([vectors[name] for name in names]).astype(np.float32)
    table /= np.maximum(np.linalg.norm(table, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    row_of = {name: row for row, name in enumerate(names)}
    spellings = [lowered(name) for name in names]
    found = {}
    for start in range(0, len(words), _CHUNK):
        chunk = words[start : start + _CHUNK]
        cosines = table[[row_of[word] for word in chunk]] @ table.T
        for word, row in zip(chunk, np.argsort(-cosines, axis=1, kind="stable"), strict=True):
            others = (names[other] for other in row if spellings[other] != lowered(word))
            found[word] = [other for other, _ in zip(others, range(count), strict=False)]
    return found


_CHANGES: Mapping[str, Callable] = {"deleted": _deleted, "replaced": _replaced, "neighbours": _neighbours}
