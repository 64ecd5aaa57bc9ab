r"""How a word finds its vector. Only `\p` classes and escapes that RE2 knows too, so a graph can do the same."""

from collections.abc import Container, Iterator
from dataclasses import dataclass

import regex

from tfcr.features.words import LETTERS, lowered

PLAIN = "'"
APOSTROPHES = "[\u2018\u2019\u201b\u02bc\u02b9\u2032\uff07\u00b4`]"  # what stands for the plain one
# The makers of vectors cut clitics off as the Penn Treebank does: do n't, i 'm, we 're, she 's, they 've, he 'll, i 'd.
CLITIC = r"(.)([nN]'[tT]|'(?:[mMsSdD]|[rR][eE]|[vV][eE]|[lL][lL]))$"
# Hyphens, dashes, slashes and ellipses between two letters.
JOINT = rf"([{LETTERS}]\pM*)(?:[-/" + "\u2010-\u2015\u2212\u2026" + rf"]+|\.\.+)([{LETTERS}])"
PARTS = r"\1 \2"  # what a split puts in the place of what it found
# A clitic may follow a clitic (shouldn't've), and of a-b-c one pass sees a-b only, for b is then taken.
_SPLITS = (CLITIC, CLITIC, JOINT, JOINT, CLITIC, CLITIC)


@dataclass(frozen=True)
class LookUp:
    """The order in which the words of a preset are looked up.

    A word is looked up whole: as written, with plain apostrophes, then both in lower case; the first form that has a
    vector is taken. What has none is split once by each pattern in turn, and its parts are looked up the same way.

    Attributes:
        plain_apostrophes: whether other apostrophes are read as plain ones.
        splits: patterns with two groups, the ends of what stays apart.
    """

    plain_apostrophes: bool = False
    splits: tuple[str, ...] = ()

    def form(self, word: str, vocabulary: Container[str]) -> str | None:
        """The form of a whole word that has a vector; None without one."""
        return next((form for form in self._forms(word) if form in vocabulary), None)

    def parts(self, word: str, vocabulary: Container[str]) -> list[tuple[str, str | None]]:
        """What is looked up of a word, each part with its form that has a vector, or None.

        One pair where the whole has a vector, and where no part of it has one.
        """
        parts = [(word, self.form(word, vocabulary))]
        for pattern in self.splits:
            if all(form is not None for _, form in parts):
                return parts
            parts = [
                (part, known or self.form(part, vocabulary))
                for whole, known in parts
                for part in ([whole] if known is not None else self._split(pattern, whole))
            ]
        return parts if any(form is not None for _, form in parts) else [(word, None)]

    def known(self, word: str, vocabulary: Container[str]) -> list[str]:
        """The forms of a word, or of its parts, that have a vector."""
        return [form for _, form in self.parts(word, vocabulary) if form is not None]

    def asked(self, word: str) -> set[str]:
        """Every form that may be looked up for a word, whatever has a vector."""
        parts = {word}
        for pattern in self.splits:
            parts |= {part for whole in parts for part in self._split(pattern, whole)}
        return {form for part in parts for form in self._forms(part)}

    def _forms(self, word: str) -> Iterator[str]:
        plain = self._plain(word)
        yield word
        yield plain
        yield lowered(word)
        yield lowered(plain)

    def _plain(self, word: str) -> str:
        return _APOSTROPHES.sub(PLAIN, word) if self.plain_apostrophes else word

    def _split(self, pattern: str, whole: str) -> list[str]:
        plain = self._plain(whole)
        cut = _COMPILED[pattern].sub(PARTS, plain)
        return cut.split(" ") if cut != plain else [whole]


WHOLE = LookUp()  # as written, then in lower case
OF_MAKERS = LookUp(plain_apostrophes=True, splits=_SPLITS)

_APOSTROPHES = regex.compile(APOSTROPHES)
_COMPILED = {pattern: regex.compile(pattern) for pattern in _SPLITS}
