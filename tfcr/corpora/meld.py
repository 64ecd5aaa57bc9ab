"""MELD (Poria et al. 2019, "MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations").

Labels and words lie in `{train,dev,test}_sent_emo.csv`, clips in `train_splits`, `dev_splits_complete` and
`output_repeated_splits_test` as `dia<D>_utt<U>.mp4`; their sound has to be extracted first. Every split counts its
dialogues from 0. A speaker is a role of the series: Rachel is Rachel in every split, while `Woman` or `All` may be
someone else in every dialogue. Some clips are cut wrongly (test `dia38_utt4` lasts five minutes), and a few have no
label; those are passed over.
"""

import pathlib
import re
import shlex
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

from tfcr.corpora import Corpus, layout
from tfcr.corpora.utterance import Utterance, normalised
from tfcr.errors import TfcrError
from tfcr.protocols.parts import part_named
from tfcr.wording import counted

LICENCE = "GPL 3.0 by its makers; the scenes are of a television series, whose owners' rights remain"

EMOTION_OF_WORD = {
    "neutral": "neutral",
    "joy": "happiness",
    "sadness": "sadness",
    "anger": "anger",
    "surprise": "surprise",
    "fear": "fear",
    "disgust": "disgust",
}
CLIPS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
RELEASE_COUNTS = {"train": 9989, "dev": 1109, "test": 2610}
WITHOUT_CLIP = ("train_dia125_utt3", "dev_dia110_utt7")  # corrupt in the release, and missing from it

_CORPUS = "MELD"
_AUDIO = (".wav", ".flac", ".ogg", ".mp3")
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
_TWIN = "final_videos_test"  # begins the names of clips of the test part that lie beside those of the same number
_NUMBER = re.compile(r"[0-9]{1,6}")
_EXPECTED = (
    "expected train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv beside the folders "
    + ", ".join(CLIPS.values())
    + " of recordings such as dia0_utt0.wav"
)

# UTF-8 that was read as Windows-1252 or Latin-1: the bytes of U+0080 to U+00FF and of General Punctuation, as letters.
_CONTINUED = "".join(
    {chr(byte) for byte in range(0x80, 0xC0)} | set(bytes(range(0x80, 0xC0)).decode("cp1252", "ignore"))
)
_MOJIBAKE = re.compile(f"[\u00c2\u00c3][{_CONTINUED}]|\u00e2[\u20ac\u0080][{_CONTINUED}]")
_LATIN_CONTROL = re.compile("[\u0080-\u009f]")  # Windows-1252 that was read as Latin-1
# Contractions whose apostrophe became a question mark or U+FFFD: `that?s`, `y?know`. `Really?I` is none.
_LOST = re.compile(
    "|".join(
        rf"(?<={before})[?\ufffd](?=(?:{behind})\b)"
        for before, behind in (
            (r"[^\W\d_]", "s|t|re|ve|ll|d|m"),
            (r"\bo", "clock"),
            (r"\by", "know|all"),
            (r"\bma", "am"),
            (r"\bc", "mon"),
            (r"\bd", "you"),
        )
    ),
    re.IGNORECASE,
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1b\x7f]")
_PLAIN = str.maketrans({"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": " - ", "…": "... "})


def read(root: str | pathlib.Path, allow_partial: bool = False) -> Corpus:
    """Reads the three splits; ids name theirs, `train_dia0_utt3`.

    Tables and recordings may also lie in `root/MELD.Raw` and in a folder of the split (`train/train_sent_emo.csv`,
    `train/dia0_utt0.wav`, `train/train_splits/dia0_utt0.wav`), tables in `data/MELD` as in the authors' repository.
    The two utterances without a clip are left out, with a note.

    Args:
        root: the folder that holds the tables, or one as above.
        allow_partial: go on with what is there; what is missing becomes notes.

    Raises:
        TfcrError: a table or a recording is missing or broken.
    """
    root = layout.checked_root(_CORPUS, root, _EXPECTED)
    notes: list[str] = []
    utterances, missing = [], []
    tables = {split: _table(root, split) for split in CLIPS}
    absent = [split for split, table in tables.items() if table is None]
    if len(absent) == len(tables):
        raise TfcrError(f"{_CORPUS}: {root} holds none of the tables; {_EXPECTED}")
    if absent:
        problem = f"{_CORPUS} at {root}: there is no {' and no '.join(f'{split}_sent_emo.csv' for split in absent)}"
        _raise_or_note(problem, allow_partial, notes)
    for split, table in tables.items():
        if table is not None:
            alone = [other and other.parent for other in tables.values()].count(table.parent) == 1
            folders = _folders(root, split) + ([table.parent] if alone else [])  # dia0_utt0 is in every split
            read_here, missing_here = _read_split(split, table, folders, notes)
            utterances += read_here
            missing += missing_here
    if missing:
        of = f"of {len(utterances) + len(missing)} labelled utterances"
        problem = (
            f"{_CORPUS} at {root}: {counted(len(missing), f'{of} has', f'{of} have')} no recording; "
            f"the first is {missing[0].id}, expected at {missing[0].audio}{_extraction(missing)}"
        )
        if not utterances:
            raise TfcrError(f"{problem}. Is the copy complete?")
        _raise_or_note(problem, allow_partial, notes)
    if not utterances:
        raise TfcrError(f"{_CORPUS} at {root}: the tables name no utterance with a recording; {_EXPECTED}")
    utterances = _with_one_name_a_speaker(sorted(utterances, key=lambda utterance: utterance.id), notes)
    return Corpus(utterances, notes)


def _with_one_name_a_speaker(utterances: Sequence[Utterance], notes: list[str]) -> list[Utterance]:
    """The utterances, where names that differ in case and punctuation alone are one speaker: `Phoebe Sr`, `Phoebe Sr.`

    The name is the one that stands most often, of equals the first by letters.
    """
    spellings: dict[str, Counter] = defaultdict(Counter)
    for utterance in utterances:
        spellings[normalised(utterance.speaker) or utterance.speaker][utterance.speaker] += 1
    name_of: dict[str, str] = {}
    for counts in spellings.values():
        usual = min(counts, key=lambda spelling: (-counts[spelling], spelling))
        name_of |= dict.fromkeys(counts, usual)
    several = [" and ".join(map(repr, sorted(counts))) for counts in spellings.values() if len(counts) > 1]
    if several:
        speakers = counted(len(several), "speaker has a name", "speakers have names")
        notes.append(f"{_CORPUS}: {speakers} in several spellings, which became one: {'; '.join(sorted(several))}.")
    return [replace(utterance, speaker=name_of[utterance.speaker]) for utterance in utterances]


def plain(text: str) -> str:
    """The words with one apostrophe, however it was typed or garbled, without control characters, in single spaces.

    An apostrophe that became a question mark is put back where it can be nothing else.
    """
    text = _MOJIBAKE.sub(lambda match: _bytes(match.group()).decode("utf-8"), text)
    text = _LATIN_CONTROL.sub(lambda match: _bytes(match.group()).decode("cp1252", "ignore"), text)
    text = _LOST.sub("'", _CONTROL.sub("", text))
    return " ".join(unicodedata.normalize("NFC", text.translate(_PLAIN)).split())


def _bytes(text: str) -> bytes:
    """Windows-1252, and as themselves the controls that it does not have."""
    return b"".join(
        bytes([ord(character)]) if ord(character) < 256 else character.encode("cp1252") for character in text
    )


def _raise_or_note(problem: str, allow_partial: bool, notes: list[str]) -> None:
    if not allow_partial:
        raise TfcrError(f"{problem}. Is the copy complete? (--allow-partial to go on)")
    notes.append(f"{problem}; left out.")


def _tops(root: pathlib.Path) -> list[pathlib.Path]:
    return [root, root / "MELD.Raw"]


def _table(root: pathlib.Path, split: str) -> pathlib.Path | None:
    name = f"{split}_sent_emo.csv"
    places = [place / name for top in _tops(root) for place in (top, top / split, top / "data" / "MELD")]
    return next((place for place in places if place.is_file()), None)


def _read_split(
    split: str, table: pathlib.Path, folders: list[pathlib.Path], notes: list[str]
) -> tuple[list[Utterance], list[Utterance]]:
    """The utterances with a recording, and those without one, which have the path where it was expected."""
    labelled = _labelled(split, table, notes)
    if len(labelled) != RELEASE_COUNTS[split]:
        notes.append(f"{table} has {len(labelled)} utterances; the release has {RELEASE_COUNTS[split]}.")
    _note_lost_apostrophes(table, [row["Utterance"] for row in labelled.values()], notes)
    recordings = _recordings(folders)
    _note_twins(folders, recordings, notes)
    folder = next((folder for folder in folders if folder.is_dir()), folders[0])
    there: list[Utterance] = []
    missing: list[Utterance] = []
    for id, row in labelled.items():
        stem = id.removeprefix(f"{split}_")
        if id in WITHOUT_CLIP:
            notes.append(f"{_CORPUS}: the release has no sound of {id}; left out.")
            continue
        transcript = plain(row["Utterance"])
        utterance = Utterance(
            id=id,
            audio=recordings.get(stem, folder / f"{stem}.wav"),
            transcript=transcript,
            emotion=EMOTION_OF_WORD[row["Emotion"].lower()],
            speaker=plain(row["Speaker"]),
            script=normalised(transcript) or id,
            part=part_named(split),
        )
        (there if stem in recordings else missing).append(utterance)
    return there, missing


def _note_twins(folders: list[pathlib.Path], recordings: dict[str, pathlib.Path], notes: list[str]) -> None:
    """Says how many recordings lie there in another version, which is not read."""
    stems = {path.stem for folder in folders for path in layout.files_in(folder, *_AUDIO, ".mp4")}
    twins = sorted(stem for stem in stems if stem.startswith(_TWIN) and stem.removeprefix(_TWIN) in recordings)
    if twins:
        other = recordings[twins[0].removeprefix(_TWIN)].name
        count = counted(len(twins), "recording has another version", "recordings have another version")
        notes.append(
            f"{_CORPUS}: {count} beside it, named {_TWIN}…, which some take for the right one; the plain name is read. "
            f"The first is {twins[0]}, beside {other}."
        )


def _note_lost_apostrophes(table: pathlib.Path, words: Sequence[str], notes: list[str]) -> None:
    lost = [each for each in words if _LOST.search(each)]
    if lost:
        count = sum(len(_LOST.findall(each)) for each in lost)
        were = counted(count, "apostrophe that was a question mark is", "apostrophes that were question marks are")
        notes.append(f"{table}: {were} put back; the first: {plain(lost[0])!r}.")


def _labelled(split: str, table: pathlib.Path, notes: list[str]) -> dict[str, dict[str, str]]:
    """The rows of a table by id, in its order."""
    labelled: dict[str, dict[str, str]] = {}
    line_of: dict[str, int] = {}
    for line, row in layout.rows(table, layout.read_text(table, notes, fallback="cp1252"), _COLUMNS):
        for column in "Dialogue_ID", "Utterance_ID":
            if not _NUMBER.fullmatch(row[column]):
                raise TfcrError(f"{table}, line {line}: {column} is {row[column]!r}; expected a number")
        if row["Emotion"].lower() not in EMOTION_OF_WORD:
            words = ", ".join(EMOTION_OF_WORD)
            raise TfcrError(f"{table}, line {line}: Emotion is {row['Emotion']!r}; expected one of {words}")
        if not plain(row["Speaker"]):
            raise TfcrError(f"{table}, line {line}: Speaker is empty; expected a name in every row")
        id = f"{split}_dia{int(row['Dialogue_ID'])}_utt{int(row['Utterance_ID'])}"
        if id in labelled:
            raise TfcrError(
                f"{table}, line {line}: {id} stands in line {line_of[id]} already; expected one row of each"
            )
        labelled[id], line_of[id] = row, line
    return labelled


def _folders(root: pathlib.Path, split: str) -> list[pathlib.Path]:
    """Where recordings of the split may lie, likelier folders first."""
    clips = CLIPS[split]
    return [place for top in _tops(root) for place in (top / clips, top / split / clips, top / split)]


def _recordings(folders: list[pathlib.Path]) -> dict[str, pathlib.Path]:
    """Name without suffix → file; of two, the one in the likelier folder, and WAV before the other formats."""
    found: dict[str, pathlib.Path] = {}
    for folder in folders:
        for path in sorted(layout.files_in(folder, *_AUDIO), key=lambda path: _AUDIO.index(path.suffix.lower())):
            found.setdefault(path.stem, path)
    return found


def _extraction(missing: list[Utterance]) -> str:
    """How to extract the missing recordings whose clips are there."""
    clips = [utterance.audio.parent for utterance in missing if utterance.audio.with_suffix(".mp4").is_file()]
    if not clips:
        return ""
    folders = " ".join(f"{shlex.quote(str(folder))}/dia*.mp4" for folder in dict.fromkeys(clips))
    command = f'for clip in {folders}; do ffmpeg -nostdin -n -i "$clip" -vn -ac 1 -ar 16000 "${{clip%.mp4}}.wav"; done'
    return f". Of {len(clips)} the clip is there; extract the sound by `{command}`"
