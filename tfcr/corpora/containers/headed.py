"""NIST SPHERE and AU: a header, and samples up to the end. libsndfile does not ask how many there should be."""

import re
from typing import Literal

from tfcr.corpora.containers.source import Source, Stream

SPHERE_MAGIC = rb"NIST_1A\n(?= *[0-9]+ *\n)[ 0-9]{7}\n"
AU_MAGIC = rb"\.snd\0\0|dns\.[^\0].\0\0"

_UNKNOWN = 0xFFFFFFFF  # an AU length that nobody knew
_FIELD = re.compile(rb"^(\w+) -[irs]\d* (.*?) *$", re.MULTILINE)
_PACKED = re.compile("shorten|wavpack|shortpack")


def sphere_streams(source: Source, start: int) -> tuple[list[Stream], int]:
    """The recording of a corpus by NIST or LDC that begins at `start`, and where it ends.

    Raises:
        TfcrError: it is compressed, or samples are missing.
    """
    size = int(source.read(start + 8, start + 15))
    fields = {
        name.decode(): value.decode("latin-1") for name, value in _FIELD.findall(source.read(start, start + size))
    }
    packed = _PACKED.search(fields.get("sample_coding", ""))
    if packed:
        raise source.fault(
            f" is a NIST SPHERE recording compressed by {packed[0]}; expected one that is not: expand it, say with "
            "`sph2pipe -f wav`"
        )
    numbers = [fields.get(name, "") for name in ("sample_count", "sample_n_bytes", "channel_count")]
    if not all(number.isdecimal() for number in numbers):
        return [source.stream(start, source.size)], source.size
    count, width, channels = map(int, numbers)
    return _streams(source, start, start + size, count * width * channels)


def au_streams(source: Source, start: int) -> tuple[list[Stream], int]:
    """The stream that begins at `start`, and where it ends.

    Raises:
        TfcrError: samples are missing.
    """
    head = source.read(start, start + 12)
    order: Literal["big", "little"] = "big" if head.startswith(b".snd") else "little"
    begin, promised = (int.from_bytes(head[place : place + 4], order) for place in (4, 8))
    if promised not in (0, _UNKNOWN):
        return _streams(source, start, start + begin, promised)
    content = head[:8] + _UNKNOWN.to_bytes(4, order) + source.read(start + 12, source.size)
    return [source.stream(start, source.size) if promised else Stream(content)], source.size


def _streams(source: Source, start: int, begin: int, promised: int) -> tuple[list[Stream], int]:
    there = max(0, source.size - begin)
    if promised > there and promised - there != begin - start:  # else its writer counted the header too
        raise source.fault(f" is cut short: its header promises {promised - there} bytes more; copy it again")
    end = begin + min(promised, there)
    return [source.stream(start, end)], end
