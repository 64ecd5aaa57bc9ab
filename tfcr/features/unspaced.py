"""Scripts whose sentences have no spaces: what is split on white space there are no words."""

from collections.abc import Iterable

import regex

# Segmented words of Chinese and Japanese have one to three letters as a rule, those of Thai and its kin three to six,
# with vowel signs and tones more.
_SHORT, _LONG = 6, 14
_LETTERS = {
    regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}]"): _SHORT,
    regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"): _LONG,
}


def is_sentence(word: str) -> bool:
    """Whether what stands between two spaces is longer than words of its script are."""
    return any(len(letters.findall(word)) > longest for letters, longest in _LETTERS.items())


def share_of_sentences(utterances: Iterable[Iterable[str]]) -> float:
    """The share of utterances of which a word is a sentence; 0.0 without utterances."""
    found = [any(map(is_sentence, words)) for words in utterances]
    return sum(found) / len(found) if found else 0.0
