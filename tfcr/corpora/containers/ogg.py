"""Ogg (RFC 3533): pages with checksums, and chains of streams; of Vorbis, Opus or FLAC, which may lie in it too.

libsndfile decodes the first stream of a chain, leaves broken pages out and their sound with them, and knows no FLAC in
Ogg: so every stream is taken out, and FLAC is unwrapped.
"""

import zlib
from dataclasses import dataclass

from tfcr.corpora.containers import flac
from tfcr.corpora.containers.source import Source, Stream

MAGIC = b"OggS\0\x02"  # the first page of a stream

_HEADER = 27  # bytes, then a table of segment lengths (Sec. 6)
_BEGINS, _ENDS = 2, 4  # flags of the sixth byte
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # every byte, its last bit first
_SOUND = (b"\x01vorbis", b"OpusHead", b"\x7fFLAC", b"Speex   ")  # how the first packet begins
_FLAC_HEAD = 9  # bytes before the native stream (RFC 9639, Sec. 10.1)


@dataclass(frozen=True)
class _Page:
    """Where it begins, its content and its end; the stream that it belongs to, and its flags."""

    start: int
    content: int
    end: int
    serial: bytes
    flags: int


def streams(source: Source, start: int) -> tuple[list[Stream], int]:
    """The streams of the chain that begins at `start`, and where it ends.

    Raises:
        TfcrError: a page is damaged, cut or missing, or several streams sound at once.
    """
    pages = _pages(source, start)
    links: list[list[_Page]] = []
    for page in pages:
        begins = bool(page.flags & _BEGINS)
        if not links or (begins and not links[-1][-1].flags & _BEGINS):
            links.append([])
        links[-1].append(page)
    return [stream for link in links for stream in _streams(source, link)], pages[-1].end


def _streams(source: Source, link: list[_Page]) -> list[Stream]:
    """The stream that sounds of those that lie side by side."""
    firsts = {page.serial: source.content[page.content : page.end] for page in reversed(link) if page.flags & _BEGINS}
    sounding = [serial for serial, first in firsts.items() if first.startswith(_SOUND)]
    if len(sounding) > 1:
        raise source.fault(
            f" holds {len(sounding)} streams that sound at the same time; expected one: take it out, say with ffmpeg"
        )
    chosen = sounding[0] if sounding else link[0].serial
    pages = [page for page in link if page.serial == chosen]
    if firsts.get(chosen, b"").startswith(b"\x7fFLAC"):
        native = b"".join(source.content[page.content : page.end] for page in pages)[_FLAC_HEAD:]
        return flac.streams(source.part(native), 0, len(native))
    if len(pages) == len(link):
        return [source.stream(link[0].start, link[-1].end)]
    return [Stream(b"".join(source.content[page.start : page.end] for page in pages))]


def _pages(source: Source, start: int) -> list[_Page]:
    """All pages that follow one another."""
    content, pages, position = source.content, [], start
    while content.startswith(b"OggS", position):
        header = content[position : position + _HEADER]
        segments = position + _HEADER
        table = content[segments : segments + header[-1]] if len(header) == _HEADER else b""
        begin = segments + len(table)
        end = begin + sum(table)
        if len(header) < _HEADER or len(table) < header[-1] or end > len(content):
            raise source.fault(" is cut short: the end of its Ogg stream is missing; copy it again")
        page = content[position:end]
        if int.from_bytes(page[22:26], "little") != _checksum(page[:22] + bytes(4) + page[26:]):
            raise source.fault(
                f" is damaged: the page of its Ogg stream at byte {position} has another checksum; copy it again"
            )
        pages.append(_Page(position, begin, end, header[14:18], header[5]))
        position = end
    more = content.find(b"OggS\0", position)
    is_another = more >= 0 and content.startswith(MAGIC, more)
    if position < len(content) and not is_another and (more >= 0 or not pages[-1].flags & _ENDS):
        raise source.fault(f" is damaged: at byte {position} a page of its Ogg stream is missing; copy it again")
    return pages


def _checksum(page: bytes) -> int:
    """The CRC of RFC 3533, Sec. 6: zlib's with the bits in the other order, begun and ended without inversion."""
    reversed_crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(reversed_crc.to_bytes(4, "little").translate(_REVERSED), "big")
