"""Which utterances of a corpus a dataset takes: those of the chosen emotions, after merging."""

import difflib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from tfcr import corpora
from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError
from tfcr.preparation import notes
from tfcr.preparation.options import Preparation, Progress
from tfcr.preparation.transcripts import Transcripts, read_transcripts
from tfcr.preparation.unreadable import Unreadable, note, readable
from tfcr.wording import counted

_CHOOSE = "choose by --emotions"


@dataclass(frozen=True)
class Selection:
    """What a dataset takes of its corpus.

    Attributes:
        utterances: sorted by id, with the words that are trained on.
        left_out: the count of each emotion left out.
        replaced: the transcripts that stand for the corpus's; None for its own.
        remarks: sentences that the dataset keeps.
        unreadable: utterances that were left out because their recordings cannot be read.
    """

    utterances: list[Utterance]
    left_out: Counter
    replaced: Transcripts | None
    remarks: list[str]
    unreadable: Sequence[Unreadable] = ()


def read_selection(preparation: Preparation, progress: Progress) -> Selection:
    """Reads the corpus, and of it what was asked for.

    Raises:
        TfcrError: the corpus or the transcripts are missing or broken, or an emotion does not occur.
    """
    corpus = corpora.read(preparation.corpus, preparation.root, **preparation.reader_options)
    for sentence in corpus.notes:
        progress.say(sentence)
    utterances, left_out = select(corpus.utterances, preparation.emotions, preparation.merge, _remedy(preparation))
    for hint in misspelt(left_out, preparation.emotions, preparation.merge):
        progress.say(hint)
    if preparation.transcripts is None:
        return Selection(utterances, left_out, None, [*corpus.notes, *_on_words(utterances, progress)])
    replaced = read_transcripts(preparation.transcripts)
    utterances = replaced.replace(utterances)
    replacements = replaced.notes(utterances, corpus.utterances)
    for sentence in replacements[1:]:
        progress.say(sentence)
    remarks = [*corpus.notes, *replacements, *_on_words(utterances, progress)]
    return Selection(utterances, left_out, replaced, remarks)


def _on_words(utterances: Sequence[Utterance], progress: Progress) -> list[str]:
    found = notes.on_words(utterance.transcript for utterance in utterances)
    for sentence in found:
        progress.say(sentence)
    return found


def without_unreadable(
    selection: Selection, skip: bool, in_order: Callable[[Callable, Sequence], list], say: Callable[[str], None]
) -> tuple[Selection, list[int]]:
    """The selection without what cannot be read, and the samples of its utterances (`unreadable.readable`).

    Raises:
        TfcrError: some recordings cannot be read, and are not to be left out.
    """
    utterances, samples, unreadable = readable(selection.utterances, skip, in_order, say)
    if not unreadable:
        return selection, samples
    remark = note(unreadable, len(selection.utterances))
    say(remark)
    return replace(
        selection, utterances=utterances, remarks=[*selection.remarks, remark], unreadable=unreadable
    ), samples


def _remedy(preparation: Preparation) -> str:
    """What helps where an emotion does not occur."""
    others = ", or name its labels by --emotion-names" if preparation.corpus == "manifest" else ""
    return f"{_CHOOSE}{others}"


def select(
    utterances: Sequence[Utterance], emotions: Sequence[str], merge: Mapping[str, str], remedy: str = _CHOOSE
) -> tuple[list[Utterance], Counter]:
    """The utterances of the chosen emotions after merging, sorted by id, and the count of each emotion left out."""
    merged = [
        replace(utterance, emotion=merge[utterance.emotion]) if utterance.emotion in merge else utterance
        for utterance in utterances
    ]
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
        raise TfcrError(f"no utterance has the emotion {absent[0]!r}{meant}; the corpus has {there}; {remedy}")
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
