"""MPEG audio: MP3 and its elder layers, as a file or inside a WAV file, one stream or several behind one another.

libsndfile decodes as many frames as a tag in the first one says, and without it as many as the size of the file and the
first bit rate let expect. So the frames are counted here. A stream whose first frame does not tell their right number
gets an empty ID3 tag behind it: the more bytes, the more is expected, and what is there is decoded to its end.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tfcr.corpora.containers import tags
from tfcr.corpora.containers.source import Source, Stream

_HEADER = 4  # bytes
_SEARCHED = 1 << 17  # bytes in which the first frame is looked for
_IN_A_ROW = 4  # frames that are no chance

# ISO/IEC 11172-3 and 13818-3, Sec. 2.4.2.3. By version: 0 is MPEG 2.5, 2 is MPEG 2, 3 is MPEG 1.
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # Hz
_HALF = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)  # kbit/s, of layers II and III beyond MPEG 1
_BIT_RATES = {  # kbit/s, by whether it is MPEG 1, and by layer
    (True, 1): tuple(range(32, 449, 32)),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): _HALF,
    (False, 3): _HALF,
}


@dataclass(frozen=True)
class _Frame:
    """Attributes:
    kind: version, layer, rate and whether it is mono; of a stream all frames have the same.
    size: bytes.
    promised: the number of frames in its tag, and then it has no sound; None without one.
    """

    kind: tuple
    size: int
    promised: int | None = None


@dataclass
class _Run:
    """Frames that follow each other, and the first of them may tell how many."""

    first: _Frame
    start: int
    end: int
    frames: int


def distance(source: Source, start: int) -> int | None:
    """How many bytes from there frames begin, say behind the end of one that is cut; None where none are near."""
    return _next_frames(source.read(start, start + _SEARCHED), 0)


def streams(
    source: Source, start: int, next_container: Callable[[int], int | None] = lambda position: None
) -> tuple[list[Stream], int]:
    """The streams from `start` on, and where they end.

    Args:
        next_container: where, from a place on, another container begins; None where none does.

    Raises:
        TfcrError: bytes between two frames are neither a frame nor a tag.
    """
    content = source.content
    runs: list[_Run] = []
    position, is_apart = start, False
    if _frame(content, start) is None:
        position += _next_frames(content[start : start + _SEARCHED], 0) or 0
    while position < source.size:
        frame = _frame(content, position)
        if frame is not None and position + frame.size <= source.size:
            if not runs or is_apart or frame.promised is not None or frame.kind != runs[-1].first.kind:
                runs.append(_Run(frame, position, position, 0))
            position += frame.size
            runs[-1].end, is_apart = position, False
            runs[-1].frames += frame.promised is None
        elif content[position] and (next_position := tags.behind(source, position)) > position:
            position, is_apart = next_position, True
        else:
            lost, other = _next_frames(content, position), next_container(position)
            if lost is not None and (other is None or lost < other):
                raise source.fault(
                    f" is damaged: {lost - position} bytes at byte {position} are no frame of its MPEG stream; copy it "
                    "again or encode it again"
                )
            break
    found = [_stream(source, run) for run in runs if run.frames or run.first.promised]
    return (found, runs[-1].end) if found else ([source.stream(start, source.size)], source.size)


def _stream(source: Source, run: _Run) -> Stream:
    """A run as a file that is decoded to its end."""
    promised = run.first.promised
    if promised is not None and run.frames <= promised + 2:  # an encoder may leave its own first and last one out
        return source.stream(run.start, run.end)
    start = run.start + (0 if promised is None else run.first.size)
    content = source.read(start, run.end)
    expected = run.frames * ((_frame(content, 0) or run.first).size + 1)
    return Stream(content + tags.id3(max(0, expected - len(content))), is_promised=False)


def _next_frames(content: bytes, position: int) -> int | None:
    """Where the next frames begin, of which several follow each other, or all that are left; None without any."""
    while (position := content.find(b"\xff", position)) >= 0:
        end, in_a_row = position, 0
        while in_a_row < _IN_A_ROW and (frame := _frame(content, end)) is not None:
            end, in_a_row = end + frame.size, in_a_row + 1
        if in_a_row == _IN_A_ROW or (in_a_row > 1 and len(content) - _HEADER < end <= len(content)):
            return position
        position += 1
    return None


def _frame(content: bytes, position: int) -> _Frame | None:
    """The frame that begins at `position`; None where there is none."""
    header = content[position : position + _HEADER]
    if len(header) < _HEADER or header[0] != 0xFF or header[1] >> 5 != 7:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate, padding = header[2] >> 4, header[2] >> 2 & 3, header[2] >> 1 & 1
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    is_first = version == 3
    bits_per_second = 1000 * _BIT_RATES[is_first, layer][bit_rate - 1]
    hertz, is_mono = _RATES[version][rate], header[3] >> 6 == 3
    if layer == 1:
        size = 4 * (12 * bits_per_second // hertz + padding)
    else:
        samples = 576 if layer == 3 and not is_first else 1152
        size = samples // 8 * bits_per_second // hertz + padding
    promised = _promised(content, position, header, is_first, is_mono) if layer == 3 else None
    return _Frame((version, layer, rate, is_mono), size, promised)


def _promised(content: bytes, position: int, header: bytes, is_first: bool, is_mono: bool) -> int | None:
    """The number of frames in a tag: Xing's, which others took over, or the one of Fraunhofer's encoders."""
    begin = position + _HEADER
    if content[begin + 32 : begin + 36] == b"VBRI":
        return int.from_bytes(content[begin + 46 : begin + 50], "big")
    begin += 0 if header[1] & 1 else 2  # behind a checksum, if there is one
    tag = begin + ((17 if is_mono else 32) if is_first else (9 if is_mono else 17))
    if any(content[begin:tag]) or content[tag : tag + 4] not in (b"Xing", b"Info"):
        return None
    if not int.from_bytes(content[tag + 4 : tag + 8], "big") & 1:
        return None
    return int.from_bytes(content[tag + 8 : tag + 12], "big")
