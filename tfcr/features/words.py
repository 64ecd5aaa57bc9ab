r"""Transcripts as words. Only `\p` classes and escapes that RE2 knows too, so a graph can do the same."""

import unicodedata

import regex

TAG = r"\[[^\[\]]*\]"  # [LAUGHTER], [BREATHING]: no words
SPACE = r"[\t\n\x0b\x0c\r\x1c-\x1f\x85\pZ]+"
# Planes 2 and 3 hold ideographs alone. TensorFlow's tables end with Unicode 15.0 and lack the last of them; letters of
# other scripts that are younger count as punctuation to it, and as letters here.
LETTERS = "\\pL\U00020000-\U0003fffd"
# don't and twenty-one stay, accents with their letter
OUTER_PUNCTUATION = rf"^[^{LETTERS}\pN]+|[^{LETTERS}\pM\pN][^{LETTERS}\pN]*$"
DROPPED_TOKEN = r"^(?:\p{Nd}+|[-/()])$"  # numbers and lone signs, before punctuation is split off
PUNCTUATION_TOKEN = r"([.,!?])"  # each a token of its own
PER_CENT = "%"  # read as a word
# Capitals that a graph lowers itself: for what TensorFlow calls, their lower case depends on the machine's language.
CAPITALS_OF_LANGUAGES = {
    "I": "i",
    "\u0130": "i\u0307",
    "J": "j",
    "\u012e": "\u012f",
    "\u00cc": "\u00ec",
    "\u00cd": "\u00ed",
    "\u0128": "\u0129",
}

_TAG, _SPACE, _OUTER, _DROPPED, _PUNCTUATION = map(
    regex.compile, (TAG, SPACE, OUTER_PUNCTUATION, DROPPED_TOKEN, PUNCTUATION_TOKEN)
)
# Letters with case that came with Unicode 14 and 15 stay as they are: TensorFlow's tables are of version 13, and one
# Python's are younger than another's.
_YOUNG = regex.compile(
    "([\u2c2f\u2c5f\ua7c0\ua7c1\ua7d0-\ua7d9\ua7f2-\ua7f4\U00010570-\U000105bf\U0001df00-\U0001df2a\U0001e030-\U0001e06d]+)"
)


def split_words(transcript: str) -> list[str]:
    """The words of a transcript, as written: split on white space, without tags and outer punctuation (`paper`).

    However accents were typed, they are composed (NFC).
    """
    words = (_OUTER.sub("", word) for word in _SPACE.split(_TAG.sub(" ", _composed(transcript))))
    return [word for word in words if word]


def split_tokens(transcript: str) -> list[str]:
    """The tokens of a transcript in lower case, as the authors' code has them (`authors`).

    Full stops, commas, exclamation and question marks are tokens of their own, numbers and lone - / ( ) are dropped,
    and % is the word percent. Tags are no tokens; the authors' word vectors know none. Accents are composed (NFC).
    """
    words = [word for word in _SPACE.split(_TAG.sub(" ", lowered(_composed(transcript)))) if not _DROPPED.search(word)]
    spaced = _PUNCTUATION.sub(r" \1 ", " ".join(words)).replace(PER_CENT, " percent ")
    return [token for token in spaced.split(" ") if token]


def lowered(text: str) -> str:
    """Lower case as `str.lower` has it with the tables of Unicode 13, in whatever language the machine is set to."""
    if text.isascii():
        return text.lower()
    return "".join(part if _YOUNG.match(part) else part.lower() for part in _YOUNG.split(text))


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)
