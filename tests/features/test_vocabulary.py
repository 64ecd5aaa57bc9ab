"""The words of a dataset with their vectors, written and read back."""

import numpy as np
import pytest

from tfcr.errors import TfcrError
from tfcr.features.vocabulary import VOCABULARY, read_vocabulary, write_vocabulary

# Sorted by code point: tab, newline, space, upper case, lower case, others.
WORDS = ["\ttab", "new\nline", "two words", "", "a", "Zoë", "\U0001f600", "e\u0301"]


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(len(WORDS), 300)).astype(np.float32)


def test_what_is_written_is_read_back_in_the_order_of_the_words(tmp_path, vectors):
    known = np.array([True, False] * 4)
    vectors[~known] = 0
    write_vocabulary(tmp_path / VOCABULARY, WORDS, vectors, known)
    words, rows, has_vector = read_vocabulary(tmp_path)
    assert words == ["", "\ttab", "Zoë", "a", "e\u0301", "new\nline", "two words", "\U0001f600"]
    assert rows.dtype == np.float32 and has_vector.dtype == bool
    for word, row, there in zip(words, rows, has_vector, strict=True):
        np.testing.assert_array_equal(row, vectors[WORDS.index(word)])
        assert there == known[WORDS.index(word)]


def test_equal_content_has_equal_bytes_in_whatever_order_it_comes(tmp_path, vectors):
    write_vocabulary(tmp_path / "a.h5", WORDS, vectors)
    write_vocabulary(tmp_path / "b.h5", WORDS[::-1], vectors[::-1])
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_dataset_without_words_has_an_empty_vocabulary(tmp_path):
    write_vocabulary(tmp_path / VOCABULARY, [], np.zeros((0, 300), np.float32))
    words, rows, known = read_vocabulary(tmp_path)
    assert words == [] and rows.shape == (0, 300) and known.shape == (0,)


@pytest.mark.parametrize("position", [0, 40, 511, 512, 700, -1])
def test_a_changed_byte_is_found(tmp_path, vectors, position):
    write_vocabulary(tmp_path / VOCABULARY, WORDS, vectors)
    content = bytearray((tmp_path / VOCABULARY).read_bytes())
    content[position] ^= 1
    (tmp_path / VOCABULARY).write_bytes(content)
    with pytest.raises(TfcrError, match=r"vocabulary\.h5 is broken .*prepare-tfrecords"):
        read_vocabulary(tmp_path)


def test_what_is_missing_is_said_with_the_remedy(tmp_path):
    with pytest.raises(TfcrError, match=r"has no vocabulary\.h5; `tfcr prepare-tfrecords` .* --data"):
        read_vocabulary(tmp_path)
    with pytest.raises(TfcrError, match="does not exist; name where it lies by --data"):
        read_vocabulary(tmp_path / "gone")


def test_what_is_no_vocabulary_is_not_written(tmp_path, vectors):
    for words, rows, known, reason in (
        (WORDS[:-1], vectors, None, "for 7 words"),
        (["a"] * len(WORDS), vectors, None, "twice"),
        (WORDS, np.full_like(vectors, np.nan), None, "not finite"),
        (WORDS, vectors, np.zeros(len(WORDS), bool), "without a vector has one"),
        (["\0", *WORDS[1:]], vectors, None, "cannot be written"),
        (["\ud800", *WORDS[1:]], vectors, None, "cannot be written"),
    ):
        with pytest.raises(ValueError, match=reason):
            write_vocabulary(tmp_path / VOCABULARY, words, rows, known)
        assert not (tmp_path / VOCABULARY).exists()
