"""What a user should know of the words and recordings of a dataset, in sentences for `dataset_info.json`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tfcr.corpora.audio import CANCELLED, LOUD, SILENT
from tfcr.dataset_info import IndexRow
from tfcr.features import unspaced
from tfcr.features.words import split_words
from tfcr.schema import FFT_LENGTH
from tfcr.wording import counted, first_of


def on_words(transcripts: Iterable[str]) -> list[str]:
    """Whether what should be words are sentences of a script without spaces."""
    share = unspaced.share_of_sentences(map(split_words, transcripts))
    if not share:
        return []
    return [
        f"{100 * share:.1f} % of the transcripts hold sentences of a script without spaces, whose words cannot be told "
        "apart; give them segmented, with a space between words (--transcripts)."
    ]


def on_recordings(rows: Sequence[IndexRow], heard: Sequence[tuple[str, str]]) -> list[str]:
    """What a whole dataset shows: recordings that are too short, carry nothing, or are one and the same.

    Args:
        heard: of every row a digest of its recording's samples, and their flaw (`tfcr.corpora.audio`).
    """
    flaws = {
        flaw: [row.id for row, (_, each) in zip(rows, heard, strict=True) if each == flaw]
        for flaw in (SILENT, CANCELLED, LOUD)
    }
    audible = [(row, digest) for row, (digest, flaw) in zip(rows, heard, strict=True) if flaw != SILENT]
    return [
        *_too_short(rows),
        *_silent(flaws[SILENT]),
        *_cancelled(flaws[CANCELLED]),
        *_loud(flaws[LOUD]),
        *_shared(audible),
    ]


def _too_short(rows: Sequence[IndexRow]) -> list[str]:
    short = [row.id for row in rows if row.num_samples < FFT_LENGTH]
    if not short:
        return []
    shorter = counted(len(short), "recording is", "recordings are")
    return [f"{shorter} shorter than one window ({FFT_LENGTH} samples at 16 kHz); the first is {short[0]!r}."]


def _silent(ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    return [f"{counted(len(ids), 'recording is', 'recordings are')} nothing but silence: {first_of(ids)}."]


def _cancelled(ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    have = counted(len(ids), "recording has", "recordings have")
    return [
        f"{have} channels that cancel each other out, as one is the other's negative, so that their mean is silence: "
        f"{first_of(ids)}; give one channel of each alone."
    ]


def _loud(ids: Sequence[str]) -> list[str]:
    if not ids:
        return []
    have = counted(len(ids), "recording has", "recordings have")
    return [f"{have} samples far above 1, which floats are not to exceed: {first_of(ids)}; scale them to [-1, 1)."]


def _shared(rows: Sequence[tuple[IndexRow, str]]) -> list[str]:
    by_samples = defaultdict(list)
    for row, digest in rows:
        by_samples[digest].append(row)
    shared = [same for same in by_samples.values() if len(same) > 1]
    if not shared:
        return []
    count, (first, second) = sum(map(len, shared)), shared[0][:2]
    notes = [
        f"{count} utterances share their recording with another one, the first are {first.id!r} and {second.id!r}; "
        "of such a pair one can fall into training and the other into the test."
    ]
    contradicting = [same for same in shared if len({row.label for row in same}) > 1]
    if contradicting:
        count = sum(map(len, contradicting))
        first, second = (
            contradicting[0][0],
            next(row for row in contradicting[0] if row.label != contradicting[0][0].label),
        )
        notes.append(
            f"{count} utterances have the same recording and different labels, the first are {first.id!r} "
            f"({first.emotion}) and {second.id!r} ({second.emotion})."
        )
    return notes
