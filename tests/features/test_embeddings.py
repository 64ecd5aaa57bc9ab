"""Word vectors: every format, the words of a transcript, and files that are no vectors."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import pickle
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from gensim.models import KeyedVectors

from tfcr.errors import TfcrError
from tfcr.features import vector_files
from tfcr.features.coverage import Coverage, told, warning
from tfcr.features.embeddings import WordVectors, load_word_vectors, train_word_vectors
from tfcr.features.look_up import OF_MAKERS
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS

WORDS = ["the", "The", "cat", "don't", "café", "x"]


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("TFCR_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return {word: rng.normal(size=EMBEDDING_DIM).astype(np.float32) for word in WORDS}


def text_lines(table, width=EMBEDDING_DIM):
    return [" ".join([word, *(repr(float(x)) for x in vector[:width])]) for word, vector in table.items()]


def binary_bytes(table, header=None, newline=b"", width=EMBEDDING_DIM):
    """The C tool's format: a header, then word, space, little-endian float32; some writers end each with a newline."""
    header = f"{len(table)} {width}\n".encode() if header is None else header
    return header + b"".join(w.encode() + b" " + v[:width].astype("<f4").tobytes() + newline for w, v in table.items())


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


FORMATS = [
    "binary",
    "binary with newlines",
    "gensim binary",
    "text",
    "gensim text",
    "fasttext",
    "fasttext crlf",
    "glove",
    "glove crlf",
]
PACKINGS = {
    "plain": lambda content: content,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": lambda content: zipped({"vectors": content}),
    "tar": lambda content: tarred({"v/vectors": content}),
    "tar.gz": lambda content: gzip.compress(tarred({"v/README": b"of words\n", "v/vectors": content})),
}


def tarred(members):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in members.items():
            for shown, there in (
                (f"{name.rpartition('/')[0]}/._{name.rpartition('/')[2]}", b"of macOS"),
                (name, content),
            ):
                header = tarfile.TarInfo(shown)
                header.size = len(there)
                archive.addfile(header, io.BytesIO(there))
    return packed.getvalue()


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def content_of(kind, table, tmp_path):
    """The bytes of a file of these vectors."""
    if kind.startswith("gensim"):
        keyed = KeyedVectors(EMBEDDING_DIM)
        keyed.add_vectors(list(table), list(table.values()))
        keyed.save_word2vec_format(str(tmp_path / "by-gensim"), binary=kind.endswith("binary"))
        return (tmp_path / "by-gensim").read_bytes()
    if kind.startswith("binary"):
        return binary_bytes(table, newline=b"\n" if "newlines" in kind else b"")
    lines = text_lines(table)
    if kind.startswith("fasttext"):
        lines = [line + " " for line in lines]  # as its tool writes them
    if not kind.startswith("glove"):
        lines = [f"{len(table)} {EMBEDDING_DIM}", *lines]
    end = "\r\n" if kind.endswith("crlf") else "\n"
    return (end.join(lines) + end).encode()


def read_by_gensim(kind, path):
    """Every vector of a file that is not packed."""
    keyed = KeyedVectors.load_word2vec_format(str(path), binary="binary" in kind, no_header="glove" in kind)
    return {word: keyed[word] for word in keyed.key_to_index}


@pytest.fixture(params=PACKINGS)
def packing(request):
    return PACKINGS[request.param]


@pytest.fixture(params=FORMATS)
def kind(request):
    return request.param


@pytest.fixture
def vectors_file(kind, table, tmp_path):
    return write(tmp_path / "vectors", content_of(kind, table, tmp_path))


def test_every_format_in_every_packing_gives_equal_vectors(kind, packing, table, tmp_path):
    path = write(tmp_path / "vectors.x", packing(content_of(kind, table, tmp_path)))
    found = load_word_vectors(path, WORDS)
    assert set(found.vectors) == set(WORDS)
    for word, vector in table.items():
        assert found.vectors[word].dtype == np.float32
        np.testing.assert_array_equal(found.vectors[word], vector)
    assert found.source == "vectors.x"
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()  # of the file as it is given
    assert not found.transductive


def assert_as_gensim_reads(kind, path):
    expected = read_by_gensim(kind, path)
    found = load_word_vectors(path, expected).vectors
    assert set(found) == set(expected)
    for word, vector in expected.items():
        np.testing.assert_array_equal(found[word], vector, strict=True)


def test_gensim_reads_the_same(kind, vectors_file):
    assert_as_gensim_reads(kind, vectors_file)


@pytest.mark.parametrize("block", [1, 7, 1_200, 1_205, 1_206, 1_300, 4_096])
@pytest.mark.parametrize("kind", ["binary", "binary with newlines", "text"])
def test_vectors_that_lie_across_two_blocks(kind, block, vectors_file, monkeypatch):
    monkeypatch.setattr(vector_files, "_BLOCK", block)
    assert_as_gensim_reads(kind, vectors_file)


@pytest.mark.parametrize("kind", ["binary", "text", "glove"])
def test_words_with_unicode_spaces_are_words_as_gensim_takes_them(kind, tmp_path):
    words = ["a\u00a0b", "\u3000", "\u2028x", "y\x85", "\u200b", "ａ", "0.5", "<unk>", "#", "—"]
    table = {word: np.full(EMBEDDING_DIM, number + 0.3, np.float32) for number, word in enumerate(words)}
    assert_as_gensim_reads(kind, write(tmp_path / "vectors", content_of(kind, table, tmp_path)))


@pytest.mark.parametrize("kind", ["binary", "text", "glove"])
def test_of_a_word_that_stands_twice_the_first_counts_as_for_gensim(kind, table, tmp_path):
    content = content_of(kind, {"cat": table["x"], "dog": table["the"], "Cat": table["cat"]}, tmp_path)
    path = write(tmp_path / "vectors", content.replace(b"Cat", b"cat").replace(b"dog", b"cat"))
    assert_as_gensim_reads(kind, path)
    np.testing.assert_array_equal(load_word_vectors(path, ["cat"]).vectors["cat"], table["x"])


def test_numbers_are_rounded_as_gensim_rounds_them(tmp_path):
    rng = np.random.default_rng(0)
    spelled = ["1e-3", "-.5", "1E+2", "5.", "+7", "-0", "1e-46", "1e-400", "0.1000000014901161193847656250000001"]
    numbers = [*spelled, *(repr(float(x)) for x in rng.normal(size=EMBEDDING_DIM - len(spelled)))]
    assert_as_gensim_reads("glove", write(tmp_path / "vectors", " ".join(["word", *numbers]) + "\n"))


def test_bytes_that_are_no_utf_8_are_other_words(table, tmp_path):
    content = content_of("glove", {"caf?": table["x"], "caf": table["the"]}, tmp_path).replace(b"?", b"\xe9")
    found = load_word_vectors(write(tmp_path / "vectors", content), ["caf\ufffd", "café", "caf", "caf\udce9", "c\0f"])
    assert set(found.vectors) == {"caf"}


@pytest.mark.parametrize("header", [True, False])
def test_words_with_spaces_inside_as_in_glove_840b(table, tmp_path, header):
    words = [". . .", "at name@domain.com", "• name@domain.com", "a  b"]
    lines = text_lines({"x": table["x"], **dict.fromkeys(words, table["cat"]), "the": table["the"]})
    if header:
        lines.insert(0, f"{len(lines)} 300")
    path = write(tmp_path / "vectors.txt", "\n".join(lines) + "\n")
    found = load_word_vectors(path, ["x", "at", ".", "a", "name@domain.com", "the", *words[:1]]).vectors
    assert set(found) == {"x", "the", ". . ."}
    np.testing.assert_array_equal(found["the"], table["the"])
    np.testing.assert_array_equal(found[". . ."], table["cat"])


@pytest.mark.parametrize("kind", ["binary", "text", "glove"])
@pytest.mark.parametrize("name", ["vectors.bin", "vectors.txt", "vectors.vec", "vectors.gz", "vectors.zip", "vectors"])
def test_the_content_decides_the_format_not_the_name(kind, name, table, tmp_path):
    path = write(tmp_path / name, content_of(kind, table, tmp_path))
    np.testing.assert_array_equal(load_word_vectors(path, ["cat"]).vectors["cat"], table["cat"])


@pytest.mark.parametrize("value", [0.1, 0.5, 1, 2, -3, 1e-30, 20.125])
def test_binary_vectors_of_one_number_are_told_from_text(value, tmp_path):
    table = {"cat": np.full(EMBEDDING_DIM, value, np.float32), "dog": np.zeros(EMBEDDING_DIM, np.float32)}
    path = write(tmp_path / "vectors", content_of("binary", table, tmp_path))
    np.testing.assert_array_equal(load_word_vectors(path, ["cat"]).vectors["cat"], table["cat"])


def test_text_of_short_numbers_is_told_from_binary(tmp_path):
    lines = [f"{word} " + " ".join(["0"] * 300) for word in ("a", "é\u3000", "b")]
    path = write(tmp_path / "vectors", "\n".join(["3 300", *lines]))
    assert set(load_word_vectors(path, ["a", "b"]).vectors) == {"a", "b"}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte order mark"])
@pytest.mark.parametrize("separator", [" ", "\t", "word"])
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_text_with_a_byte_order_mark_and_with_tabs_is_read(mark, separator, header, end, table, tmp_path):
    lines = [
        line.replace(" ", separator.replace("word", "\t"), 1 if separator == "word" else -1)
        for line in text_lines(table)
    ]
    if header:
        lines.insert(0, f"{len(lines)}{' ' if separator == 'word' else separator}300")
    found = load_word_vectors(write(tmp_path / "v.txt", mark + (end.join(lines) + end).encode()), WORDS).vectors
    assert set(found) == set(WORDS)
    for word, vector in table.items():
        np.testing.assert_array_equal(found[word], vector)


@pytest.mark.parametrize("promised", [5, 7])
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("newline", [b"", b"\n"])
def test_a_header_that_is_wrong_by_one_word_is_only_said(promised, binary, newline, table, tmp_path):
    header, said = f"{promised} 300\n", []
    if binary:
        content = binary_bytes(table, header.encode(), newline)
    else:
        content = header.encode() + "\n".join(text_lines(table)).encode() + newline
    path = write(tmp_path / "vectors", content)
    assert set(load_word_vectors(path, WORDS, said.append).vectors) == set(WORDS)
    assert f"--embeddings {path}: its header promises {promised} words and the file has 6, which are read" in said


class TestTar:
    def test_the_file_with_300_numbers_is_taken_of_several_widths(self, table, tmp_path):
        members = {f"g/glove.{width}d.txt": "\n".join(text_lines(table, width)).encode() for width in (50, 300)}
        path = write(tmp_path / "glove.tar.xz", lzma.compress(tarred(members)))
        assert set(load_word_vectors(path, WORDS).vectors) == set(WORDS)

    def test_two_with_300_numbers(self, table, tmp_path):
        lines = "\n".join(text_lines(table)).encode()
        message = refusal(write(tmp_path / "v.tgz", gzip.compress(tarred({"a.txt": lines, "b.txt": lines}))))
        assert "holds 2 files with vectors of 300 numbers; expected one of them: unpack it" in message

    def test_an_archive_without_files(self, tmp_path):
        refusal(write(tmp_path / "v.tar", tarred({})))


class TestZip:
    def test_the_file_with_300_numbers_is_taken_of_several_widths(self, table, tmp_path):
        members = {f"glove.6B.{width}d.txt": "\n".join(text_lines(table, width)) for width in (50, 100, 200, 300)}
        path = write(tmp_path / "glove.6B.zip", zipped({**members, "README": "GloVe\n", "__MACOSX/._g.300d.txt": "x"}))
        found = load_word_vectors(path, WORDS)
        assert set(found.vectors) == set(WORDS)
        assert found.source == "glove.6B.zip"

    @pytest.mark.parametrize(
        ("widths", "found"),
        [
            ((), "no file with vectors; expected"),
            ((100, 50), "2 files with vectors of 50, 100 numbers; expected one of them: unpack it"),
            ((300, 300), "2 files with vectors of 300 numbers; expected one of them: unpack it"),
        ],
    )
    def test_none_or_several_files_with_vectors(self, table, tmp_path, widths, found):
        members = {f"{place}.txt": "\n".join(text_lines(table, width)) for place, width in enumerate(widths)}
        message = refusal(write(tmp_path / "glove.zip", zipped({**members, "README": "", "LICENSE": "none"})))
        assert f"holds {found}" in message

    def test_the_only_file_has_no_vectors(self, tmp_path):
        message = refusal(write(tmp_path / "v.zip", zipped({"a\n\x1b.txt": "a list 5\nof words 7"})))
        assert "('a\\n\\x1b.txt') holds no vectors" in message

    def test_an_empty_archive(self, tmp_path):
        refusal(write(tmp_path / "v.zip", zipped({})))

    def test_an_encrypted_archive(self, table, tmp_path):
        content = bytearray(zipped({"v.txt": "\n".join(text_lines(table))}))
        content[6] |= 1  # the flag in the file's own header
        content[content.index(b"PK\x01\x02") + 8] |= 1  # and in the directory
        assert "encrypted" in refusal(write(tmp_path / "v.zip", bytes(content)))

    def test_a_packing_that_python_does_not_know(self, table, tmp_path):
        content = bytearray(zipped({"v.txt": "\n".join(text_lines(table))}))
        content[8] = content[content.index(b"PK\x01\x02") + 10] = 99
        refusal(write(tmp_path / "v.zip", bytes(content)))

    def test_a_changed_byte_is_noticed(self, table, tmp_path):
        content = zipped({"v.txt": "\n".join(text_lines(table)) + "\n"}, zipfile.ZIP_STORED)
        changed = content.replace(b"cat ", b"car ")
        assert changed != content
        refusal(write(tmp_path / "v.zip", changed))


@pytest.mark.parametrize("kind", ["binary", "glove"])
@pytest.mark.parametrize("suffix", ["gzip", "zip", "bzip2", "xz", "tar.gz"])
def test_a_packed_file_that_is_cut_off_anywhere(kind, suffix, table, tmp_path):
    content = PACKINGS[suffix](content_of(kind, table, tmp_path))
    for length in (1, 3, 10, 100, len(content) // 2, len(content) - 9, len(content) - 1):
        refusal(write(tmp_path / f"vectors.{suffix}", content[:length]))


@pytest.mark.parametrize("suffix", ["gz", "zip"])
@pytest.mark.parametrize("content", [bytes, lambda size: b"1000000 300\na " + bytes(size), lambda size: b"x" * size])
def test_a_file_that_swells_when_unpacked_fills_no_memory(suffix, content, tmp_path):
    refusal(write(tmp_path / f"v.{suffix}", PACKINGS["gzip" if suffix == "gz" else "zip"](content(75_000_000))))


@pytest.mark.parametrize("kind", ["binary", "glove"])
def test_a_large_file_fills_no_memory(kind, table, tmp_path):
    (record,) = {content_of(kind, {"cat": table["cat"]}, tmp_path).removeprefix(b"1 300\n")}
    count = 30_000_000 // len(record)
    header = f"{count} 300\n".encode() if kind == "binary" else b""
    path = write(tmp_path / "vectors", header + record * count)
    tracemalloc.start()
    try:
        assert set(load_word_vectors(path, WORDS).vectors) == {"cat"}
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_only_the_corpus_words_are_kept_as_written_and_in_lower_case(vectors_file):
    assert set(load_word_vectors(vectors_file, ["THE", "Cat", "unknown"]).vectors) == {"the", "cat"}
    assert set(load_word_vectors(vectors_file, ["The"]).vectors) == {"The", "the"}
    assert load_word_vectors(vectors_file, []).vectors == {}


def test_the_user_hears_what_is_read_and_how_many_words_have_a_vector(vectors_file):
    said = []
    load_word_vectors(vectors_file, ["The", "THE", "Cat", "unknown"], said.append)
    assert said == [f"Reading word vectors from {vectors_file}", "3 of 4 different words have a vector"]


class TestEmbed:
    @pytest.fixture
    def vectors(self, table):
        return WordVectors(table, "a table")

    def test_a_word_as_written_before_its_lower_case(self, vectors, table):
        known, rows = vectors.embed(["The", "THE", "CAT"])
        assert known == ["The", "the", "cat"]
        for row, word in enumerate(known):
            np.testing.assert_array_equal(rows[row], table[word])

    def test_rows_after_the_last_word_are_zero(self, vectors):
        _, rows = vectors.embed(["cat", "x"])
        assert (rows.shape, rows.dtype) == ((MAX_TOKENS, EMBEDDING_DIM), np.float32)
        assert rows[:2].all()
        assert not rows[2:].any()

    def test_unknown_words_are_dropped_before_the_cut_at_30(self, vectors, table):
        words = ["unknown", "cat"] * 29 + ["x", "the"]  # 31 known words: 29 cats, x, the
        known, rows = vectors.embed(words)
        assert known == ["cat"] * 29 + ["x", "the"]  # uncut
        np.testing.assert_array_equal(rows[28], table["cat"])
        np.testing.assert_array_equal(rows[29], table["x"])

    def test_no_words_are_zeros(self, vectors):
        for words in ([], ["unknown"]):
            known, rows = vectors.embed(words)
            assert known == []
            assert not rows.any()


def test_coverage_counts_words_and_names_the_most_frequent_missing():
    vectors = WordVectors({"the": np.zeros(300), "cat": np.zeros(300)}, "")
    coverage = Coverage()
    coverage.count(["The", "cat", "sat", "sat"], vectors)
    coverage.count(["a", "Sat", "zoo", "a"], vectors)
    coverage.count([], vectors)
    assert coverage.summary() == {
        "words": 8,
        "words_with_vector": 2,
        "coverage": 2 / 8,
        "utterances_without_vector": 2,
        "distinct_out_of_vocabulary": 4,
        "out_of_vocabulary": {"a": 2, "sat": 2, "Sat": 1, "zoo": 1},
    }
    assert list(coverage.summary(most=2)["out_of_vocabulary"]) == ["a", "sat"]  # by count, then by name
    assert Coverage().summary()["coverage"] is None
    assert told(coverage) == "25.0 % of 8 words have a vector; 2 utterances have no word with one."
    assert told(Coverage()) == "No transcript has a word."


def test_a_word_that_is_split_is_covered_where_each_part_is():
    vectors = WordVectors(dict.fromkeys(["do", "n't", "'s", "no"], np.zeros(300)), "", look_up=OF_MAKERS)
    coverage = Coverage()
    coverage.count(["Don\u2019t", "no-no", "xyzzy's"], vectors)
    assert (coverage.known, coverage.missing, coverage.silent) == (2, {"xyzzy's": 1}, 0)


@pytest.mark.parametrize("width", [10, 50, 100, 1024])
@pytest.mark.parametrize("kind", ["binary", "text", "glove", "zip"])
def test_the_width_is_the_files(tmp_path, kind, width):
    rng = np.random.default_rng(width)
    table = {word: rng.normal(size=width).astype(np.float32) for word in ("the", "2", "a b", "Cat")}
    if kind == "binary":
        table.pop("a b")
        path = write(tmp_path / "v.bin", binary_bytes(table, width=width))
    else:
        lines = text_lines(table, width)
        text = "\n".join([f"{len(lines)} {width}", *lines] if kind == "text" else lines)
        path = write(tmp_path / "v", zipped({"glove.txt": text, "README": "of 4"}) if kind == "zip" else text)
    first, again = (load_word_vectors(path, [*table, "unknown"]) for _ in range(2))  # from the file, from the cache
    for found in (first, again):
        assert found.width == width and found.embed(["unknown"])[1].shape == (MAX_TOKENS, width)
        assert found.vectors.keys() == table.keys()
        for word, vector in table.items():
            np.testing.assert_array_equal(found.vectors[word], vector)
    assert load_word_vectors(path, ["none"]).width == width  # even where no word is known


@pytest.mark.parametrize(
    ("missing", "known", "reason"),
    [
        (["ich", "nicht"], 18, None),  # nine words in ten
        (["ich", "nicht"], 8, "are the vectors of another language"),
        (["NEIN", "DOCH"], 8, "are the vectors of another language"),  # looked up in lower case, too
        (["don't", "it's", "twenty-one"], 8, "were the vectors made of words that are split otherwise"),
        (["haus", "hund", "und"], 8, "have the vectors other capitals, such as 'Haus'"),
        (["zeit", "zeit", "xyzzy"], 8, "have the vectors other capitals, such as 'ZEIT'"),
        (["\u4eca\u65e5\u306f\u5929\u6c17\u304c\u3044\u3044"], 1, "of a script without spaces"),
    ],
)
def test_few_words_with_a_vector_are_warned_of_with_the_likeliest_reason(tmp_path, missing, known, reason):
    table = {word: np.zeros(300, np.float32) for word in ("the", "Haus", "Hund", "ZEIT")}
    vectors = load_word_vectors(write(tmp_path / "v.txt", "\n".join(text_lines(table))), ["the", *missing])
    assert vectors.vectors.keys() == {"the"}
    coverage = Coverage()
    coverage.count([*missing, *["the"] * known], vectors)
    found = warning(coverage)
    assert not found if reason is None else (reason in found and repr(missing[0]) in found)


LIES = {
    # name: (file name, header's count)
    "too many": 8,
    "huge": 10**12,
    "beyond 64 bits": 10**30,
    "thousands of digits": "9" * 5_000,
    "too few": 4,
    "none": 0,
}


def refusal(path, words=WORDS):
    """The message of a refused file, which comes fast and sets no memory aside for what a header says."""
    tracemalloc.start()
    start = time.monotonic()
    try:
        with pytest.raises(TfcrError) as raised:
            load_word_vectors(path, words)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 5
    message = str(raised.value)
    assert "\n" not in message
    assert message.startswith(f"--embeddings {path}")
    assert len(message) < len(str(path)) + 300
    return message


class TestRefused:
    @pytest.mark.parametrize("lie", LIES)
    @pytest.mark.parametrize("binary", [True, False])
    def test_a_header_that_counts_other_words_than_there_are(self, table, tmp_path, binary, lie):
        header = f"{LIES[lie]} 300\n"
        if binary:
            path = write(tmp_path / "vectors.bin", binary_bytes(table, header.encode()))
        else:
            path = write(tmp_path / "vectors.txt", header + "\n".join(text_lines(table)) + "\n")
        message = refusal(path)
        assert "header promises" in message
        assert "download it again" in message

    @pytest.mark.parametrize("width", [0, 9, 8192, 10**30])
    def test_a_header_of_no_width(self, table, tmp_path, width):
        path = write(tmp_path / "v.txt", "\n".join([f"{len(table)} {width}", *text_lines(table)]))
        assert "expected 10 to 8191" in refusal(path)

    @pytest.mark.parametrize("kind", ["binary", "text", "glove"])
    def test_another_width_in_the_middle(self, table, tmp_path, kind):
        short, long = (text_lines(table, width=width) for width in (50, 100))
        path = {
            "binary": lambda: write(tmp_path / "v.bin", binary_bytes(table, width=50, header=b"7 100\n")),
            "text": lambda: write(tmp_path / "v.txt", "\n".join([f"{len(short)} 50", *short[:3], *long[3:]])),
            "glove": lambda: write(tmp_path / "v.txt", "\n".join([*short[:3], *long[3:]])),
        }[kind]()
        message = refusal(path)
        expected = {
            "binary": "header promises 7 words",
            "text": "word 4, has 100 numbers; expected 50, as its header says; download it again",
            "glove": "word 4, has 100 numbers; expected 50, as its first word has; download it again",
        }
        assert expected[kind] in message

    @pytest.mark.parametrize("cut", [1, 700, 1_300])
    def test_a_binary_file_that_is_cut_off(self, table, tmp_path, cut):
        refusal(write(tmp_path / "vectors.bin", binary_bytes(table)[:-cut]))

    @pytest.mark.parametrize("columns", [0, 1, 2, 299, 301])
    @pytest.mark.parametrize("header", [True, False])
    def test_a_line_of_another_length(self, table, tmp_path, columns, header):
        lines = text_lines(table)
        lines[3] = " ".join([*lines[3].split()[:300], "0.5", "0.5"][: columns + 1])
        if header:
            lines.insert(0, f"{len(lines)} 300")
        message = refusal(write(tmp_path / "vectors.txt", "\n".join(lines) + "\n"))
        assert f"word 4, has {columns} numbers; expected 300, as its" in message

    @pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400"])
    @pytest.mark.parametrize("header", [True, False])
    def test_numbers_that_are_not_finite_in_text(self, table, tmp_path, number, header):
        lines = text_lines(table)
        lines[1] = " ".join([*lines[1].split()[:-1], number])
        if header:
            lines.insert(0, f"{len(lines)} 300")
        assert "not finite" in refusal(write(tmp_path / "vectors.txt", "\n".join(lines) + "\n"))

    def test_numbers_that_are_not_finite_in_binary(self, table, tmp_path):
        broken = {**table, "cat": np.full(EMBEDDING_DIM, np.nan, np.float32)}
        assert "not finite" in refusal(write(tmp_path / "vectors.bin", binary_bytes(broken)))

    def test_a_word_that_is_no_number(self, table, tmp_path):
        lines = text_lines(table)
        lines[2] = lines[2].replace(" ", " word ", 1).rsplit(" ", 1)[0]
        refusal(write(tmp_path / "vectors.txt", "\n".join(lines) + "\n"))

    @pytest.mark.parametrize("name", ["vectors.bin", "vectors.txt", "vectors"])
    @pytest.mark.parametrize("content", [
        b"",
        b"\n",
        b"\n\n\n",
        b"hello\n",
        b"6 300\n",
        b"-6 300\n",
        b"6 300 1\n",
        b"PK\x03\x04" + bytes(range(256)) * 40,
        b"\x80\x04\x95" + b"\x00" * 10_000,  # the start of a pickle
        b"\xff" * 3_000_000,  # one long line
        b"a b " * 1_000_000,
        b"\x28\xb5\x2f\xfd" + bytes(1000),  # zstd
        b"7z\xbc\xaf\x27\x1c" + bytes(1000),
        b"Rar!\x1a\x07" + bytes(1000),
        "{\"words\": [1, 2]}\n".encode("utf-16"),
        b"<!DOCTYPE html>\n<html><body>Not found</body></html>\n",
    ], ids=lambda content: repr(content[:12]))  # fmt: skip
    def test_a_file_that_holds_no_vectors(self, tmp_path, name, content):
        refusal(write(tmp_path / name, content))

    def test_random_bytes(self, tmp_path):
        for seed in range(20):
            content = np.random.default_rng(seed).bytes(5_000)
            for name in ("vectors.bin", "vectors.txt"):
                refusal(write(tmp_path / name, content))

    def test_random_bytes_below_a_good_header(self, tmp_path):
        for seed in range(20):
            content = b"3 300\n" + np.random.default_rng(seed).bytes(3_618)
            refusal(write(tmp_path / "vectors.txt", content))

    @pytest.mark.parametrize("protocol", [2, 4, 5])
    def test_a_pickle_is_never_opened(self, tmp_path, protocol):
        class Trap:
            def __reduce__(self):
                return os.mkdir, (str(tmp_path / "sprung"),)

        path = write(tmp_path / "vectors.kv", pickle.dumps({"vectors": Trap()}, protocol))
        assert "is a Python pickle, which is never opened" in refusal(path)
        assert not (tmp_path / "sprung").exists()

    def test_vectors_as_gensim_saves_them_itself(self, table, tmp_path):
        keyed = KeyedVectors(EMBEDDING_DIM)
        keyed.add_vectors(list(table), list(table.values()))
        keyed.save(str(tmp_path / "vectors.kv"), separately=["vectors"])
        assert "save_word2vec_format" in refusal(tmp_path / "vectors.kv")
        assert "is a NumPy array" in refusal(tmp_path / "vectors.kv.vectors.npy")

    def test_a_fasttext_model(self, tmp_path):
        assert ".vec file" in refusal(write(tmp_path / "cc.en.300.bin", b"\xba\x16\x4f\x2f" + b"\x0c\0\0\0" * 999))

    @pytest.mark.parametrize("more", [b"x", b"\0", b"\n\nword"])
    def test_a_binary_file_that_goes_on(self, table, tmp_path, more):
        assert "holds more" in refusal(write(tmp_path / "vectors.bin", binary_bytes(table) + more))

    def test_a_pipe(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        assert "is no file" in refusal(tmp_path / "pipe")

    def test_a_directory(self, tmp_path):
        refusal(tmp_path)

    def test_a_missing_file(self, tmp_path):
        assert "does not exist" in refusal(tmp_path / "missing.bin")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_a_file_that_may_not_be_read(self, table, tmp_path):
        path = write(tmp_path / "vectors.bin", binary_bytes(table))
        path.chmod(0)
        refusal(path)


SENTENCES = [["The", "cat", "sat", "on", "the", "mat"], [], ["A", "dog", "sat"], ["no", "cat", "no", "dog"]]


class TestTrained:
    def test_every_word_has_a_vector_in_lower_case(self):
        vectors = train_word_vectors(SENTENCES)
        assert set(vectors.vectors) == {"the", "cat", "sat", "on", "mat", "a", "dog", "no"}
        assert {(v.shape, v.dtype.name) for v in vectors.vectors.values()} == {((300,), "float32")}
        assert vectors.transductive
        assert vectors.sha256 == ""
        assert vectors.embed(["The", "Dog"])[0] == ["the", "dog"]

    def test_processes_with_other_hash_seeds_train_the_same_bits(self):
        code = (
            "import hashlib\n"
            "from tfcr.features.embeddings import train_word_vectors\n"
            f"found = train_word_vectors({SENTENCES!r} * 20, seed=3).vectors\n"
            "print(hashlib.sha256(b''.join(w.encode() + found[w].tobytes() for w in sorted(found))).hexdigest())"
        )
        digests = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONHASHSEED": hash_seed},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for hash_seed in ("0", "1")
        }
        assert len(digests) == 1
        assert len(digests.pop().strip()) == 64

    def test_another_seed_trains_others(self):
        one, other = (train_word_vectors(SENTENCES, seed=seed).vectors for seed in (0, 1))
        assert (one["cat"] != other["cat"]).any()

    @pytest.mark.parametrize("sentences", [[], [[]], [[], []]])
    def test_a_corpus_without_words_has_no_vectors(self, sentences):
        vectors = train_word_vectors(sentences)
        assert vectors.vectors == {}
        assert vectors.transductive
        known, rows = vectors.embed(["cat"])
        assert known == []
        assert not rows.any()


def test_the_first_words_are_those_that_stand_first(kind, table, tmp_path):
    path = write(tmp_path / "vectors", content_of(kind, table, tmp_path))
    everything = vector_files.first_vectors(path)
    order = list(everything)
    assert set(order) == set(table)
    for count in (0, 1, len(table) - 1, len(table), len(table) + 1):
        found = vector_files.first_vectors(path, count)
        assert list(found) == order[:count]
        for word, vector in found.items():
            np.testing.assert_array_equal(vector, everything[word])
            np.testing.assert_array_equal(vector, vector_files.read_vectors(path, [word])[word])
