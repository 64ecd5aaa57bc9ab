"""IEMOCAP (Busso et al. 2008), as USC's `IEMOCAP_full_release` lies on disk.

Below `Session<N>` lie labels in `dialog/EmoEvaluation/<dialog>.txt`, words in `dialog/transcriptions/<dialog>.txt` and
recordings in `sentences/wav/<dialog>/<utterance>.wav`. Everything is found by utterance id: dialogs such as
`Ses03M_impro05a` and `Ses05M_script01_1b` break fixed positions and prefixes.
"""

import collections
import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tfcr.corpora import Corpus, layout
from tfcr.corpora.utterance import Utterance
from tfcr.errors import TfcrError
from tfcr.wording import counted

LICENCE = "the release form of the University of Southern California (SAIL): for research, not to be passed on"

EMOTION_OF_CODE = {
    "neu": "neutral",
    "hap": "happiness",
    "exc": "excitement",
    "sad": "sadness",
    "ang": "anger",
    "fru": "frustration",
    "fea": "fear",
    "sur": "surprise",
    "dis": "disgust",
    "oth": "other",
    "xxx": "undecided",  # no two raters agreed
}

# Utterances per session of the complete release in the four classes of Sec. 4.1; excitement counts as happiness.
RELEASE_COUNTS = {
    "1": {"neutral": 384, "happiness": 278, "sadness": 194, "anger": 229},
    "2": {"neutral": 362, "happiness": 327, "sadness": 197, "anger": 137},
    "3": {"neutral": 320, "happiness": 286, "sadness": 305, "anger": 240},
    "4": {"neutral": 258, "happiness": 303, "sadness": 143, "anger": 327},
    "5": {"neutral": 384, "happiness": 442, "sadness": 245, "anger": 170},
}

# What each of the ten speakers says of these.
RELEASE_SPEAKERS = {
    "1": {"Ses01F": 528, "Ses01M": 557},
    "2": {"Ses02F": 481, "Ses02M": 542},
    "3": {"Ses03F": 522, "Ses03M": 629},
    "4": {"Ses04F": 528, "Ses04M": 503},
    "5": {"Ses05F": 590, "Ses05M": 651},
}

_RELEASE = "IEMOCAP_full_release"
_TIMES = re.compile(r"\[\s*[\d.]+\s*-\s*[\d.]+\s*\]\s")
_LABEL = re.compile(_TIMES.pattern + r"\s*(?P<id>\S+)\s+(?P<code>[a-z]{3})\s+\[")
_TEXT = re.compile(r"(?P<id>\S+)\s+\[[^\]]*\]:(?P<text>.*)")  # up to the first "]:": the words may hold colons, tags
_ID = re.compile(r"(?P<dialog>Ses0(?P<session>[1-5])[FM]_\w+)_(?P<gender>[FM])\d{3}")
_SCRIPT = re.compile(r"script\d+_\d+")


def read(root: str | pathlib.Path, allow_partial: bool = False) -> Corpus:
    """Reads the release and checks that it is complete.

    Args:
        root: the folder `IEMOCAP_full_release`, or one that holds it.
        allow_partial: go on with what is there; what is missing becomes notes.

    Returns:
        Every labelled utterance, sorted by id.

    Raises:
        TfcrError: no release below `root`; labels, a recording or a transcript are missing; or the utterances of the
            four classes are not as many as the release has, per session, emotion and speaker.
    """
    corpus = _read(pathlib.Path(root), allow_partial)
    difference = _difference(corpus.utterances)
    if not difference:
        return corpus
    if allow_partial:
        return Corpus(corpus.utterances, [*corpus.notes, f"IEMOCAP at {root} is partial: {difference}."])
    raise TfcrError(f"IEMOCAP at {root}: {difference}. Is the release complete? (--allow-partial to go on)")


def read_layout(root: str | pathlib.Path) -> Corpus:
    """Reads any corpus in IEMOCAP's layout, however many utterances it has; otherwise as `read`."""
    return _read(pathlib.Path(root), allow_partial=False)


@dataclass
class _Found:
    """What the files of one or more sessions hold."""

    code_of: dict[str, str] = field(default_factory=dict)  # utterance id → emotion code
    session_of: dict[str, pathlib.Path] = field(default_factory=dict)  # utterance id → Session<N>
    text_of: dict[str, str] = field(default_factory=dict)  # utterance id → words
    labels_of: dict[str, pathlib.Path] = field(default_factory=dict)  # dialog with words → where its labels should be
    notes: list[str] = field(default_factory=list)


def _read(root: pathlib.Path, allow_partial: bool) -> Corpus:
    found = _Found()
    for session in _sessions(root):
        _read_labels(session, found, allow_partial)
        _read_transcripts(session, found)
    if not found.code_of:
        raise TfcrError(
            f"IEMOCAP at {root}: no label in any Session*/dialog/EmoEvaluation/*.txt; "
            "expected lines such as '[6.2901 - 8.2357]\\tSes01F_impro01_F000\\tneu\\t[2.5000, 2.5000, 2.5000]'"
        )
    ids = sorted(found.code_of)
    without_text = [id for id in ids if id not in found.text_of]
    without_audio, empty = _without_recording(ids, found.session_of)
    problems = (
        _missing_labels(root, found),
        _missing_text(root, without_text, found),
        _missing_audio(root, without_audio, len(ids), found),
        _empty_audio(root, empty, len(ids), found),
    )
    for problem in problems:
        if problem and not allow_partial:
            raise TfcrError(f"{problem}. Is the copy complete? (--allow-partial to go on)")
        if problem:
            found.notes.append(f"{problem}; left out.")
    left_out = {*without_text, *without_audio, *empty}
    return Corpus([_utterance(id, found) for id in ids if id not in left_out], found.notes)


def _sessions(root: pathlib.Path) -> list[pathlib.Path]:
    """The folders Session1 to Session5 that are there."""
    expected = f"expected the folder {_RELEASE} (with Session1 to Session5), or one that holds it"
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise TfcrError(f"IEMOCAP: {root} {what}; {expected}")
    for release in root, root / _RELEASE:
        sessions = [path for path in sorted(release.glob("Session[1-5]")) if (path / "dialog").is_dir()]
        if sessions:
            return sessions
    raise TfcrError(f"IEMOCAP: {root} holds no Session1 to Session5 with a folder 'dialog'; {expected}")


def _read_labels(session: pathlib.Path, found: _Found, allow_partial: bool) -> None:
    folder = session / "dialog" / "EmoEvaluation"
    if not folder.is_dir():
        problem = f"IEMOCAP: {folder} does not exist, so {session.name} has no labels"
        if not allow_partial:
            raise TfcrError(f"{problem}. Is the release complete? (--allow-partial to go on)")
        found.notes.append(f"{problem}.")
        return
    for path in _text_files(folder):
        unclear = []
        for number, line in _lines(path, found.notes):
            label = _LABEL.match(line)
            if label is None or label["code"] not in EMOTION_OF_CODE or not _ID.fullmatch(label["id"]):
                if _TIMES.match(line) or _ID.search(line):
                    unclear.append(number)
                continue
            if label["id"] in found.code_of:
                raise TfcrError(f"{path}, line {number}: {label['id']} has a label already; expected one of each")
            found.code_of[label["id"]] = label["code"]
            found.session_of[label["id"]] = session
        if unclear:
            found.notes.append(
                f"{path}: {counted(len(unclear), 'line looks like a label but is', 'lines look like labels but are')} "
                f"none, the first is line {unclear[0]}."
            )


def _read_transcripts(session: pathlib.Path, found: _Found) -> None:
    for path in _text_files(session / "dialog" / "transcriptions"):
        for number, line in _lines(path, found.notes):
            match = _TEXT.match(line)
            if match is None or not _ID.fullmatch(match["id"]):  # "M: sorry" has no id, `…_FXX0` no label
                continue
            text = match["text"].strip()
            dialog = _parts(match["id"])["dialog"]
            found.labels_of.setdefault(dialog, session / "dialog" / "EmoEvaluation" / f"{dialog}.txt")
            if found.text_of.setdefault(match["id"], text) != text:
                found.notes.append(f"{path}, line {number}: {match['id']} has another transcript already, which stays.")


def _text_files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The text files of a folder itself, without AppleDouble ones; its subfolders hold other raters' labels."""
    return [path for path in sorted(folder.glob("*.txt")) if not path.name.startswith(".") and path.is_file()]


def _lines(path: pathlib.Path, notes: list[str]) -> Iterator[tuple[int, str]]:
    """The lines of a text file with their numbers, from 1; what is not UTF-8 becomes text by `layout`, with a note."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TfcrError(f"{path} cannot be read ({error.strerror})") from None
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        notes.append(f"{path} holds NUL bytes (the first in line {line}); they were replaced by U+FFFD.")
        content = content.replace(b"\0", "\ufffd".encode())
    text, foreign = layout.decoded_by_line(content)
    if foreign:
        notes.append(
            f"{path} holds bytes that are not UTF-8 (the first in line {foreign}); lines with such bytes were read as "
            "Windows-1252."
        )
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return enumerate(text.split("\n"), start=1)


def _utterance(id: str, found: _Found) -> Utterance:
    parts = _parts(id)
    script = _SCRIPT.search(parts["dialog"])
    return Utterance(
        id=id,
        audio=_recording(id, found.session_of[id]),
        transcript=found.text_of[id],
        emotion=EMOTION_OF_CODE[found.code_of[id]],
        # The letter after the session is who wore the motion-capture markers, not who speaks.
        speaker=f"Ses0{parts['session']}{parts['gender']}",
        session=parts["session"],
        script=script.group() if script else parts["dialog"],
    )


def _parts(id: str) -> re.Match[str]:
    parts = _ID.fullmatch(id)
    assert parts is not None, id  # ids of other forms were never taken in
    return parts


def _recording(id: str, session: pathlib.Path) -> pathlib.Path:
    return session / "sentences" / "wav" / _parts(id)["dialog"] / f"{id}.wav"


def _transcript_file(id: str, session: pathlib.Path) -> pathlib.Path:
    return session / "dialog" / "transcriptions" / f"{_parts(id)['dialog']}.txt"


def _without_recording(ids: Iterable[str], session_of: dict[str, pathlib.Path]) -> tuple[list[str], list[str]]:
    """The ids whose WAV file is missing, and those whose file is empty.

    One listing per dialog, since 10,039 look-ups are slow over a network.
    """
    listings: dict[pathlib.Path, dict[str, int]] = {}
    missing, empty = [], []
    for id in ids:
        path = _recording(id, session_of[id])
        if path.parent not in listings:
            listings[path.parent] = _sizes(path.parent)
        size = listings[path.parent].get(path.name)
        if size is None:
            missing.append(id)
        elif size == 0:
            empty.append(id)
    return missing, empty


def _sizes(folder: pathlib.Path) -> dict[str, int]:
    """The bytes of every file in a folder by name; none where there is no folder, or behind a link to nothing."""
    if not folder.is_dir():
        return {}
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}


def _missing_labels(root: pathlib.Path, found: _Found) -> str:
    labelled = {_parts(id)["dialog"] for id in found.code_of}
    without = sorted(dialog for dialog in found.labels_of if dialog not in labelled)
    if not without:
        return ""
    return (
        f"IEMOCAP at {root}: "
        f"{counted(len(without), 'dialog has a transcript', 'dialogs have transcripts')} and no labels; "
        f"the first is {without[0]}, expected in {found.labels_of[without[0]]}"
    )


def _missing_text(root: pathlib.Path, ids: list[str], found: _Found) -> str:
    if not ids:
        return ""
    path = _transcript_file(ids[0], found.session_of[ids[0]])
    where = f"expected in {path}" + ("" if path.is_file() else ", which does not exist")
    lacking = counted(len(ids), "labelled utterance has", "labelled utterances have")
    return f"IEMOCAP at {root}: {lacking} no transcript; the first is {ids[0]}, {where}"


def _missing_audio(root: pathlib.Path, ids: list[str], labelled: int, found: _Found) -> str:
    if not ids:
        return ""
    have = counted(len(ids), f"of {labelled} labelled utterances has", f"of {labelled} labelled utterances have")
    where = _recording(ids[0], found.session_of[ids[0]])
    return f"IEMOCAP at {root}: {have} no recording; the first is {ids[0]}, expected at {where}"


def _empty_audio(root: pathlib.Path, ids: list[str], labelled: int, found: _Found) -> str:
    if not ids:
        return ""
    have = counted(len(ids), f"of {labelled} labelled utterances has", f"of {labelled} labelled utterances have")
    where = _recording(ids[0], found.session_of[ids[0]])
    return f"IEMOCAP at {root}: {have} an empty recording (0 bytes); the first is {where}; copy it again"


def _difference(utterances: Iterable[Utterance]) -> str:
    """How the four classes differ from the complete release: an empty string, or a sentence without its full stop."""
    found: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)  # session → emotion, speaker
    for utterance in utterances:
        emotion = "happiness" if utterance.emotion == "excitement" else utterance.emotion
        if emotion in RELEASE_COUNTS[utterance.session]:
            found[utterance.session].update([emotion, utterance.speaker])
    differences = []
    total = release = 0
    for session, emotions in RELEASE_COUNTS.items():
        here, complete = (sum(counts[emotion] for emotion in emotions) for counts in (found[session], emotions))
        total, release = total + here, release + complete
        expected = emotions | RELEASE_SPEAKERS[session]
        groups = [
            f"{found[session][group]} {group} (expected {count})"
            for group, count in expected.items()
            if found[session][group] != count
        ]
        if here != complete:
            differences.append(f"Session{session} has {here} of {complete}")
        elif groups:
            differences.append(f"Session{session} has {', '.join(groups)}")
    if not differences:
        return ""
    return f"expected {release} utterances of the four classes, found {total}; {'; '.join(differences)}"
