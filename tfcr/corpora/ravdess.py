"""RAVDESS (Livingstone and Russo 2018, "The Ryerson Audio-Visual Database of Emotional Speech and Song").

`Actor_12/03-01-05-01-02-01-12.wav`: modality (03 is audio only), vocal channel (01 is speech, 02 song), emotion,
intensity, statement, repetition, actor. The release's speech is 1,440 recordings of 24 actors and two statements, so
the words carry no emotion; 48 kHz, a few of them stereo.
"""

import pathlib
import re

from tfcr.corpora import Corpus, layout
from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError
from tfcr.wording import counted

LICENCE = "CC BY-NC-SA 4.0: not for commercial use"

EMOTION_OF_NUMBER = {
    "01": "neutral",
    "02": "calm",
    "03": "happiness",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
RELEASE_COUNT = 1440  # of audio-only speech: 24 actors x (7 emotions x 2 intensities + neutral) x 2 x 2

_CORPUS = "RAVDESS"
_NAME = re.compile(
    r"(?P<kind>0[123]-0[12])-(?P<emotion>0[1-8])-0[12]-(?P<statement>0[12])-0[12]-(?P<actor>0[1-9]|1[0-9]|2[0-4])"
)
_SPEECH = "03-01"  # audio only, speech
_EXPECTED = "expected folders Actor_01 to Actor_24, or one folder with them, of recordings as 03-01-05-01-02-01-12.wav"


def read(root: str | pathlib.Path) -> Corpus:
    """Reads the audio-only speech; songs, videos and files with other names are counted in notes.

    The folders of the actors lie in `root`, or else in folders of it, as the release's archives make them
    (`Audio_Speech_Actors_01-24`).

    Raises:
        TfcrError: no such folder, no folder of an actor, or no recording of speech with a name as the release has them.
    """
    root = layout.checked_root(_CORPUS, root, _EXPECTED)
    notes: list[str] = []
    named = layout.by_name(_CORPUS, root, _files(root), _NAME, _EXPECTED, notes)
    speech = [(path, parts) for path, parts in named if parts["kind"] == _SPEECH and path.suffix.lower() == ".wav"]
    others = [path for path, parts in named if parts["kind"] != _SPEECH or path.suffix.lower() != ".wav"]
    if others:
        are = counted(len(others), "file is a song or a video and was", "files are songs or videos and were")
        left_out = f"{are} left out; the first is {others[0]}"
        if not speech:
            raise TfcrError(f"{_CORPUS} at {root}: {left_out}; {_EXPECTED}")
        notes.append(f"{_CORPUS} at {root}: {left_out}.")
    utterances = _without_copies(root, [_utterance(path, parts) for path, parts in speech], notes)
    layout.note_count(_CORPUS, root, len(utterances), RELEASE_COUNT, notes)
    return Corpus(utterances, notes)


def _files(root: pathlib.Path) -> list[pathlib.Path]:
    actors = sorted(root.glob("Actor_*")) or sorted(
        path for path in root.glob("*/Actor_*") if not path.parent.name.startswith(".")
    )
    if not actors:
        raise TfcrError(f"{_CORPUS}: {root} holds no folder of an actor; {_EXPECTED}")
    return [path for actor in actors for path in layout.files_in(actor, ".wav", ".mp4")]


def _utterance(path: pathlib.Path, parts: re.Match) -> Utterance:
    return Utterance(
        id=path.stem,
        audio=path,
        transcript=STATEMENTS[parts["statement"]],
        emotion=EMOTION_OF_NUMBER[parts["emotion"]],
        speaker=parts["actor"],
        script=parts["statement"],
    )


def _without_copies(root: pathlib.Path, utterances: list[Utterance], notes: list[str]) -> list[Utterance]:
    """One utterance an id, sorted by id: downloads exist that hold every recording twice."""
    first: dict[str, Utterance] = {}
    copies = [utterance for utterance in utterances if first.setdefault(utterance.id, utterance) is not utterance]
    if copies:
        twice = counted(len(copies), "recording stands", "recordings stand")
        notes.append(f"{_CORPUS} at {root}: {twice} in two folders, taken once; the first is {copies[0].audio}.")
    return [first[id] for id in sorted(first)]
