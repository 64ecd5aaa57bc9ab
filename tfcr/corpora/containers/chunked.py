"""WAV, RF64, Wave64, AIFF and CAF: files of chunks, each with its name and length, of which one holds the samples.

libsndfile returns what is there, however much the header promises; takes a length of 0 at its word, which stands in a
file that was written to a pipe; and reads what others put behind a file as samples or as faults.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tfcr.corpora.containers import mpeg
from tfcr.corpora.containers.source import Source, Stream

_TRIFLE = 128  # bytes, 4 ms, by which a length may be wrong in a file that is whole

_LENGTHS = 8  # bytes of a file's first name and length
_GUID_TAIL = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"  # of Wave64's names
_DS64 = 8  # where a chunk ds64 has the length of the samples (EBU Tech 3306), behind that of the file
_UNSET = 0xFFFFFFFF  # in its place, where ds64 has the length
_STREAMED_64 = 1 << 62  # a length of eight bytes from which on it is none
_MPEG_TAGS = (0x50, 0x55)  # of a WAV's format: layers I and II, and layer III


@dataclass(frozen=True)
class _Form:
    """How a container writes its chunks.

    Attributes:
        begins: how a file begins.
        head: bytes before the first chunk.
        order: of the bytes of a length.
        name: bytes of a chunk's name.
        length: bytes of a chunk's length.
        included: whether name and length count in it.
        align: where chunks begin: at multiples of so many bytes.
        samples: the name of the chunk with the samples.
        lead: bytes in it before the samples.
        streamed: a length of four bytes from which on it says that nobody knew it.
    """

    begins: re.Pattern
    head: int
    order: Literal["big", "little"]
    name: int
    length: int
    included: bool
    align: int
    samples: bytes
    lead: int
    streamed: int


def _form(begins: bytes, head=12, order="big", name=4, length=4, included=False, align=2, samples=b"data", lead=0,
          streamed=0x7FFFF000) -> _Form:  # fmt: skip
    return _Form(re.compile(begins, re.DOTALL), head, order, name, length, included, align, samples, lead, streamed)


_RIFF = _form(rb"(RIFF|RF64)....WAVE", order="little")
_RIFX = _form(rb"RIFX....WAVE")
_W64 = _form(
    rb"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0........wave" + re.escape(_GUID_TAIL),
    head=40, order="little", name=16, length=8, included=True, align=8, samples=b"data" + _GUID_TAIL,
)  # fmt: skip
_AIFF = _form(rb"FORM....AIF[FC]", samples=b"SSND", lead=8, streamed=0x7F000000)  # SoX's are above that
_CAF = _form(rb"caff\0\x01\0\0", head=8, length=8, align=1, lead=4)
_FORMS = (_RIFF, _RIFX, _W64, _AIFF, _CAF)

MAGIC = b"|".join(form.begins.pattern for form in _FORMS)
_LONGEST_MAGIC = 40  # bytes


@dataclass(frozen=True)
class _Chunk:
    """A chunk: its name, where its content begins, and its length without name and length."""

    name: bytes
    start: int
    length: int


def streams(source: Source, start: int) -> tuple[list[Stream], int]:
    """The stream that begins at `start`, with as many samples as are there, and where it ends.

    Raises:
        TfcrError: samples are missing, or some are there that its header knows nothing of.
    """
    form = next(form for form in _FORMS if form.begins.match(source.read(start, start + _LONGEST_MAGIC)))
    chunks = list(_chunks(source, start, form))
    data = next((chunk for chunk in chunks if chunk.name == form.samples), None)
    if data is None:
        return [source.stream(start, source.size)], source.size  # libsndfile says what is missing
    place, length, promised = _promised(source, form, chunks, data)
    begin, there = data.start + form.lead, source.size - data.start - form.lead
    streamed = form.streamed if length == 4 else _STREAMED_64
    if promised >= streamed or (promised <= 0 < there and not _only_chunks(source, data.start + form.lead, form)):
        end = _next_file(source, begin, form)
    elif promised > there and not _is_miscounted(source, start, begin, promised - there, form):
        raise source.fault(f" is cut short: its header promises {promised - there} bytes more; copy it again")
    else:
        end = min(source.size, begin + promised)
        _refuse_lost(source, start, end, promised, form)
        _refuse_another_within(source, begin, end, form)
    if _is_mpeg(source, form, chunks):
        inner = source.part(source.read(begin, end))
        return mpeg.streams(inner, 0)[0], end
    if end - begin == max(0, promised):
        end = max(end, _end_of_file(source, start, form))
        return [source.stream(start, end)], end
    content = bytearray(source.read(start, end))
    _write(content, place - start, length, form, end - begin + form.lead)
    if form is _W64:  # libsndfile compares
        content[16:24] = len(content).to_bytes(8, "little")
    return [Stream(bytes(content))], end


def _chunks(source: Source, start: int, form: _Form) -> Iterator[_Chunk]:
    """From the first one to the one with the samples."""
    position, head = start + form.head, form.name + form.length
    while position + head <= source.size:
        content = source.read(position, position + head)
        length = int.from_bytes(content[form.name :], form.order) - (head if form.included else 0)
        chunk = _Chunk(content[: form.name], position + head, length)
        yield chunk
        if chunk.name == form.samples or length < 0:
            return
        end = chunk.start + length - start
        position = start + end + -end % form.align


def _promised(source: Source, form: _Form, chunks: list[_Chunk], data: _Chunk) -> tuple[int, int, int]:
    """Where the length of the samples stands, in how many bytes, and how many bytes of samples it promises."""
    ds64 = next((chunk for chunk in chunks if chunk.name == b"ds64"), None)
    if ds64 is not None and data.length == _UNSET:
        place = ds64.start + _DS64
        promised = int.from_bytes(source.read(place, place + 8), "little")
        return place, 8, promised
    return data.start - form.length, form.length, data.length - form.lead


def _write(content: bytearray, place: int, size: int, form: _Form, length: int) -> None:
    included = form.name + form.length if form.included else 0
    content[place : place + size] = (length + included).to_bytes(size, form.order)


def _end_of_file(source: Source, start: int, form: _Form) -> int:
    """Where the file ends by its first length, if it is one of those that have it and it can be."""
    if form.head != _RIFF.head:
        return 0
    end = start + _LENGTHS + int.from_bytes(source.read(start + 4, start + 8), form.order)
    return end if end <= source.size else 0


def _is_miscounted(source: Source, start: int, begin: int, missing: int, form: _Form) -> bool:
    """Whether it is a length that is wrong, not the file that is cut.

    Either its writer counted the header, or a part of it, among the samples; or the file is as long as it says itself.
    """
    header = begin - start
    if missing in (header, header - _LENGTHS, _LENGTHS):
        return True
    return missing <= _TRIFLE and 0 <= source.size - _end_of_file(source, start, form) <= 1


def _next_file(source: Source, begin: int, form: _Form) -> int:
    """Where samples end that nobody counted: where another file of the kind begins, or at the end."""
    match = form.begins.search(source.content, begin)
    return source.size if match is None else match.start()


def _refuse_lost(source: Source, start: int, end: int, promised: int, form: _Form) -> None:
    """Refuses bytes behind the samples, within the file by its first length, that are no chunk."""
    if form.head != _RIFF.head or promised <= 0 or _end_of_file(source, start, form) != source.size:
        return
    if end < source.size and not _chunk_begins(source, end):
        raise source.fault(
            f": its header says {promised} bytes of samples, yet {source.size - end} bytes follow that are no chunk; "
            "copy it again"
        )


def _refuse_another_within(source: Source, begin: int, end: int, form: _Form) -> None:
    """Refuses samples among which another file begins, of which so more follows: this one lacks a part."""
    if end < source.size and (match := form.begins.search(source.read(begin, end + _LONGEST_MAGIC))):
        missing = end - begin - match.start()
        if missing > 0:
            raise source.fault(f" is cut short: {missing} bytes before another recording begins in it; copy it again")


def _chunk_begins(source: Source, position: int) -> bool:
    """Whether the name of a chunk, nothing or zeros stand there, or one byte later, for lengths are made even."""
    start = source.read(position, position + 5)
    names = (name.strip(b"\0") for name in (start[:4], start[1:]))
    return any(name.isascii() and name.decode("ascii").isprintable() for name in names)


def _only_chunks(source: Source, position: int, form: _Form) -> bool:
    """Whether nothing but chunks follows, up to the end."""
    head = form.name + form.length
    while position + head <= source.size:
        content = source.read(position, position + head)
        name = content[:4]
        if not (name.isascii() and name.decode("ascii").isprintable()):
            return False
        length = int.from_bytes(content[form.name :], form.order) - (head if form.included else 0)
        if length < 0:
            return False
        position += head + length + length % 2
    return source.size <= position <= source.size + 1


def _is_mpeg(source: Source, form: _Form, chunks: list[_Chunk]) -> bool:
    """Whether the samples of a WAV file are those of an MP3 file, or of the elder layers."""
    if form not in (_RIFF, _RIFX):
        return False
    tags = [source.read(chunk.start, chunk.start + 2) for chunk in chunks if chunk.name == b"fmt "]
    return bool(tags) and int.from_bytes(tags[0], form.order) in _MPEG_TAGS
