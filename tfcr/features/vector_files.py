"""Files of pretrained word vectors: word2vec's binary and text formats, GloVe's and fastText's text; as they are, in
gzip, or in the zip archive they ship in.

gensim's `KeyedVectors.load_word2vec_format` cannot be told which words are wanted: it sets aside memory for all of them
(3.6 GB for Google News) and parses every number of a text file. Here a file streams by and the wanted vectors are kept.
What a file means is gensim's to say; the tests compare every format with its reader.
"""

import contextlib
import functools
import gzip
import io
import lzma
import pathlib
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from tfcr.errors import TfcrError
from tfcr.schema import EMBEDDING_DIM

FORMATS = "expected word2vec vectors (.bin or text), GloVe vectors (.txt) or fastText vectors (.vec)"

_DOWNLOAD_AGAIN = "download it again"
_VECTOR_BYTES = 4 * EMBEDDING_DIM
_LONGEST_LINE = 1 << 17  # bytes; ten times what 300 numbers take
_LONGEST_WORD = 1 << 16  # bytes; a longer one is no word
_BLOCK = 1 << 22  # bytes read at a time
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")  # the second one is empty
_OTHER_FORMATS = {
    b"\x80": "is a Python pickle, which is never opened; save gensim's vectors by save_word2vec_format",
    b"\x93NUMPY": "is a NumPy array, without words; save the vectors in word2vec's format",
    b"\xba\x16\x4f\x2f": "is a fastText model; pass the .vec file of the same vectors",
}
_DAMAGES = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # an encrypted archive, or one packed in a way that zipfile does not know
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)

_Open = Callable[[], Any]  # a stream of bytes
_Read = Callable[[str, BinaryIO, Any, Container[bytes]], dict[bytes, np.ndarray]]  # name, content, count, words


@dataclass(frozen=True)
class _Layout:
    """How vectors stand in a file.

    Attributes:
        binary: float32, little-endian; else decimal numbers, a word a line.
        width: numbers a word.
        count: words, by the header; None without one.
    """

    binary: bool
    width: int
    count: int | None


def read_vectors(path: pathlib.Path, words: Iterable[str]) -> dict[str, np.ndarray]:
    """Reads the vectors of `words`; of a word that stands twice the first one, as gensim does.

    The content decides the format, not the name: what gensim downloads is called `.gz` and nothing else.

    Returns:
        word → float32 [300] for the words that the file has, in the order of `words`.

    Raises:
        TfcrError: the file is damaged, has another format, another width than 300, numbers that are not finite, or a
            header that it does not keep.
    """
    wanted = {word.encode(): word for word in words}
    found = _read(path, wanted)
    return {word: found[form] for form, word in wanted.items() if form in found}


def first_vectors(path: pathlib.Path, count: int | None = None) -> dict[str, np.ndarray]:
    """Reads the first `count` words of a file and their vectors; without a number all. What is no UTF-8 is left out.

    Files of pretrained vectors begin with the most frequent words.

    Returns:
        word → float32 [300], in the order of the file.

    Raises:
        TfcrError: as `read_vectors`.
    """
    return {word.decode(): vector for word, vector in _read(path, _First(count)).items()}


class _First(Container[bytes]):
    """The words that are asked for first, as many as are wanted."""

    def __init__(self, count: int | None):
        self.left = count

    def __contains__(self, word: Any) -> bool:
        if self.left == 0:
            return False
        try:
            wanted = bool(bytes(word).decode())
        except UnicodeDecodeError:
            return False
        if wanted and self.left is not None:
            self.left -= 1
        return wanted


def _read(path: pathlib.Path, wanted: Container[bytes]) -> dict[bytes, np.ndarray]:
    """The vectors of the wanted words of a file."""
    try:
        with _contents(path) as contents:
            name, open_content, layout = _choose(path, contents)
            with io.BufferedReader(open_content(), _BLOCK) as stream:
                if layout.count is not None:
                    stream.readline()
                read: _Read = _read_binary if layout.binary else _read_text
                found = read(name, stream, layout.count, wanted)
    except _DAMAGES as error:
        reason = " ".join(str(error).split())[:200]
        raise TfcrError(f"--embeddings {path} cannot be read ({reason}); {FORMATS}") from None
    if not all(np.isfinite(vector).all() for vector in found.values()):
        raise TfcrError(f"{name} holds numbers that are not finite; {FORMATS}")
    return found


@contextlib.contextmanager
def _contents(path: pathlib.Path) -> Iterator[dict[str, _Open]]:
    """Name, for messages → what opens it: the file itself, unpacked from gzip, or every file of a zip archive."""
    with open(path, "rb") as file:
        start = file.read(4)
    if not start.startswith(_ZIP):
        yield {f"--embeddings {path}": functools.partial(gzip.open if start.startswith(_GZIP) else open, path, "rb")}
        return
    with zipfile.ZipFile(path) as archive:
        yield {
            f"--embeddings {path} ({_shown(member.filename)})": functools.partial(archive.open, member)
            for member in archive.infolist()
            if not member.is_dir() and not member.filename.startswith("__MACOSX/")
        }


def _choose(path: pathlib.Path, contents: dict[str, _Open]) -> tuple[str, _Open, _Layout]:
    """The one content with vectors of 300 numbers, by the first lines: `glove.6B.zip` holds four widths."""
    layouts, widths = {}, set()
    for name, open_content in contents.items():
        with io.BufferedReader(open_content(), _LONGEST_LINE) as stream:
            start = stream.read(_LONGEST_LINE)
        other = next((what for magic, what in _OTHER_FORMATS.items() if start.startswith(magic)), None)
        layout = None if other else _layout(start)
        if len(contents) == 1:
            if layout is None:
                raise TfcrError(f"{name} {other or f'holds no vectors; {FORMATS}'}")
            _check_width(name, layout.width)
        if layout is not None:
            widths.add(layout.width)
        if layout is not None and layout.width == EMBEDDING_DIM:
            layouts[name] = layout
    if not layouts:
        found = f"found {', '.join(map(str, sorted(widths)))}" if widths else "found no vectors at all"
        raise TfcrError(
            f"--embeddings {path} holds no file with vectors of {EMBEDDING_DIM} numbers ({found}); {FORMATS}"
        )
    if len(layouts) > 1:
        raise TfcrError(
            f"--embeddings {path} holds {len(layouts)} files with vectors of {EMBEDDING_DIM} numbers; "
            "expected one of them: unpack it and pass the file itself"
        )
    ((name, layout),) = layouts.items()
    return name, contents[name], layout


def _layout(start: bytes) -> _Layout | None:
    """How the vectors stand in a file that begins with `start`; None where there are none."""
    first, newline, rest = start.partition(b"\n")
    fields = first.split()
    if len(fields) == 2 and all(digits.isdigit() for digits in fields):
        count, width = (int(digits[:19]) for digits in fields)  # no file is longer, and int() has its limits
        numbers = rest.partition(b" ")[2]
        # Floats hold zeros, signs and exponents, which are no text; 300 of them without one would be a wonder.
        binary = not re.split(rb"[ \r\n]", numbers, maxsplit=1)[0].isascii()
        binary = binary or _CONTROL.search(numbers[:_VECTOR_BYTES]) is not None
        return _Layout(binary, width, count)
    if not newline and len(start) == _LONGEST_LINE:
        return None
    width = _num_numbers(first.rstrip().split(b" "))
    return _Layout(False, width, None) if width else None


def _read_binary(name: str, stream: BinaryIO, count: int, wanted: Container[bytes]) -> dict[bytes, np.ndarray]:
    """Word, space, 300 × float32, `count` times; some writers end each with a newline."""
    found, block, start, words = {}, b"", 0, 0
    while words < count:
        space = block.find(b" ", start, start + _LONGEST_WORD)
        end = space + 1 + _VECTOR_BYTES
        if space >= 0 and end <= len(block):
            word = block[start:space].lstrip(b"\n")
            if word not in found and word in wanted:
                found[word] = np.frombuffer(block, "<f4", EMBEDDING_DIM, space + 1).astype(np.float32)
            start, words = end, words + 1
            continue
        if space < 0 and len(block) - start >= _LONGEST_WORD:
            raise TfcrError(f"{name} has no word where number {words + 1} should stand; {_DOWNLOAD_AGAIN}")
        more = stream.read(_BLOCK)
        if not more:
            raise TfcrError(f"{name}: its header promises {count} words and the file has {words}; {_DOWNLOAD_AGAIN}")
        block, start = block[start:] + more, 0
    rest = block[start:]
    while not rest.strip(b"\n"):
        rest = stream.read(_BLOCK)
        if not rest:
            return found
    raise TfcrError(f"{name}: its header promises {count} words and the file holds more; {_DOWNLOAD_AGAIN}")


def _read_text(name: str, stream: BinaryIO, count: int | None, wanted: Container[bytes]) -> dict[bytes, np.ndarray]:
    """A word and 300 numbers a line. Only ASCII spaces separate: fastText's words hold others (U+00A0, U+3000)."""
    found, words = {}, 0
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            raise TfcrError(f"{name} has a line of more than {_LONGEST_LINE} bytes; {FORMATS}")
        line = line.rstrip()
        if not line:
            continue
        words += 1
        if line.count(b" ") == EMBEDDING_DIM:
            word = line[: line.index(b" ")]
        else:
            fields = line.split(b" ")
            _check_width(f"{name}, word {words},", _num_numbers(fields))
            word = b" ".join(fields[:-EMBEDDING_DIM])  # glove.840B has ". . ." and "at name@domain.com"
        if word not in found and word in wanted:
            try:
                numbers = [float(number) for number in line[len(word) + 1 :].split(b" ")]
            except ValueError:
                raise TfcrError(f"{name}, word {words}, has something that is no number; {_DOWNLOAD_AGAIN}") from None
            with np.errstate(over="ignore"):  # becomes infinite, which is looked for
                found[word] = np.array(numbers).astype(np.float32)
    if count is not None and words != count:
        raise TfcrError(f"{name}: its header promises {count} words and the file has {words}; {_DOWNLOAD_AGAIN}")
    if not words:
        raise TfcrError(f"{name} holds no vectors; {FORMATS}")
    return found


def _num_numbers(fields: list[bytes]) -> int:
    """How many numbers a line ends with; its first field is a word, even where it looks like one."""
    numbers = 0
    for field in reversed(fields[1:]):
        try:
            float(field)
        except ValueError:
            break
        numbers += 1
    return numbers


def _check_width(name: str, width: int) -> None:
    if width != EMBEDDING_DIM:
        raise TfcrError(f"{name} has vectors of {width} numbers; expected {EMBEDDING_DIM} (Sec. 4.2)")


def _shown(name: str) -> str:
    return (name if name.isprintable() else ascii(name))[:80]
