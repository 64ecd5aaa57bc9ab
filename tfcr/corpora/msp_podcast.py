"""MSP-Podcast (Lotfian and Busso 2019).

"Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving Emotional Speech from Existing Podcast
Recordings", IEEE Transactions on Affective Computing.

Labels lie in `Labels/labels_consensus.csv` (FileName, EmoClass, SpkrID, Split_Set and others), recordings in `Audios`
(or `Audio`) as `MSP-PODCAST_0001_0008.wav`, words in `Transcripts` as `MSP-PODCAST_0001_0008.txt`. The number of
recordings grows from version to version, and the labels of the part Test3 are withheld. Older versions, such as 1.8,
spell the table `labels_concensus.csv`.
"""

import pathlib
import re
import unicodedata

from tfcr.corpora import Corpus, layout
from tfcr.corpora.utterance import Utterance, normalised
from tfcr.errors import TfcrError
from tfcr.protocols.parts import part_named
from tfcr.wording import counted

LICENCE = "an agreement with the University of Texas at Dallas, which is not transferable"

EMOTION_OF_LETTER = {
    "A": "anger",
    "S": "sadness",
    "H": "happiness",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
    "O": "other",
    "X": "undecided",  # the raters did not agree
}
UNKNOWN = "unknown"  # the speaker of every recording whose speaker the release does not know

_CORPUS = "MSP-Podcast"
_COLUMNS = ("FileName", "EmoClass", "SpkrID")
_PART = "Split_Set"  # Train, Development (Validation in older versions), Test1, Test2, Test3
_FILE_NAME = re.compile(r"[\w-][\w.-]*\.wav")
_EXPECTED = "expected the folders Labels (with labels_consensus.csv), Audios and Transcripts"


def read(root: str | pathlib.Path, allow_partial: bool = False) -> Corpus:
    """Reads every labelled recording.

    Recordings of unknown speakers share the speaker `unknown`: protocol `speaker` keeps them in one part, so that none
    of them is trained on while another is tested, and their voices may still occur among the known speakers.
    A missing transcript is empty.

    Args:
        root: the folder that holds `Labels`, `Audios` and `Transcripts`.
        allow_partial: go on with the recordings that are there; how many are missing becomes a note.

    Raises:
        TfcrError: the table or a recording is missing or broken.
    """
    root = layout.checked_root(_CORPUS, root, _EXPECTED)
    notes: list[str] = []
    labelled = _labelled(_table(root), notes)
    folder = next((root / name for name in ("Audios", "Audio") if (root / name).is_dir()), root / "Audios")
    recordings = {path.name: path for path in layout.files_in(folder, ".wav")}
    missing = [name for name in labelled if name not in recordings]
    if missing:
        problem = (
            f"{_CORPUS} at {root}: {len(missing)} of {len(labelled)} labelled recordings are missing; "
            f"the first is {missing[0]}, expected at {folder / missing[0]}"
        )
        if len(missing) == len(labelled):
            raise TfcrError(f"{problem}. Is the copy complete?")
        if not allow_partial:
            raise TfcrError(f"{problem}. Is the copy complete? (--allow-partial to go on)")
        notes.append(f"{problem}; left out.")
    names = sorted(labelled.keys() & recordings.keys())
    words = _transcripts(root / "Transcripts", names, notes)
    utterances = [_utterance(recordings[name], labelled[name], words[name]) for name in names]
    _note_unknown_speakers(root, utterances, notes)
    _note_unknown_parts(root, [labelled[name] for name in names], notes)
    without = sorted(recordings.keys() - labelled.keys())
    if without:
        have = counted(len(without), "recording has no label and was", "recordings have no label and were")
        notes.append(f"{_CORPUS} at {root}: {have} left out; the first is {without[0]}.")
    return Corpus(utterances, notes)


def _table(root: pathlib.Path) -> pathlib.Path:
    for name in "labels_consensus.csv", "labels_concensus.csv":
        if (root / "Labels" / name).is_file():
            return root / "Labels" / name
    raise TfcrError(f"{_CORPUS}: {root / 'Labels' / 'labels_consensus.csv'} does not exist; {_EXPECTED}")


def _labelled(table: pathlib.Path, notes: list[str]) -> dict[str, dict[str, str]]:
    """The rows of the table by file name; those without one of the ten labels stay out, with a note."""
    labelled: dict[str, dict[str, str]] = {}
    line_of: dict[str, int] = {}
    unlabelled = []
    for line, row in layout.rows(table, layout.read_text(table, notes), _COLUMNS, [_PART]):
        name = row["FileName"]
        if not _FILE_NAME.fullmatch(name):
            raise TfcrError(
                f"{table}, line {line}: FileName is {name!r}; expected one such as MSP-PODCAST_0001_0008.wav"
            )
        if name in line_of:
            raise TfcrError(
                f"{table}, line {line}: {name} stands in line {line_of[name]} already; expected one row of each"
            )
        if not row["SpkrID"].isprintable():
            raise TfcrError(f"{table}, line {line}: SpkrID is {row['SpkrID']!r}; expected a number or Unknown")
        line_of[name] = line
        if row["EmoClass"] in EMOTION_OF_LETTER:
            labelled[name] = row
        else:
            unlabelled.append((line, row["EmoClass"]))
    if not labelled:
        raise TfcrError(f"{table} names no recording with a label; expected letters such as N or H in EmoClass")
    if unlabelled:
        line, letter = unlabelled[0]
        letters = ", ".join(EMOTION_OF_LETTER)
        notes.append(
            f"{table}: {len(unlabelled)} rows were left out, for their EmoClass is none of {letters}; "
            f"the first is {letter!r} in line {line}."
        )
    return labelled


def _transcripts(folder: pathlib.Path, names: list[str], notes: list[str]) -> dict[str, str]:
    """The words of every recording; empty, and counted in a note, where there are none."""
    files = {path.stem: path for path in layout.files_in(folder, ".txt")}
    words, garbled, absent = {}, [], []
    for name in names:
        path = files.get(pathlib.PurePath(name).stem)
        if path is None:
            absent.append(name)
            words[name] = ""
            continue
        content = path.read_bytes()
        layout.refuse_nul(path, content)
        text, foreign = layout.decoded_by_line(content)
        if foreign:
            garbled.append(path)
        words[name] = " ".join(unicodedata.normalize("NFC", text).split())
    if absent:
        of = f"of {len(names)} recordings"
        notes.append(
            f"{_CORPUS}: {counted(len(absent), f'{of} has', f'{of} have')} no transcript in {folder}, "
            "so theirs is empty; "
            f"the first is {absent[0]}. (--transcripts gives a recogniser's)"
        )
    if garbled:
        notes.append(
            f"{_CORPUS}: {counted(len(garbled), 'transcript holds', 'transcripts hold')} bytes that are not UTF-8 "
            f"and were read as Windows-1252; the first is {garbled[0]}."
        )
    return words


def _utterance(audio: pathlib.Path, row: dict[str, str], words: str) -> Utterance:
    speaker = " ".join(unicodedata.normalize("NFC", row["SpkrID"]).split())
    return Utterance(
        id=audio.stem,
        audio=audio,
        transcript=words,
        emotion=EMOTION_OF_LETTER[row["EmoClass"]],
        speaker=UNKNOWN if speaker.lower() in ("", UNKNOWN) else speaker,
        script=normalised(words) or audio.stem,
        part=part_named(row.get(_PART, "")),
    )


def _note_unknown_speakers(root: pathlib.Path, utterances: list[Utterance], notes: list[str]) -> None:
    unknown = sum(utterance.speaker == UNKNOWN for utterance in utterances)
    if unknown:
        notes.append(
            f"{_CORPUS} at {root}: {unknown} of {len(utterances)} recordings have an unknown speaker; "
            f"they share the speaker {UNKNOWN!r}, and their voices may occur among the known ones."
        )


def _note_unknown_parts(root: pathlib.Path, rows: list[dict[str, str]], notes: list[str]) -> None:
    others = [row for row in rows if _PART in row and not part_named(row[_PART])]
    if others:
        are = counted(len(others), "recording is", "recordings are")
        notes.append(
            f"{_CORPUS} at {root}: {are} in no part, for {_PART} is neither Train nor Development nor a test; the "
            f"first is {others[0]['FileName']} with {others[0][_PART]!r}."
        )
