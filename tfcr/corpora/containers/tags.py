"""What taggers put before, between and behind streams: ID3v2, ID3v1, APEv2, Lyrics3, and zeros that fill up."""

from tfcr.corpora.containers.source import Source

_ID3_HEADER = 10  # bytes
_ID3_FOOTER = 0x10  # a flag
_ID3_LIMIT = 1 << 28  # bytes; its length has 28 bits
_ID3_LEAST = 64  # bytes; of a smaller one mpg123 complains
_ID3V1 = {b"TAG+": 227, b"TAG": 128}  # bytes
_APE_HEADER = 32  # bytes; the length in it does not count it
_LYRICS_LIMIT = 1 << 16  # bytes
_LYRICS_ENDS = (b"LYRICS200", b"LYRICSEND")
_ZEROS = 1 << 12  # looked at at a time


def behind(source: Source, position: int) -> int:
    """Where what is no tag begins, at `position` or behind the tags that stand there."""
    while length := _length(source, position):
        position += length
    return min(position, source.size)


def id3(length: int) -> bytes:
    """An ID3v2 tag of nothing but zeros, of at least so many bytes."""
    sizes = [max(_ID3_LEAST, min(left, _ID3_LIMIT - 1)) for left in range(length, 0, 1 - _ID3_LIMIT)]
    return b"".join(b"ID3\x04\0\0" + _synchsafe(size) + bytes(size) for size in sizes)


def _synchsafe(number: int) -> bytes:
    """28 bits in four bytes, of which the highest bit is 0 (ID3v2.4.0, Sec. 6.2)."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _length(source: Source, position: int) -> int:
    head = source.read(position, position + _APE_HEADER)
    if head.startswith(b"ID3") and len(head) >= _ID3_HEADER:
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        return _ID3_HEADER + size + (_ID3_HEADER if head[5] & _ID3_FOOTER else 0)
    if head.startswith(b"APETAGEX") and len(head) == _APE_HEADER:
        return _APE_HEADER + int.from_bytes(head[12:16], "little")
    if head.startswith(b"LYRICSBEGIN"):
        text = source.read(position, position + _LYRICS_LIMIT)
        ends = [text.find(end) + len(end) for end in _LYRICS_ENDS if end in text]
        return min(ends, default=0)
    for magic, length in _ID3V1.items():
        if head.startswith(magic):
            return length
    zeros = source.read(position, position + _ZEROS) if head.startswith(b"\0") else b""
    return len(zeros) - len(zeros.lstrip(b"\0"))
