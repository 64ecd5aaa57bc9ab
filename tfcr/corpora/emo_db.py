"""EMO-DB, the Berlin Database of Emotional Speech (Burkhardt et al. 2005, "A Database of German Emotional Speech").

535 recordings of ten actors, `wav/03a01Fa.wav`: speaker 03, sentence a01, emotion F, version a. The letter of the
emotion is that of its German word. The ten sentences were spoken in every emotion, so the words carry none.
"""

import pathlib
import re

from tfcr.corpora import Corpus, layout
from tfcr.corpora.utterance import Utterance

LICENCE = "offered for download by its makers, who name no licence; ask them before any use but research"

EMOTION_OF_LETTER = {
    "W": "anger",  # Wut, anger
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
RELEASE_COUNT = 535

_CORPUS = "EMO-DB"
_NAME = re.compile(rf"(?P<speaker>\d\d)(?P<sentence>{'|'.join(SENTENCES)})(?P<emotion>[WLEAFTN])[a-z]", re.ASCII)
_EXPECTED = "expected recordings such as wav/03a01Fa.wav, or 03a01Fa.wav (speaker, sentence, emotion, version)"
_SECOND_EDITION = (
    f"{_CORPUS}: its edition 2.0 has recordings, too, whose emotion fewer than 80 % of the listeners recognised; "
    "papers use the 535 of the first."
)


def read(root: str | pathlib.Path) -> Corpus:
    """Reads the recordings in `root/wav`, or in `root` itself. Files with other names are counted in a note.

    Raises:
        TfcrError: no such folder, or no recording with a name as the release has them.
    """
    root = layout.checked_root(_CORPUS, root, _EXPECTED)
    paths = layout.files_in(root / "wav", ".wav") or layout.files_in(root, ".wav")
    notes: list[str] = []
    named = layout.by_name(_CORPUS, root, paths, _NAME, _EXPECTED, notes)
    layout.note_count(_CORPUS, root, len(named), RELEASE_COUNT, notes)
    if len(named) > RELEASE_COUNT:
        notes.append(_SECOND_EDITION)
    return Corpus([_utterance(path, parts) for path, parts in named], notes)


def _utterance(path: pathlib.Path, parts: re.Match) -> Utterance:
    return Utterance(
        id=path.stem,
        audio=path,
        transcript=SENTENCES[parts["sentence"]],
        emotion=EMOTION_OF_LETTER[parts["emotion"]],
        speaker=parts["speaker"],
        script=parts["sentence"],
    )
