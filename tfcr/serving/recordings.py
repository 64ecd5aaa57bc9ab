"""What is to be predicted: recordings by file, folder or manifest, and their words. No TensorFlow."""

import os
import pathlib
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tfcr.corpora import manifest
from tfcr.errors import TfcrError, UsageError
from tfcr.preparation.transcripts import read_transcripts

SUFFIXES = (
    ".wav",
    ".flac",
    ".ogg",
    ".mp3",
    ".opus",
    ".oga",
    ".mp2",
    ".aif",
    ".aiff",
    ".aifc",
    ".au",
    ".caf",
    ".w64",
    ".sph",
)  # what is looked for in a folder; a file may have any name


@dataclass(frozen=True)
class Recording:
    """One recording and what is said in it.

    Attributes:
        id: of the manifest; else the path as it was named.
        other_names: that it has where the id is a path.
        shared: those of its names by which another recording is called, too.
    """

    id: str
    path: pathlib.Path
    transcript: str = ""
    other_names: tuple[str, ...] = ()
    shared: frozenset[str] = frozenset()

    @property
    def names(self) -> list[str]:
        """What it may be called by in a file of transcripts or features, composed as their ids are."""
        return list(dict.fromkeys(unicodedata.normalize("NFC", name) for name in (self.id, *self.other_names)))

    def check_own(self, name: str, file: str) -> None:
        """Refuses a name in a file that may mean another recording.

        Raises:
            TfcrError: it does.
        """
        if name in self.shared:
            raise TfcrError(
                f"{file} has {name!r}, which names {self.path} and another recording; expected one name for each: "
                "its path as it is given here, or an id of a manifest"
            )


def find_recordings(
    paths: Sequence[pathlib.Path], transcript: str | None = None, transcripts: pathlib.Path | None = None
) -> list[Recording]:
    """The recordings at `paths`, in their order.

    Args:
        paths: files; folders, whose recordings are taken by their ending, also from folders within; a
            `manifest.csv`, or the folder that has one.
        transcript: the words of the one recording that there is.
        transcripts: a CSV file with the columns id and transcript. The id is the manifest's, or, without one, a file's
            path, name or name without ending. What it leaves out keeps the manifest's words, or none.

    Raises:
        UsageError: two sources of words, or one transcript for several recordings.
        TfcrError: a folder without recordings, a manifest or a file of transcripts that is broken, or a name in the
            latter that several recordings have.
    """
    if transcript is not None and transcripts is not None:
        raise UsageError("--transcript and --transcripts contradict each other; give one of them")
    found = _with_shared_names([recording for path in paths for recording in _at(path)])
    if transcript is not None:
        if len(found) != 1:
            raise UsageError(f"--transcript says the words of one recording; here are {len(found)}: use --transcripts")
        return [replace(found[0], transcript=unicodedata.normalize("NFC", transcript))]
    if transcripts is not None:
        words = read_transcripts(transcripts).words
        known = [_words(recording, words, f"--transcripts {transcripts}") for recording in found]
        if all(each is None for each in known):
            raise TfcrError(
                f"--transcripts {transcripts} has no id of any recording, such as {found[0].id!r}; expected a "
                "manifest's id, or a file's path, name or name without ending"
            )
        return [
            recording if each is None else replace(recording, transcript=each)
            for recording, each in zip(found, known, strict=True)
        ]
    return found


def _at(path: pathlib.Path) -> list[Recording]:
    if path.name == manifest.FILE_NAME or (path / manifest.FILE_NAME).is_file():
        utterances = manifest.read(path.parent if path.name == manifest.FILE_NAME else path).utterances
        return [Recording(each.id, each.audio, each.transcript) for each in utterances]
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file())
        if not files:
            raise TfcrError(f"{path} has no recordings; expected files that end in {', '.join(SUFFIXES)}")
        return [_of_file(each) for each in files]
    return [_of_file(path)]


def _of_file(path: pathlib.Path) -> Recording:
    return Recording(str(path), path, other_names=(path.name, path.stem))


def _with_shared_names(recordings: Sequence[Recording]) -> list[Recording]:
    """The recordings, each with the names that it shares; what is the id of one means that one alone."""
    by_id: defaultdict[str, set[str]] = defaultdict(set)
    by_name: defaultdict[str, set[str]] = defaultdict(set)
    for recording in recordings:
        place = os.path.realpath(recording.path)  # one that is given twice is one recording
        by_id[recording.names[0]].add(place)
        for name in recording.names:
            by_name[name].add(place)

    def shared(id: str, *other_names: str) -> frozenset[str]:
        ids = [id] if len(by_id[id]) > 1 else []
        return frozenset(ids + [name for name in other_names if len(by_name[name]) > 1])

    return [replace(recording, shared=shared(*recording.names)) for recording in recordings]


def _words(recording: Recording, words: dict[str, str], file: str) -> str | None:
    """The words of a recording in a file, or None."""
    name = next((name for name in recording.names if name in words), None)
    if name is None:
        return None
    recording.check_own(name, file)
    return words[name]
