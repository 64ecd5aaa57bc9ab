"""What every corpus yields."""

import pathlib
from dataclasses import dataclass


@dataclass(frozen=True)
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
    """

    id: str
    audio: pathlib.Path
    transcript: str
    emotion: str
    speaker: str
    session: str = ""
    script: str = ""
