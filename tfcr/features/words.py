r"""Transcripts as words. Only `\p` classes and escapes that RE2 knows too, so a graph can do the same."""

from collections.abc import Container

import regex

TAG = r"\[[^\[\]]*\]"  # [LAUGHTER], [BREATHING]: no words
SPACE = r"[\t\n\x0b\x0c\r\x1c-\x1f\x85\pZ]+"
OUTER_PUNCTUATION = r"^[^\pL\pN]+|[^\pL\pM\pN][^\pL\pN]*$"  # don't and twenty-one stay, accents with their letter

_TAG, _SPACE, _OUTER = map(regex.compile, (TAG, SPACE, OUTER_PUNCTUATION))


def split_words(transcript: str) -> list[str]:
    """The words of a transcript, as written: split on white space, without tags and outer punctuation."""
    words = (_OUTER.sub("", word) for word in _SPACE.split(_TAG.sub(" ", transcript)))
    return [word for word in words if word]


def in_vocabulary(word: str, vocabulary: Container[str]) -> str | None:
    """The form of `word` that has a vector: as written, else in lower case, else None."""
    if word in vocabulary:
        return word
    lowered = word.lower()
    return lowered if lowered in vocabulary else None
