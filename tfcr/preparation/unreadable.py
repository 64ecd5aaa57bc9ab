"""Recordings that cannot be read: all are looked at before the first is told. No TensorFlow."""

import contextlib
import pathlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tfcr.corpora.audio import num_samples, read_audio
from tfcr.corpora.paths import in_place_of_recording
from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError
from tfcr.wording import counted, printable

_LISTED = 20  # of the recordings, by name
_SKIP = "--skip-unreadable"


class RecordingError(TfcrError):
    """The recording of one utterance cannot be read; others may be no better."""


@dataclass(frozen=True)
class Unreadable:
    """An utterance whose recording cannot be read.

    Attributes:
        reason: as the reader of recordings says it.
    """

    utterance: Utterance
    reason: str

    def told(self) -> str:
        """The reason, or where it is known what is there instead of a recording."""
        return printable(_named(self.utterance, in_place_of_recording(self.utterance.audio) or self.reason))

    def to_dict(self) -> dict[str, str]:
        """For `dataset_info.json`."""
        return {"id": self.utterance.id, "emotion": self.utterance.emotion, "reason": printable(self.reason)}


def readable(
    utterances: Sequence[Utterance],
    skip: bool,
    in_order: Callable[[Callable, Sequence], list],
    say: Callable[[str], None],
) -> tuple[list[Utterance], list[int], list[Unreadable]]:
    """Looks at every recording: at its header, and where one is broken or broken ones are left out at all of it.

    Args:
        skip: leaves out what cannot be read.
        in_order: calls a function of every utterance, and returns what it gives in order.
        say: takes a sentence for the user, before what may last.

    Returns:
        The utterances that can be read, their samples at 16 kHz, and the others.

    Raises:
        TfcrError: some cannot be read and are not to be left out, or no utterance of an emotion would be left.
    """
    found = in_order(_decoded if skip else _measured, utterances)
    broken = _broken(found)
    if broken and not skip:
        refuse_broken(utterances, broken[0].told(), in_order, say)
    if len(broken) == len(utterances):
        raise _unreadable(broken, len(utterances))
    samples = [each for each in found if not isinstance(each, Unreadable)]
    left_out = {each.utterance.id for each in broken}
    kept = [utterance for utterance in utterances if utterance.id not in left_out]
    gone = {each.utterance.emotion for each in broken} - {utterance.emotion for utterance in kept}
    if gone:
        raise TfcrError(f"no recording of the emotion {min(gone)!r} can be read; the first: {broken[0].told()}")
    return kept, samples, broken


def refuse_broken(
    utterances: Sequence[Utterance],
    first: str,
    in_order: Callable[[Callable, Sequence], list],
    say: Callable[[str], None],
) -> None:
    """Decodes every recording, and raises `TfcrError` with all that cannot be.

    Args:
        first: what is wrong with the one that is known.
    """
    say(f"{first}; looking at all others too")
    broken = _broken(in_order(_decoded, utterances))
    if broken:
        raise _unreadable(broken, len(utterances))


def _broken(found: Sequence[int | Unreadable]) -> list[Unreadable]:
    return [each for each in found if isinstance(each, Unreadable)]


def _unreadable(broken: Sequence[Unreadable], of: int) -> TfcrError:
    """One error for all of them: their number, and what is wrong with the first twenty."""
    remedy = "" if len(broken) == of else f"; {_SKIP} leaves out what cannot be read"
    if len(broken) == 1:
        return TfcrError(broken[0].told() + remedy)
    facts = [each.told().split("; ")[0] for each in broken[:_LISTED]]
    more = f"; and {len(broken) - _LISTED} more" if len(broken) > _LISTED else ""
    return TfcrError(
        f"{len(broken)} of {counted(of, 'recording')} cannot be read: {'; '.join(facts)}{more}. Mend them{remedy}"
    )


def note(skipped: Sequence[Unreadable], of: int) -> str:
    """A sentence for `dataset_info.json`."""
    by_emotion = Counter(each.utterance.emotion for each in skipped)
    emotions = ", ".join(f"{emotion} {count}" for emotion, count in sorted(by_emotion.items()))
    were = f"{len(skipped)} of {counted(of, 'recording')} cannot be read and {'was' if len(skipped) == 1 else 'were'}"
    return f"{were} left out ({emotions}); the first: {skipped[0].told().split('; ')[0]}."


@contextlib.contextmanager
def naming(utterance: Utterance) -> Iterator[None]:
    """What is wrong with a recording is a `RecordingError`; it names the utterance, unless the file does."""
    try:
        yield
    except TfcrError as error:
        raise RecordingError(printable(_named(utterance, str(error)))) from None


def _named(utterance: Utterance, reason: str) -> str:
    return reason if utterance.audio.stem == utterance.id else f"utterance {utterance.id!r}: {reason}"


def _measured(utterance: Utterance) -> int | Unreadable:
    """Its samples, from the header."""
    return _tried(num_samples, utterance)


def _decoded(utterance: Utterance) -> int | Unreadable:
    """Its samples, once all of them have been decoded."""
    samples = _measured(utterance)
    return samples if isinstance(samples, Unreadable) else _tried(lambda path: len(read_audio(path)), utterance)


def _tried(count: Callable[[pathlib.Path], int], utterance: Utterance) -> int | Unreadable:
    try:
        return count(utterance.audio)
    except TfcrError as error:
        return Unreadable(utterance, str(error))
    except OSError as error:
        return Unreadable(utterance, f"{utterance.audio} cannot be read ({error.strerror})")
