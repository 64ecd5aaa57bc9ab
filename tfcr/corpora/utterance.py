"""What every corpus yields."""

import pathlib
import unicodedata
from dataclasses import dataclass, fields

import regex

_NO_WORD = regex.compile(r"[^\pL\pM\pN\s]+")


@dataclass(frozen=True, slots=True)  # a corpus may have a hundred thousand
class Utterance:
    """One labelled recording.

    Attributes:
        id: unique within the corpus.
        audio: the recording's file: WAV, FLAC, OGG or MP3.
        transcript: the words said, as the corpus writes them; may be empty.
        emotion: the corpus's label in this package's words (`neutral`, `happiness`, `excitement`, …), before any merge.
        speaker: who speaks; unique within the corpus.
        session: the recording session, or an empty string where there are none.
        script: the group of utterances that share their words (protocol `script`), or an empty string.
        part: `train`, `validation`, `test` or a further test part that it was released in (protocol `official`), or an
            empty string.
    """

    id: str
    audio: pathlib.Path
    transcript: str
    emotion: str
    speaker: str
    session: str = ""
    script: str = ""
    part: str = ""

    def to_dict(self) -> dict[str, str | pathlib.Path]:
        """Attribute → value."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def normalised(transcript: str) -> str:
    """A transcript as protocol `script` compares it: lower case, no punctuation, single spaces."""
    return " ".join(_NO_WORD.sub(" ", unicodedata.normalize("NFC", transcript).lower()).split())
