"""What a protocol sees of a corpus."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Labelled:
    """Per utterance, sorted by id, its label and the groups it belongs to; `emotions` names the labels in messages."""

    ids: Sequence[str]
    labels: Sequence[int]
    speakers: Sequence[str]
    sessions: Sequence[str]
    scripts: Sequence[str]
    emotions: Sequence[str] = ()
