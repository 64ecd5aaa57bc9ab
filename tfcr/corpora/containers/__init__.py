"""What libsndfile passes over in silence: files of several streams, and those that are cut, damaged or wrong in length.

A file is told by its content, never by its name. Each container's own module finds where its streams begin and end and
refuses what is broken; what none of them knows is libsndfile's to judge.
"""

import pathlib
import re

import soundfile

from tfcr.corpora.containers import chunked, flac, headed, mpeg, ogg, tags
from tfcr.corpora.containers.source import Source, Stream

EXPECTED = "expected a WAV, FLAC, OGG or MP3 recording"  # what is common; more is read

# As libsndfile calls them; WAVEX is a WAV's longer header, RF64 and W64 (Wave64) are for files of more than 4 GB.
_CONTAINERS = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "NIST")
_RATES = (1_000, 1_000_000)  # Hz; what lies outside is a broken header

_MAGICS = (chunked.MAGIC, flac.MAGIC, re.escape(ogg.MAGIC), headed.SPHERE_MAGIC, headed.AU_MAGIC)
_MAGIC = re.compile(b"|".join(_MAGICS), re.DOTALL)
_LONGEST_MAGIC = 64  # bytes


def streams(path: pathlib.Path) -> list[Stream]:
    """The streams of sound of a file, in order: mostly one, which is the file itself.

    Raises:
        TfcrError: one is cut short, damaged or packed in a way that is not read.
    """
    with open(path, "rb") as file:
        source = Source(path, file, path.stat().st_size)
        found: list[Stream] = []
        position: int | None = tags.behind(source, 0)
        while position is not None:
            more, end = _at(source, position)
            found += more
            position = _next(source, end)
    _refuse_repeated(source, found)
    return found


def fault(recording: soundfile.SoundFile) -> str | None:
    """What is wrong with a header that libsndfile has read, as the rest of a sentence that begins with the path."""
    if recording.format not in _CONTAINERS:
        return f" is a file of format {recording.format}; {EXPECTED}"
    if not _RATES[0] <= recording.samplerate <= _RATES[1]:
        return f" has a rate of {recording.samplerate} Hz; expected one from {_RATES[0]} to {_RATES[1]}"
    return None


def _refuse_repeated(source: Source, found: list[Stream]) -> None:
    """Refuses what is twice the same: no recorder hears that, it is a copy that began anew."""
    if len({stream.content for stream in found}) < len(found):
        raise source.fault(" holds the same recording twice, one behind the other; copy it again")


def _at(source: Source, start: int) -> tuple[list[Stream], int]:
    """The streams of the container that begins there, and where it ends."""
    head = source.read(start, start + _LONGEST_MAGIC)
    if re.match(chunked.MAGIC, head, re.DOTALL):
        return chunked.streams(source, start)
    if re.match(flac.MAGIC, head, re.DOTALL):
        end = flac.next_stream(source, start)
        end = _next_magic(source, flac.last_frame(source, start, end), end) or end
        return flac.streams(source, start, end), end
    if head.startswith(ogg.MAGIC):
        return ogg.streams(source, start)
    if re.match(headed.SPHERE_MAGIC, head):
        return headed.sphere_streams(source, start)
    if re.match(headed.AU_MAGIC, head, re.DOTALL):
        return headed.au_streams(source, start)
    if mpeg.distance(source, start) is not None:
        return mpeg.streams(source, start, lambda position: _next_magic(source, position))
    return [Stream()], source.size  # libsndfile says what it is


def _next(source: Source, end: int) -> int | None:
    """Where the next container begins: behind tags or not, or behind bytes that belong to nothing; None if nowhere."""
    position = tags.behind(source, end)
    if position >= source.size:
        return None
    distance = mpeg.distance(source, position)
    if distance == 0:
        return position
    following = _next_magic(source, position)
    return position if following is None and distance is not None else following


def _next_magic(source: Source, start: int, end: int | None = None) -> int | None:
    """Where the first container between two places begins; None where none does."""
    content = source.read(start, source.size if end is None else end)
    match = _MAGIC.search(content)
    return start + match.start() if match else None
