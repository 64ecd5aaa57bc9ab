"""Which utterances of a corpus a dataset takes: those of the chosen emotions, after merging."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError
from tfcr.wording import counted


def select(
    utterances: Sequence[Utterance], emotions: Sequence[str], merge: Mapping[str, str]
) -> tuple[list[Utterance], Counter]:
    """The utterances of the chosen emotions after merging, sorted by id, and the count of each emotion left out."""
    merged = [replace(utterance, emotion=merge.get(utterance.emotion, utterance.emotion)) for utterance in utterances]
    kept = sorted((utterance for utterance in merged if utterance.emotion in emotions), key=lambda chosen: chosen.id)
    left_out = Counter(utterance.emotion for utterance in merged if utterance.emotion not in emotions)
    for name, count in Counter(utterance.id for utterance in kept).items():
        if count > 1:
            raise TfcrError(f"the id {name!r} stands {count} times; expected one utterance an id")
    present = {utterance.emotion for utterance in kept}
    absent = [emotion for emotion in emotions if emotion not in present]
    if absent:
        there = ", ".join(sorted({utterance.emotion for utterance in merged})) or "none"
        near = difflib.get_close_matches(absent[0].lower(), {utterance.emotion for utterance in merged}, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        raise TfcrError(
            f"no utterance has the emotion {absent[0]!r}{meant}; the corpus has {there}; choose by --emotions"
        )
    return kept, left_out


def misspelt(left_out: Counter, emotions: Sequence[str], merge: Mapping[str, str]) -> list[str]:
    """A sentence for every label left out that is nearly one of those chosen."""
    hints = []
    for label, count in sorted(left_out.items()):
        near = difflib.get_close_matches(label.lower(), [*emotions, *merge], n=1, cutoff=0.8)
        if near:
            of = f"of the emotion {label!r}"
            are = counted(count, f"utterance {of} is", f"utterances {of} are")
            hints.append(f"{are} left out; did you mean {near[0]!r}?")
    return hints
