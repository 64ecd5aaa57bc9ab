"""What a user should know of the words and recordings of a dataset, in sentences for `dataset_info.json`."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tfcr.dataset_info import IndexRow
from tfcr.features import unspaced
from tfcr.features.words import split_words
from tfcr.schema import FFT_LENGTH
from tfcr.wording import counted


def on_words(transcripts: Iterable[str]) -> list[str]:
    """Whether what should be words are sentences of a script without spaces."""
    share = unspaced.share_of_sentences(map(split_words, transcripts))
    if not share:
        return []
    return [
        f"{100 * share:.1f} % of the transcripts hold sentences of a script without spaces, whose words cannot be told "
        "apart; give them segmented, with a space between words (--transcripts)."
    ]


def on_recordings(rows: Sequence[IndexRow]) -> list[str]:
    """What the index of a whole dataset shows: recordings that are too short, or that are one and the same."""
    return [*_too_short(rows), *_shared(rows)]


def _too_short(rows: Sequence[IndexRow]) -> list[str]:
    short = [row.id for row in rows if row.num_samples < FFT_LENGTH]
    if not short:
        return []
    shorter = counted(len(short), "recording is", "recordings are")
    return [f"{shorter} shorter than one window ({FFT_LENGTH} samples at 16 kHz); the first is {short[0]!r}."]


def _shared(rows: Sequence[IndexRow]) -> list[str]:
    by_recording = defaultdict(list)
    for row in rows:
        by_recording[row.recording].append(row.id)
    shared = [ids for ids in by_recording.values() if len(ids) > 1]
    if not shared:
        return []
    count, (first, second) = sum(map(len, shared)), shared[0][:2]
    return [
        f"{count} utterances share their recording with another one, the first are {first!r} and {second!r}; "
        "of such a pair one can fall into training and the other into the test."
    ]
