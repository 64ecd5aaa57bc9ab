"""Word vectors: the three formats, the words of a transcript, and files that are no vectors."""

import hashlib
import os
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import pytest
from gensim.models import KeyedVectors

from tfcr.errors import TfcrError
from tfcr.features.embeddings import Coverage, WordVectors, load_word_vectors, train_word_vectors
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS

WORDS = ["the", "The", "cat", "don't", "café", "x"]


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


@pytest.fixture(
    params=["binary", "binary with newlines", "gensim binary", "text", "gensim text", "glove", "glove crlf"]
)
def vectors_file(request, table, tmp_path):
    kind = request.param
    if kind.startswith("gensim"):
        keyed = KeyedVectors(EMBEDDING_DIM)
        keyed.add_vectors(list(table), list(table.values()))
        path = tmp_path / ("vectors.bin" if kind.endswith("binary") else "vectors.txt")
        keyed.save_word2vec_format(str(path), binary=kind.endswith("binary"))
        return path
    if kind.startswith("binary"):
        return write(tmp_path / "vectors.bin", binary_bytes(table, newline=b"\n" if "newlines" in kind else b""))
    lines = text_lines(table)
    if kind == "text":
        lines = [f"{len(table)} {EMBEDDING_DIM}", *lines]
    end = "\r\n" if kind == "glove crlf" else "\n"
    return write(tmp_path / "vectors.txt", end.join(lines) + end)


def test_every_format_gives_equal_vectors(vectors_file, table):
    found = load_word_vectors(vectors_file, WORDS)
    assert set(found.vectors) == set(WORDS)
    for word, vector in table.items():
        assert found.vectors[word].dtype == np.float32
        np.testing.assert_array_equal(found.vectors[word], vector)
    assert found.source == vectors_file.name
    assert found.sha256 == hashlib.sha256(vectors_file.read_bytes()).hexdigest()
    assert not found.transductive


def test_only_the_corpus_words_are_kept_as_written_and_in_lower_case(vectors_file):
    assert set(load_word_vectors(vectors_file, ["THE", "Cat", "unknown"]).vectors) == {"the", "cat"}
    assert set(load_word_vectors(vectors_file, ["The"]).vectors) == {"The", "the"}
    assert load_word_vectors(vectors_file, []).vectors == {}


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
        "distinct_out_of_vocabulary": 4,
        "out_of_vocabulary": {"a": 2, "sat": 2, "Sat": 1, "zoo": 1},
    }
    assert list(coverage.summary(most=2)["out_of_vocabulary"]) == ["a", "sat"]  # by count, then by name
    assert Coverage().summary()["coverage"] is None


LIES = {
    # name: (file name, header's count)
    "too many": 7,
    "huge": 10**12,
    "beyond 64 bits": 10**30,
    "thousands of digits": "9" * 5_000,
    "too few": 5,
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

    @pytest.mark.parametrize("kind", ["binary", "text", "glove"])
    def test_another_width_than_300(self, table, tmp_path, kind):
        lines = text_lines(table, width=50)
        path = {
            "binary": lambda: write(tmp_path / "v.bin", binary_bytes(table, width=50)),
            "text": lambda: write(tmp_path / "v.txt", "\n".join([f"{len(lines)} 50", *lines])),
            "glove": lambda: write(tmp_path / "v.txt", "\n".join(lines)),
        }[kind]()
        assert "vectors of 50 numbers; expected 300" in refusal(path)

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
        assert f"vectors of {columns} numbers; expected 300" in message

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
