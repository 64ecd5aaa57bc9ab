"""The degradations, in grades: what is done to speech or words, and how much of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tfcr.errors import UsageError

AUDIO, TEXT = "audio", "text"
CLEAN = "clean"  # the name of the grade that changes nothing

ABSENCES = ("silence", "no-words")

_SNR = (20.0, 15.0, 10.0, 5.0, 0.0)  # dB
_SHARES = (0.05, 0.1, 0.2, 0.4)  # of the words
_DECAYS = (0.25, 0.5, 1.0)  # s
_ONCE = (0.0,)  # of what has no grades


@dataclass(frozen=True)
class Kind:
    """One degradation.

    Attributes:
        name: what options, files and tables call it.
        modality: what it changes, `audio` or `text`.
        meaning: in words.
        levels: from mild to severe; one where it has no grades.
        unit: of a level: `dB` (signal to noise ratio), `s` (reverberation time) or `share`; empty without grades.
    """

    name: str
    modality: str
    meaning: str
    levels: Sequence[float] = _ONCE
    unit: str = ""

    @property
    def is_graded(self) -> bool:
        return len(self.levels) > 1

    @property
    def is_absence(self) -> bool:
        """Whether nothing is left of the modality, so that it can contradict nothing."""
        return self.name in ABSENCES

    @property
    def clean_level(self) -> float | None:
        """The level at which nothing changes; None where it lies infinitely far, as of a signal to noise ratio."""
        return None if self.unit == "dB" else 0.0


@dataclass(frozen=True)
class Grade:
    """A degradation at one level."""

    kind: Kind
    level: float

    @property
    def name(self) -> str:
        """`white-20`, `deleted-0.05`, `telephone`."""
        return f"{self.kind.name}-{self.level:g}" if self.kind.is_graded else self.kind.name


KINDS = {
    kind.name: kind
    for kind in (
        Kind("white", AUDIO, "white noise", _SNR, "dB"),
        Kind("pink", AUDIO, "pink noise", _SNR, "dB"),
        Kind("babble", AUDIO, "babble", _SNR, "dB"),
        Kind("reverberation", AUDIO, "reverberation", _DECAYS, "s"),
        Kind("telephone", AUDIO, "telephone band"),
        Kind("silence", AUDIO, "no speech"),
        Kind("deleted", TEXT, "words deleted", _SHARES, "share"),
        Kind("replaced", TEXT, "words replaced by others", _SHARES, "share"),
        Kind("neighbours", TEXT, "words replaced by neighbours", _SHARES, "share"),
        Kind("no-words", TEXT, "no words"),
    )
}


def grades(kinds: Iterable[str] | None = None) -> list[Grade]:
    """Every grade of the named kinds, of all by default, in the order of `KINDS`.

    Raises:
        UsageError: there is no such kind.
    """
    wanted = list(KINDS) if kinds is None else list(kinds)
    for name in wanted:
        if name not in KINDS:
            raise UsageError(f"there is no kind of noise {name!r}; expected some of {', '.join(KINDS)}")
    return [Grade(kind, level) for kind in KINDS.values() if kind.name in wanted for level in kind.levels]
