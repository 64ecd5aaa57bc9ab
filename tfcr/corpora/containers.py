"""What libsndfile passes over in silence: recordings that are cut, damaged, or lie about their length."""

import pathlib
import zlib
from typing import BinaryIO, Literal

import soundfile

EXPECTED = "expected a WAV, FLAC, OGG or MP3 recording"

_CONTAINERS = ("WAV", "WAVEX", "FLAC", "OGG", "MP3")  # as libsndfile calls them; WAVEX is a WAV's longer header
_STREAMED = 0x7FFFF000  # bytes; writers to a pipe, which cannot go back to fill in the length, put this or more
_RATES = (1_000, 1_000_000)  # Hz; what lies outside is a broken header

_OGG_HEADER = 27  # bytes, then a table of segment lengths (RFC 3533, Sec. 6)
_OGG_END_OF_STREAM = 4  # a flag of the sixth byte
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # every byte, its last bit first

# Layer III (ISO/IEC 11172-3 and 13818-3, Sec. 2.4.2.3), by version: 0 is MPEG 2.5, 2 is MPEG 2, 3 is MPEG 1.
_MP3_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # Hz
_MP3_BIT_RATES = {  # kbit/s
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_FRAME = {3: 1152, 2: 576, 0: 576}  # samples


def fault(path: pathlib.Path, size: int, recording: soundfile.SoundFile) -> str | None:
    """What libsndfile passes over in silence, as the rest of a sentence that begins with the path."""
    if recording.format not in _CONTAINERS:
        return f" is a file of format {recording.format}; {EXPECTED}"
    if not _RATES[0] <= recording.samplerate <= _RATES[1]:
        return f" has a rate of {recording.samplerate} Hz; expected one from {_RATES[0]} to {_RATES[1]}"
    if recording.format == "OGG":
        return _ogg_fault(path.read_bytes())
    if recording.format == "MP3":
        return _mp3_fault(path.read_bytes(), recording.frames)
    promised, there, lost = _wav_data(path, size)
    if lost:
        return (
            f": its header says {promised} bytes of samples, yet {lost} bytes follow that are no chunk; copy it again"
        )
    if there < promised < _STREAMED:
        return f" is cut short: its header promises {promised - there} bytes more; copy it again"
    if promised == 0 < there:
        return (
            f": its header says 0 samples, yet {there} bytes follow; if it was written to a pipe, rewrite it, say with "
            "`sox --ignore-length`"
        )
    if recording.frames == 0:
        return f" holds no samples; {EXPECTED}"
    return None


def _wav_data(path: pathlib.Path, size: int) -> tuple[int, int, int]:
    """How many bytes of samples a WAV file promises, how many bytes follow, and how many of them belong to nothing.

    The last number is of bytes within the length in the file's first bytes, so not of what others put behind it.
    All are 0 for other files.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] not in (b"RIFF", b"RIFX") or head[8:] != b"WAVE":
            return 0, 0, 0
        order: Literal["big", "little"] = "big" if head[:4] == b"RIFX" else "little"
        position = 12
        while position + 8 <= size:
            file.seek(position)
            chunk = file.read(8)
            length = int.from_bytes(chunk[4:], order)
            position += 8
            if chunk[:4] == b"data":
                end = position + length
                within = int.from_bytes(head[4:8], order) + 8 == size
                lost = size - end if length and within and not _chunk_begins(file, end) else 0
                return length, size - position, lost
            position += length + length % 2
    return 0, 0, 0


def _chunk_begins(file: BinaryIO, position: int) -> bool:
    """Whether the name of a chunk, nothing or zeros stand there, or one byte later, for lengths are made even."""
    file.seek(position)
    start = file.read(5)
    names = (name.strip(b"\0") for name in (start[:4], start[1:]))
    return any(name.isascii() and name.decode("ascii").isprintable() for name in names)


def _ogg_fault(content: bytes) -> str | None:
    """What is wrong with the pages of an Ogg file; libsndfile leaves broken ones out, and their sound with them."""
    ends, position = False, 0
    while content.startswith(b"OggS", position):
        header = content[position : position + _OGG_HEADER]
        table = content[position + _OGG_HEADER :][: header[-1]]
        end = position + _OGG_HEADER + header[-1] + sum(table)
        if len(header) < _OGG_HEADER or end > len(content):
            ends = False
            break
        page = content[position:end]
        if int.from_bytes(page[22:26], "little") != _ogg_checksum(page[:22] + bytes(4) + page[26:]):
            return f" is damaged: the page of its Ogg stream at byte {position} has another checksum; copy it again"
        ends, position = bool(header[5] & _OGG_END_OF_STREAM), end
    return None if ends else " is cut short: the end of its Ogg stream is missing; copy it again"


def _ogg_checksum(page: bytes) -> int:
    """The CRC of RFC 3533, Sec. 6: zlib's with the bits in the other order, begun and ended without inversion."""
    reversed_crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(reversed_crc.to_bytes(4, "little").translate(_REVERSED), "big")


def _mp3_fault(content: bytes, declared: int) -> str | None:
    """Whether an MP3 file holds more frames than will be decoded.

    libsndfile decodes as many as a tag in the first frame says, and without it as many as the first bit rate lets
    expect. Counting ends where one frame does not follow the other, so there are never fewer than counted.
    """
    position = _mp3_start(content)
    promised, frames, size = None, 0, 1
    while frame := _mp3_frame(content, position):
        size = frame[0]
        if frames == 0 and promised is None and (promised := _mp3_promised(content, position)) is not None:
            frames -= 1  # the frame with the tag has no sound
        frames, position = frames + 1, position + frame[1]
    if promised is None:
        promised = declared // size
    if promised + 2 < frames:  # an encoder may leave its own first and last one out
        return (
            f" holds {frames} frames, yet {promised} by its first one, which is broken or lacks the number; "
            "copy it again or encode it again"
        )
    return f" holds no samples; {EXPECTED}" if declared == 0 else None


def _mp3_start(content: bytes) -> int:
    """Where the first frame begins: one that another follows, behind any ID3 tag."""
    position = 0
    if content.startswith(b"ID3") and len(content) > 10:
        size = 0
        for byte in content[6:10]:
            size = size << 7 | byte & 0x7F
        position = 10 + size
    while (position := content.find(b"\xff", position)) >= 0:
        frame = _mp3_frame(content, position)
        if frame and _mp3_frame(content, position + frame[1]):
            return position
        position += 1
    return len(content)


def _mp3_frame(content: bytes, position: int) -> tuple[int, int] | None:
    """The samples and bytes of the frame that begins at `position`; None where there is none."""
    header = content[position : position + 4]
    if len(header) < 4 or header[0] != 0xFF or header[1] >> 5 != 7 or (header[1] >> 1) & 3 != 1:
        return None
    version, bit_rate, rate = (header[1] >> 3) & 3, header[2] >> 4, (header[2] >> 2) & 3
    if version == 1 or bit_rate in (0, 15) or rate == 3:
        return None
    samples = _MP3_FRAME[version]
    bits_per_second = 1000 * _MP3_BIT_RATES[3 if version == 3 else 2][bit_rate - 1]
    padding = (header[2] >> 1) & 1
    return samples, samples // 8 * bits_per_second // _MP3_RATES[version][rate] + padding


def _mp3_promised(content: bytes, position: int) -> int | None:
    """The number of frames in the tag (Xing's, which others took over) of the first one; None without it."""
    header = content[position : position + 4]
    newest, mono = (header[1] >> 3) & 3 == 3, header[3] >> 6 == 3
    first = position + 4 + (0 if header[1] & 1 else 2)  # behind a checksum, if there is one
    tag = first + ((17 if mono else 32) if newest else (9 if mono else 17))
    if any(content[first:tag]) or content[tag : tag + 4] not in (b"Xing", b"Info"):
        return None
    if not int.from_bytes(content[tag + 4 : tag + 8], "big") & 1:
        return None
    return int.from_bytes(content[tag + 8 : tag + 12], "big")
