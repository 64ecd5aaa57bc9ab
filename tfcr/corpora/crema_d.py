"""CREMA-D (Cao et al. 2014, "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset").

`AudioWAV/1001_IEO_ANG_HI.wav`: speaker, sentence, emotion, level (LO, MD, HI, or XX where none was asked for). The
release has 7,442 recordings of 91 actors and twelve sentences, so the words carry no emotion. The label is the emotion
that was acted, not what the crowd heard. `1076_MTI_SAD_XX` is silent, and `1040_ITH_SAD_X` lacks an X.
"""

import pathlib
import re

from tfcr.corpora import Corpus, layout
from tfcr.corpora.utterance import Utterance

LICENCE = "Open Database License 1.0, its contents under the Database Contents License 1.0"

EMOTION_OF_CODE = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happiness",
    "NEU": "neutral",
    "SAD": "sadness",
}
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
RELEASE_COUNT = 7442

_CORPUS = "CREMA-D"
_NAME = re.compile(
    rf"(?P<speaker>\d{{4}})_(?P<sentence>{'|'.join(SENTENCES)})_(?P<emotion>{'|'.join(EMOTION_OF_CODE)})_(LO|MD|HI|XX?)",
    re.ASCII,
)
_EXPECTED = "expected recordings such as AudioWAV/1001_IEO_ANG_HI.wav (speaker, sentence, emotion, level)"


def read(root: str | pathlib.Path) -> Corpus:
    """Reads the recordings in `root/AudioWAV`, or in `root` itself. Files with other names are counted in a note.

    Raises:
        TfcrError: no such folder, no recording with a name as the release has them, or a clone without Git LFS.
    """
    root = layout.checked_root(_CORPUS, root, _EXPECTED)
    paths = layout.files_in(root / "AudioWAV", ".wav") or layout.files_in(root, ".wav")
    notes: list[str] = []
    named = layout.by_name(_CORPUS, root, paths, _NAME, _EXPECTED, notes)
    layout.note_count(_CORPUS, root, len(named), RELEASE_COUNT, notes)
    return Corpus([_utterance(path, parts) for path, parts in named], notes)


def _utterance(path: pathlib.Path, parts: re.Match) -> Utterance:
    return Utterance(
        id=path.stem,
        audio=path,
        transcript=SENTENCES[parts["sentence"]],
        emotion=EMOTION_OF_CODE[parts["emotion"]],
        speaker=parts["speaker"],
        script=parts["sentence"],
    )
