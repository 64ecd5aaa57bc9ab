"""Recordings that cannot be read: all of them are looked for before the first is told. No TensorFlow."""

import contextlib
import functools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tfcr.corpora.audio import num_samples, read_audio
from tfcr.corpora.paths import in_place_of_recording
from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError
from tfcr.wording import counted, printable

_LISTED = 20  # of the recordings, by name
SKIP = "--skip-unreadable"


@dataclass(frozen=True)
class Unreadable:
    """An utterance whose recording cannot be read.

    Attributes:
        reason: a sentence that begins with the path, and with the utterance where its name is another.
    """

    utterance: Utterance
    reason: str

    @property
    def fact(self) -> str:
        """The reason without what was expected, and what to do."""
        return self.reason.split("; ")[0]


class UnreadableError(TfcrError):
    """Some recordings cannot be read; `found` are all that are known, sorted by id."""

    def __init__(self, found: Sequence[Unreadable], of: int):
        self.found = sorted(found, key=lambda each: each.utterance.id)
        super().__init__(_message(self.found, of))


def _message(found: Sequence[Unreadable], of: int) -> str:
    remedy = "" if len(found) == of else f" ({SKIP} goes on without)"
    if len(found) == 1:
        return found[0].reason + remedy
    listed = "; ".join(each.fact for each in found[:_LISTED])
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return f"{len(found)} of {counted(of, 'recording')} cannot be read: {listed}{more}. Mend them{remedy}"


def length(utterance: Utterance) -> int:
    """The samples of an utterance at 16 kHz, from its recording's header.

    Raises:
        TfcrError: it cannot be read.
    """
    with naming(utterance):
        return num_samples(utterance.audio)


def decoded_length(utterance: Utterance) -> int:
    """The samples of an utterance at 16 kHz, of which every one has been decoded.

    Raises:
        TfcrError: they cannot be.
    """
    with naming(utterance):
        num_samples(utterance.audio)
        return len(read_audio(utterance.audio))


def looked_at(
    utterances: Sequence[Utterance], measure: Callable[[Utterance], int], in_order: Callable[[Callable, Sequence], list]
) -> tuple[list[int], list[Unreadable]]:
    """The samples of every utterance that can be read, in order, and those that cannot.

    Args:
        measure: `length`, or `decoded_length`, which finds what is broken behind its header too.
        in_order: calls a function of every utterance, and returns what it gives in order.
    """
    results = in_order(functools.partial(_measured, measure), utterances)
    return (
        [result for result in results if not isinstance(result, Unreadable)],
        [result for result in results if isinstance(result, Unreadable)],
    )


def _measured(measure: Callable[[Utterance], int], utterance: Utterance) -> int | Unreadable:
    try:
        return measure(utterance)
    except TfcrError as error:
        return Unreadable(utterance, str(error))


def note(skipped: Sequence[Unreadable], of: int) -> str:
    """A sentence for `dataset_info.json`."""
    by_emotion = Counter(each.utterance.emotion for each in skipped)
    emotions = ", ".join(f"{emotion} {count}" for emotion, count in sorted(by_emotion.items()))
    were = counted(len(skipped), f"of {counted(of, 'recording')} was", f"of {counted(of, 'recording')} were")
    return f"{were} left out as unreadable ({emotions}); the first: {skipped[0].fact}."


@contextlib.contextmanager
def naming(utterance: Utterance) -> Iterator[None]:
    """What is wrong with a recording names the utterance too, unless the file's name is its id."""
    try:
        yield
    except (TfcrError, OSError) as error:
        reason = str(error) if isinstance(error, TfcrError) else f"{utterance.audio} cannot be read ({error.strerror})"
        if utterance.audio.stem != utterance.id:
            reason = f"utterance {utterance.id!r}: {reason}"
        raise TfcrError(printable(reason)) from None
