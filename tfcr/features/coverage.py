"""How many of a corpus's words have a vector, and why others may have none."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import regex

from tfcr.features import unspaced
from tfcr.features.embeddings import WordVectors
from tfcr.wording import counted

ENOUGH = 0.9  # of the words; GloVe has a vector for more of almost any English dialogue
_MARK = regex.compile(r"[^\pL\pM]")  # within a word, whose outer marks are gone


@dataclass
class Coverage:
    """How many of a corpus's words have a vector; a word that is split, where each part has one.

    Attributes:
        utterances, silent: how many there are, and how many are left without any vector.
        missing: word as written → how often it occurs without one.
        other_case: of these → the form in other capitals that has one.
    """

    words: int = 0
    known: int = 0
    utterances: int = 0
    silent: int = 0
    missing: dict[str, int] = field(default_factory=dict)
    other_case: dict[str, str] = field(default_factory=dict)

    def count(self, words: Iterable[str], vectors: WordVectors) -> None:
        """Adds the words of one transcript."""
        has_vector = False
        for word in words:
            forms = [form for _, form in vectors.look_up.parts(word, vectors.vectors)]
            has_vector |= any(form is not None for form in forms)
            self.words += 1
            if None in forms:
                self.missing[word] = self.missing.get(word, 0) + 1
                if word in vectors.other_case:
                    self.other_case[word] = vectors.other_case[word]
            else:
                self.known += 1
        self.utterances += 1
        self.silent += not has_vector

    @property
    def share(self) -> float | None:
        """Of the words that have a vector; None without words."""
        return self.known / self.words if self.words else None

    @property
    def most_missing(self) -> list[str]:
        """The missing words, the most frequent first."""
        return sorted(self.missing, key=lambda word: (-self.missing[word], word))

    def summary(self, most: int = 20) -> dict:
        """For `dataset_info.json`: counts, the share covered, the most frequent missing words."""
        return {
            "words": self.words,
            "words_with_vector": self.known,
            "coverage": self.share,
            "utterances_without_vector": self.silent,
            "distinct_out_of_vocabulary": len(self.missing),
            "out_of_vocabulary": {word: self.missing[word] for word in self.most_missing[:most]},
        }


def told(coverage: Coverage) -> str:
    """A sentence on how many words are covered."""
    if not coverage.words:
        return "No transcript has a word."
    silent = counted(coverage.silent, "utterance has", "utterances have")
    return f"{_share(coverage)} of {counted(coverage.words, 'word')} have a vector; {silent} no word with one."


def warning(coverage: Coverage) -> str:
    """A sentence where too few words have a vector, with the likeliest reason; else an empty one."""
    if coverage.share is None or coverage.share >= ENOUGH:
        return ""
    most = ", ".join(map(repr, coverage.most_missing[:3]))
    return f"Only {_share(coverage)} of the words have a vector, none of them {most}: {likeliest_reason(coverage)}?"


def likeliest_reason(coverage: Coverage) -> str:
    """What most of the missing words have in common, as the beginning of a question."""
    total = sum(coverage.missing.values())

    def most(is_so) -> bool:
        return 2 * sum(count for word, count in coverage.missing.items() if is_so(word)) > total

    if most(unspaced.is_sentence):
        return "are the transcripts of a script without spaces, and not split into words"
    if most(coverage.other_case.get):
        example = next(word for word in coverage.most_missing if word in coverage.other_case)
        return f"have the vectors other capitals, such as {coverage.other_case[example]!r}"
    if most(_MARK.search):
        return "were the vectors made of words that are split otherwise"
    return "are the vectors of another language"


def _share(coverage: Coverage) -> str:
    return f"{100 * (coverage.share or 0):.1f} %"
