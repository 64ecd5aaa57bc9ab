"""A recording's file, of which no more is read than is asked for, and the streams of sound that are found in it."""

import io
import pathlib
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from tfcr.errors import TfcrError


@dataclass(frozen=True)
class Stream:
    """One of the streams of sound that a file consists of.

    Attributes:
        content: a file of this stream alone, of which libsndfile decodes all; None for the file itself, as it is.
        is_promised: whether as many samples have to be there as libsndfile reads from the header. Else that number is
            an estimate, and what can be decoded is all.
    """

    content: bytes | None = None
    is_promised: bool = True


class Source:
    """The bytes of a recording.

    Args:
        path: of its file, for messages.
        file: where they are read from.
        size: their number.
        is_part: whether they are only a part of the file, or were taken out of it.
    """

    def __init__(self, path: pathlib.Path, file: BinaryIO, size: int, is_part: bool = False):
        self.path = path
        self.file = file
        self.size = size
        self.is_part = is_part

    def read(self, start: int, end: int) -> bytes:
        self.file.seek(start)
        return self.file.read(max(0, end - start))

    @cached_property
    def content(self) -> bytes:
        return self.read(0, self.size)

    def part(self, content: bytes) -> "Source":
        """What lies within, as a recording of its own."""
        return Source(self.path, io.BytesIO(content), len(content), is_part=True)

    def stream(self, start: int, end: int) -> Stream:
        """A stream that has just these bytes."""
        is_all = (start, end) == (0, self.size) and not self.is_part
        return Stream() if is_all else Stream(self.read(start, end))

    def fault(self, what: str) -> TfcrError:
        """What is wrong, as the rest of a sentence that begins with the path."""
        return TfcrError(f"{self.path}{what}")
