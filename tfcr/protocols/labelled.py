"""What a protocol sees of a corpus."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class Labelled:
    """Per utterance, sorted by id, its label and the groups it belongs to; `emotions` names the labels in messages.

    Attributes:
        parts: that each was released in (`tfcr.protocols.parts`), or an empty string.
        listed: what a file says of each: a part, or the number of a fold. Empty without one.
    """

    ids: Sequence[str]
    labels: Sequence[int]
    speakers: Sequence[str]
    sessions: Sequence[str]
    scripts: Sequence[str]
    emotions: Sequence[str] = ()
    parts: Sequence[str] = ()
    listed: Sequence[str] = ()

    def at(self, positions: Iterable[int]) -> "Labelled":
        """Some of the utterances."""
        positions = list(positions)
        lists = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "emotions"}
        chosen = {name: [values[each] for each in positions] for name, values in lists.items() if len(values)}
        return replace(self, **chosen)
