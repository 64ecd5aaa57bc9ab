"""Files of pretrained word vectors: word2vec's binary and text formats, GloVe's and fastText's text; as they are or
packed (`tfcr.features.packed_files`).

gensim's `KeyedVectors.load_word2vec_format` cannot be told which words are wanted: it sets aside memory for all of them
(3.6 GB for Google News) and parses every number of a text file. Here a file streams by and the wanted vectors are kept.
What a file means is gensim's to say; the tests compare every format with its reader.
"""

import io
import pathlib
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from tfcr.errors import TfcrError
from tfcr.features.packed_files import DAMAGES, Open, contents
from tfcr.schema import EMBEDDING_DIM

FORMATS = "expected word2vec vectors (.bin or text), GloVe vectors (.txt) or fastText vectors (.vec)"

_DOWNLOAD_AGAIN = "download it again"
_WIDTHS = range(10, 1 << 13)  # numbers of a vector; fewer are of something else
_START_BYTES = 1200  # of a first vector and what follows: as text they hold no control character
_LONGEST_LINE = 1 << 17  # bytes; more than as many numbers take
_LONGEST_WORD = 1 << 16  # bytes; a longer one is no word
_BLOCK = 1 << 22  # bytes read at a time
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_OTHER_FORMATS = {
    b"\x80": "is a Python pickle, which is never opened; save gensim's vectors by save_word2vec_format",
    b"\x93NUMPY": "is a NumPy array, without words; save the vectors in word2vec's format",
    b"\xba\x16\x4f\x2f": "is a fastText model; pass the .vec file of the same vectors",
    b"\x28\xb5\x2f\xfd": "is packed by zstd; unpack it and pass the file within",
    b"7z\xbc\xaf\x27\x1c": "is a 7-Zip archive; unpack it and pass the file within",
    b"Rar!": "is a RAR archive; unpack it and pass the file within",
    b"\xff\xfe": "is text in UTF-16; save it in UTF-8",
    b"\xfe\xff": "is text in UTF-16; save it in UTF-8",
}


@dataclass(frozen=True)
class _Layout:
    """How vectors stand in a file.

    Attributes:
        binary: float32, little-endian; else decimal numbers, a word a line.
        width: numbers a word.
        count: words, by the header; None without one.
        separator: of text, behind the word.
    """

    binary: bool
    width: int
    count: int | None
    separator: bytes = b" "


class Vectors(dict[str, np.ndarray]):
    """word → float32 [width].

    Attributes:
        width: numbers of a vector.
        note: what a user should know of the file; or an empty string.
        unusable: hints whose numbers are not finite.
    """

    width = EMBEDDING_DIM
    note = ""
    unusable: frozenset[str] = frozenset()


def read_vectors(path: pathlib.Path, words: Iterable[str], hints: Iterable[str] = ()) -> Vectors:
    """Reads the vectors of `words`; of a word that stands twice the first one, as gensim does.

    The content decides the format, not the name: what gensim downloads is called `.gz` and nothing else.

    Args:
        hints: other words, whose vectors may hold numbers that are not finite; they are then left out.

    Returns:
        Those of the words that the file has, in the order of `words`, and then of `hints`; with a note if its header
        counts one word too many or too few.

    Raises:
        TfcrError: the file is damaged, has another format, numbers that are not finite, or a header that it does not
            keep.
    """
    hinted = {hint.encode(): hint for hint in hints}
    wanted = {word.encode(): word for word in words} | hinted
    found, width, note = _read(path, wanted, hinted)
    unusable = {hint for form, hint in hinted.items() if form in found and not np.isfinite(found[form]).all()}
    vectors = Vectors({word: found[form] for form, word in wanted.items() if form in found and word not in unusable})
    vectors.width, vectors.note, vectors.unusable = width, note, frozenset(unusable)
    return vectors


def first_vectors(path: pathlib.Path, count: int | None = None) -> dict[str, np.ndarray]:
    """Reads the first `count` words of a file and their vectors; without a number all. What is no UTF-8 is left out.

    Files of pretrained vectors begin with the most frequent words.

    Returns:
        word → float32 [width], in the order of the file.

    Raises:
        TfcrError: as `read_vectors`.
    """
    found, *_ = _read(path, _First(count))
    return {word.decode(): vector for word, vector in found.items()}


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


def _read(
    path: pathlib.Path, wanted: Container[bytes], hints: Container[bytes] = ()
) -> tuple[dict[bytes, np.ndarray], int, str]:
    """The vectors of the wanted words of a file, their width, and a note on it or an empty string.

    All are finite but those of hints, which are wanted too.
    """
    try:
        with contents(path) as files:
            name, open_content, layout = _choose(path, files)
            with io.BufferedReader(open_content(), _BLOCK) as stream:
                if stream.peek(len(_BYTE_ORDER_MARK)).startswith(_BYTE_ORDER_MARK):
                    stream.read(len(_BYTE_ORDER_MARK))
                if layout.count is not None:
                    stream.readline()
                read = _read_binary if layout.binary else _read_text
                found, words = read(name, stream, layout, wanted)
    except DAMAGES as error:
        reason = " ".join(str(error).split())[:200]
        raise TfcrError(f"--embeddings {path} cannot be read ({reason}); {FORMATS}") from None
    if not all(np.isfinite(vector).all() for word, vector in found.items() if word not in hints):
        raise TfcrError(f"{name} holds numbers that are not finite; {FORMATS}")
    return found, layout.width, _count_note(name, layout.count, words)


def _count_note(name: str, promised: int | None, words: int) -> str:
    """Refuses a header that counts other words than there are; by one it may be wrong, which is a note."""
    if promised is None or words == promised:
        return ""
    fact = f"{name}: its header promises {promised} words and the file has {words}"
    if not words or abs(words - promised) > 1:
        raise TfcrError(f"{fact}; {_DOWNLOAD_AGAIN}")
    return f"{fact}, which are read"


def _choose(path: pathlib.Path, contents: dict[str, Open]) -> tuple[str, Open, _Layout]:
    """The one content with vectors, by the first lines; of several the one with 300 numbers (`glove.6B.zip`)."""
    layouts = {}
    for name, open_content in contents.items():
        with io.BufferedReader(open_content(), _LONGEST_LINE) as stream:
            start = stream.read(_LONGEST_LINE).removeprefix(_BYTE_ORDER_MARK)
        other = next((what for magic, what in _OTHER_FORMATS.items() if start.startswith(magic)), None)
        layout = None if other else _layout(start)
        if len(contents) == 1:
            if layout is None:
                raise TfcrError(f"{name} {other or f'holds no vectors; {FORMATS}'}")
            if layout.width not in _WIDTHS:
                raise TfcrError(f"{name} has vectors of {layout.width} numbers; expected {_WIDTHS[0]} to {_WIDTHS[-1]}")
        if layout is not None and layout.width in _WIDTHS:
            layouts[name] = layout
    if not layouts:
        raise TfcrError(f"--embeddings {path} holds no file with vectors; {FORMATS}")
    of_the_paper = {name: layout for name, layout in layouts.items() if layout.width == EMBEDDING_DIM}
    layouts = of_the_paper or layouts
    if len(layouts) > 1:
        widths = ", ".join(map(str, sorted({layout.width for layout in layouts.values()})))
        raise TfcrError(
            f"--embeddings {path} holds {len(layouts)} files with vectors of {widths} numbers; expected one of them: "
            "unpack it and pass the file itself"
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
        # Floats hold zeros, signs and exponents, which are no text; so many bytes without one would be a wonder.
        binary = not re.split(rb"[ \r\n]", numbers, maxsplit=1)[0].isascii()
        binary = binary or _CONTROL.search(numbers[:_START_BYTES]) is not None
        return _Layout(binary, width, count, _separator(rest.partition(b"\n")[0]))
    if not newline and len(start) == _LONGEST_LINE:
        return None
    separator = _separator(first)
    width = _num_numbers(_fields(first.rstrip(), separator))
    return _Layout(False, width, None, separator) if width in _WIDTHS else None


def _separator(line: bytes) -> bytes:
    """What ends the word of a line; behind a tab, tabs or spaces may stand between the numbers."""
    return b"\t" if b"\t" in line else b" "


def _fields(line: bytes, separator: bytes) -> list[bytes]:
    """A line's word and its numbers; the word of a line with spaces may be several fields."""
    if separator == b" ":
        return line.split(b" ")
    word, _, numbers = line.partition(separator)
    return [word, *numbers.replace(b"\t", b" ").split(b" ")]


def _read_binary(
    name: str, stream: BinaryIO, layout: _Layout, wanted: Container[bytes]
) -> tuple[dict[bytes, np.ndarray], int]:
    """Word, space, width × float32, as often as the header says; some writers end each with a newline.

    Returns:
        The vectors that are wanted, and how many words there are.
    """
    found: dict[bytes, np.ndarray] = {}
    size = 4 * layout.width
    block, start, words = b"", 0, 0
    assert layout.count is not None  # a header says that a file is binary
    while True:
        space = block.find(b" ", start, start + _LONGEST_WORD)
        end = space + 1 + size
        if space >= 0 and end <= len(block) and words <= layout.count:
            word = block[start:space].lstrip(b"\n")
            if word not in found and word in wanted:
                found[word] = np.frombuffer(block, "<f4", layout.width, space + 1).astype(np.float32)
            start, words = end, words + 1
            continue
        rest = block[start:].lstrip(b"\n")
        if words > layout.count and rest:
            raise TfcrError(
                f"{name}: its header promises {layout.count} words and the file holds more; {_DOWNLOAD_AGAIN}"
            )
        if space < 0 and len(rest) >= _LONGEST_WORD:
            raise TfcrError(f"{name} has no word where number {words + 1} should stand; {_DOWNLOAD_AGAIN}")
        more = stream.read(_BLOCK)
        if not more:
            break
        block, start = rest + more, 0
    if rest:
        what = f"has {words}" if words < layout.count else "holds more"
        raise TfcrError(f"{name}: its header promises {layout.count} words and the file {what}; {_DOWNLOAD_AGAIN}")
    return found, words


def _read_text(
    name: str, stream: BinaryIO, layout: _Layout, wanted: Container[bytes]
) -> tuple[dict[bytes, np.ndarray], int]:
    """A word and its numbers a line. Only ASCII spaces separate: fastText's words hold others (U+00A0, U+3000).

    Returns:
        The vectors that are wanted, and how many words there are.
    """
    found, words, width = {}, 0, layout.width
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
            raise TfcrError(f"{name} has a line of more than {_LONGEST_LINE} bytes; {FORMATS}")
        line = line.rstrip()
        if not line:
            continue
        words += 1
        if layout.separator == b" " and line.count(b" ") == width:
            word = line[: line.index(b" ")]
        else:
            fields = _fields(line, layout.separator)
            if (columns := _num_numbers(fields)) != width:
                promise = "as its first word has" if layout.count is None else "as its header says"
                raise TfcrError(
                    f"{name}, word {words}, has {columns} numbers; expected {width}, {promise}; {_DOWNLOAD_AGAIN}"
                )
            word = b" ".join(fields[:-width])  # glove.840B has ". . ." and "at name@domain.com"
        if word not in found and word in wanted:
            rest = line[len(word) + 1 :]
            if layout.separator == b"\t":
                rest = rest.replace(b"\t", b" ")
            try:
                numbers = [float(number) for number in rest.split(b" ")]
            except ValueError:
                raise TfcrError(f"{name}, word {words}, has something that is no number; {_DOWNLOAD_AGAIN}") from None
            with np.errstate(over="ignore"):  # becomes infinite, which is looked for
                found[word] = np.array(numbers).astype(np.float32)
    if not words:
        raise TfcrError(f"{name} holds no vectors; {FORMATS}")
    return found, words


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
