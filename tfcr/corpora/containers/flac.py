"""FLAC (RFC 9639), also one that was written to a pipe and so does not say how long it is."""

import re
from collections.abc import Iterator

from tfcr.corpora.containers.source import Source, Stream

MAGIC = rb"fLaC[\x00\x80]\x00\x00\x22"  # and the head of the first block, which has 34 bytes

_STREAMINFO = 8  # where that block begins
_STREAMINFO_LENGTH = 34  # bytes
_TOTAL = 13  # where in it the number of samples does: 4 bits and 4 bytes (Sec. 8.2)
_LAST_BLOCK = 0x80
_TAIL = 1 << 17  # bytes in which the last frame is looked for
_HEADER = 16  # bytes at most that a frame's header has
_FRAME = re.compile(rb"\xff[\xf8\xf9]")  # of blocks of one size, or of several
_CODED_RATES = {12: 1, 13: 2, 14: 2}  # code → bytes behind the number


def streams(source: Source, start: int, end: int) -> list[Stream]:
    """The stream from `start` to `end`, which says how many samples it has.

    Raises:
        TfcrError: it does not say so, and a part is missing.
    """
    head = source.read(start, start + _STREAMINFO + _STREAMINFO_LENGTH)
    if len(head) < _STREAMINFO + _STREAMINFO_LENGTH or _total(head):  # of a shorter one libsndfile says what it is
        return [source.stream(start, end)]
    content = bytearray(source.read(start, end))
    total = _counted(source, bytes(content), _frames_start(source, start) - start)
    place = _STREAMINFO + _TOTAL
    content[place : place + 5] = ((content[place] >> 4 << 36) + total).to_bytes(5, "big")
    return [Stream(bytes(content))]


def next_stream(source: Source, start: int) -> int:
    """Where another FLAC stream begins behind this one, or the end."""
    match = re.compile(MAGIC).search(source.content, _frames_start(source, start))
    return match.start() if match else source.size


def last_frame(source: Source, start: int, end: int) -> int:
    """Where the frame with the last samples begins; the first frame where that one cannot be found near the end."""
    head = source.read(start, start + _STREAMINFO + _STREAMINFO_LENGTH)
    first, total = _frames_start(source, start), _total(head)
    tail = max(first, end - _TAIL) if total else first
    last, samples = first, 0
    for place, sample, length in _frames(source.read(tail, end), 0, _block(head)):
        if sample + length == total:
            return tail + place
        if sample == samples:
            last, samples = tail + place, samples + length
    return first if total else last


def _frames_start(source: Source, start: int) -> int:
    """Where the first frame begins: behind the blocks of metadata."""
    position, is_last = start + 4, False
    while not is_last and position < source.size:
        head = source.read(position, position + 4)
        is_last = bool(head[0] & _LAST_BLOCK)
        position += 4 + int.from_bytes(head[1:], "big")
    return min(position, source.size)


def _total(head: bytes) -> int:
    place = _STREAMINFO + _TOTAL
    return int.from_bytes(head[place : place + 5], "big") & (1 << 36) - 1


def _counted(source: Source, content: bytes, position: int) -> int:
    """The samples of all frames; each says which its first one is."""
    total, beyond = 0, set()
    for _, first, length in _frames(content, position, _block(content)):
        if first == total:
            total += length
        elif first in beyond:  # two in a row are no chance
            raise source.fault(
                f" is damaged: frames are missing behind sample {total} of its FLAC stream; copy it again"
            )
        elif first > total:
            beyond.add(first + length)
    return total


def _block(head: bytes) -> int:
    """The samples of a frame, where all but the last one have as many."""
    return int.from_bytes(head[_STREAMINFO : _STREAMINFO + 2], "big")


def _frames(content: bytes, position: int, block: int) -> Iterator[tuple[int, int, int]]:
    """Where every frame begins, its first sample and how many it has; seldom also bytes that only look like one."""
    for match in _FRAME.finditer(content, position):
        first, length = _frame(content[match.start() : match.start() + _HEADER], block)
        if length:
            yield match.start(), first, length


def _frame(header: bytes, fixed: int) -> tuple[int, int]:
    """The first sample and the samples of the frame with this header; no samples where there is none (Sec. 9.1)."""
    nothing = (0, 0)
    if len(header) < 6 or header[3] & 1 or header[2] >> 4 == 0 or header[2] & 15 == 15:
        return nothing
    size, rate = header[2] >> 4, header[2] & 15
    ones = 8 - (header[4] ^ 0xFF).bit_length()  # before the first zero: as in UTF-8, how many bytes the number has
    if ones in (1, 8):
        return nothing
    number, end = header[4] & 0xFF >> ones + 1, 4 + max(1, ones)
    for byte in header[5:end]:
        if byte >> 6 != 2:
            return nothing
        number = number << 6 | byte & 0x3F
    extra = {6: 1, 7: 2}.get(size, 0)
    coded = int.from_bytes(header[end : end + extra], "big") + 1
    length = 192 if size == 1 else 576 << size - 2 if size < 6 else coded if size < 8 else 256 << size - 8
    end += extra + _CODED_RATES.get(rate, 0)
    if end >= len(header) or _crc8(header[:end]) != header[end]:
        return nothing
    return (number if header[1] & 1 else number * fixed), length


def _crc8(content: bytes) -> int:
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
    return crc
