"""How many of a corpus's words have a vector, and why others may have none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

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
    """

    words: int = 0
    known: int = 0
    utterances: int = 0
    silent: int = 0
    missing: dict[str, int] = field(default_factory=dict)

    def count(self, words: Iterable[str], vectors: WordVectors) -> None:
        """Adds the words of one transcript."""
        has_vector = False
        for word in words:
            forms = [form for _, form in vectors.look_up.parts(word, vectors.vectors)]
            has_vector |= any(form is not None for form in forms)
            self.words += 1
            if None in forms:
                self.missing[word] = self.missing.get(word, 0) + 1
            else:
                self.known += 1
        self.utterances += 1
        self.silent += not has_vector

    @property
    def share(self) -> float | None:
        """Of the words that have a vector; None without words."""
        return self.known / self.words if self.words else None

    def summary(self, most: int = 20) -> dict:
        """For `dataset_info.json`: counts, the share covered, the most frequent missing words."""
        frequent = sorted(self.missing.items(), key=lambda item: (-item[1], item[0]))[:most]
        return {
            "words": self.words,
            "words_with_vector": self.known,
            "coverage": self.share,
            "utterances_without_vector": self.silent,
            "distinct_out_of_vocabulary": len(self.missing),
            "out_of_vocabulary": dict(frequent),
        }


def told(summary: Mapping[str, Any]) -> str:
    """A sentence on the summary of `Coverage`."""
    if not summary["words"]:
        return "No transcript has a word."
    silent = summary.get("utterances_without_vector")  # by datasets of earlier versions
    without = "" if silent is None else f"; {counted(silent, 'utterance has', 'utterances have')} no word with one"
    return f"{_share(summary)} of {counted(summary['words'], 'word')} have a vector{without}."


def warning(summary: Mapping[str, Any]) -> str:
    """A sentence where too few words have a vector, with the likeliest reason; else an empty one."""
    if not summary.get("words") or summary["coverage"] >= ENOUGH:
        return ""
    missing = summary["out_of_vocabulary"]
    most = ", ".join(map(repr, list(missing)[:3]))
    return f"Only {_share(summary)} of the words have a vector, none of them {most}: {_likeliest_reason(missing)}?"


def _share(summary: Mapping[str, Any]) -> str:
    return f"{100 * summary['coverage']:.1f} %"


def _likeliest_reason(missing: Mapping[str, int]) -> str:
    """What most of the most frequent missing words have in common."""

    def most(is_so) -> bool:
        return 2 * sum(count for word, count in missing.items() if is_so(word)) > sum(missing.values())

    if most(unspaced.is_sentence):
        return "are the transcripts of a script without spaces, and not split into words"
    if most(_MARK.search):
        return "were the vectors made of words that are split otherwise"
    if most(lambda word: len(word) > 1 and word.isupper()):
        return "are the transcripts in capitals, and the vectors not"
    return "are the vectors of another language"
