r"""Transcripts as words. Only `\p` classes and escapes that RE2 knows too, so a graph can do the same."""

from collections.abc import Container

import regex

TAG = r"\[[^\[\]]*\]"  # [LAUGHTER], [BREATHING]: no words
SPACE = r"[\t\n\x0b\x0c\r\x1c-\x1f\x85\pZ]+"
OUTER_PUNCTUATION = r"^[^\pL\pN]+|[^\pL\pM\pN][^\pL\pN]*$"  # don't and twenty-one stay, accents with their letter
DROPPED_TOKEN = r"^(?:\p{Nd}+|[-/()])$"  # numbers and lone signs, before punctuation is split off
PUNCTUATION_TOKEN = r"([.,!?])"  # each a token of its own
PER_CENT = "%"  # read as a word

_TAG, _SPACE, _OUTER, _DROPPED, _PUNCTUATION = map(
    regex.compile, (TAG, SPACE, OUTER_PUNCTUATION, DROPPED_TOKEN, PUNCTUATION_TOKEN)
)


def split_words(transcript: str) -> list[str]:
    """The words of a transcript, as written: split on white space, without tags and outer punctuation (`paper`)."""
    words = (_OUTER.sub("", word) for word in _SPACE.split(_TAG.sub(" ", transcript)))
    return [word for word in words if word]


def split_tokens(transcript: str) -> list[str]:
    """The tokens of a transcript in lower case, as the authors' code has them (`authors`).

    Full stops, commas, exclamation and question marks are tokens of their own, numbers and lone - / ( ) are dropped,
    and % is the word percent. Tags are no tokens; the authors' word vectors know none.
    """
    words = [word for word in _SPACE.split(_TAG.sub(" ", transcript.lower())) if not _DROPPED.search(word)]
    spaced = _PUNCTUATION.sub(r" \1 ", " ".join(words)).replace(PER_CENT, " percent ")
    return [token for token in spaced.split(" ") if token]


def in_vocabulary(word: str, vocabulary: Container[str]) -> str | None:
    """The form of `word` that has a vector: as written, else in lower case, else None."""
    if word in vocabulary:
        return word
    lowered = word.lower()
    return lowered if lowered in vocabulary else None
