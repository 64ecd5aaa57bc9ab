"""Transcripts as words inside a graph, with the patterns of `tfcr.features.words`, and their vectors."""

import os
import pathlib
import re
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfcr.features.words import (
    CAPITALS_OF_LANGUAGES,
    DROPPED_TOKEN,
    OUTER_PUNCTUATION,
    PER_CENT,
    PUNCTUATION_TOKEN,
    SPACE,
    TAG,
)
from tfcr.schema import EMBEDDING_DIM, MAX_TOKENS

ASSET = "vocabulary.txt"

# A line of the asset is a word; what would end or change a line stands as in an address on the web.
_ESCAPES = {"%": "%25", "\n": "%0A", "\r": "%0D"}
_NOTHING = "%"  # a line that no word has: TensorFlow reads no table from an empty file
_NO_WORD = -1
_NUL = "\U0010ffff"  # no character, in the place of NUL, at which TensorFlow's `lower` cuts a text off


def lowered(texts: tf.Tensor) -> tf.Tensor:
    """`tfcr.features.words.lowered` of string [...] in UTF-8."""
    for capital, small in CAPITALS_OF_LANGUAGES.items():
        texts = tf.strings.regex_replace(texts, capital, small)
    small = tf.strings.lower(tf.strings.regex_replace(texts, r"\x00", _NUL), encoding="utf-8")
    return tf.strings.regex_replace(small, _NUL, "\0")


def split_words(transcripts: tf.Tensor) -> tf.RaggedTensor:
    """`tfcr.features.words.split_words` (preset `paper`) of string [batch]: string [batch, (words)]."""
    words = tf.strings.split(_spaced(transcripts), " ")
    return _without_empty(words.with_flat_values(tf.strings.regex_replace(words.flat_values, OUTER_PUNCTUATION, "")))


def split_tokens(transcripts: tf.Tensor) -> tf.RaggedTensor:
    """`tfcr.features.words.split_tokens` (preset `authors`) of string [batch]: string [batch, (tokens)]."""
    words = tf.strings.split(_spaced(lowered(transcripts)), " ")
    dropped = words.with_flat_values(tf.strings.regex_full_match(words.flat_values, DROPPED_TOKEN))
    kept = tf.ragged.boolean_mask(words, tf.logical_not(dropped))
    spaced = tf.strings.regex_replace(tf.strings.reduce_join(kept, axis=-1, separator=" "), PUNCTUATION_TOKEN, r" \1 ")
    return _without_empty(tf.strings.split(tf.strings.regex_replace(spaced, PER_CENT, " percent "), " "))


SPLIT: dict[str, Callable[[tf.Tensor], tf.RaggedTensor]] = {"paper": split_words, "authors": split_tokens}


def is_utf8(texts: tf.Tensor) -> tf.Tensor:
    """bool [...]: whether texts are UTF-8."""
    return tf.equal(tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8", errors="replace"), texts)


def write_asset(folder: pathlib.Path, words: Sequence[str]) -> pathlib.Path:
    """Writes the asset that `Vocabulary` reads into a folder and returns its path."""
    path = folder / ASSET
    with open(path, "wb") as file:
        file.writelines(line.encode() + b"\n" for line in map(_escaped, words))
        if not words:
            file.write(_NOTHING.encode() + b"\n")
    return path


def read_asset(path: str | os.PathLike) -> list[str]:
    """The words of an asset, in the order of their vectors."""
    lines = pathlib.Path(path).read_bytes().decode().split("\n")[:-1]
    lines = [line for line in lines if line != _NOTHING]
    return [re.sub("%([0-9A-F]{2})", lambda escape: chr(int(escape[1], 16)), line) for line in lines]


class Vocabulary(tf.Module):
    """Words and their vectors, looked up in a graph.

    Args:
        asset: as `write_asset` made it; the words are different ones.
        vectors: float32 [words, 300], in its order.
    """

    def __init__(self, asset: str | os.PathLike, vectors: np.ndarray):
        super().__init__()
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                os.fspath(asset),
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            _NO_WORD,
        )
        zeros = np.zeros((1, EMBEDDING_DIM), np.float32)  # the last row is of padding
        self.vectors = tf.Variable(np.concatenate([vectors, zeros]), trainable=False, name="word_vectors")

    def embed(self, words: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Looks words up as written, then in lower case; those without a vector are dropped before the cut at 30 words.

        Args:
            words: string [batch, (words)].

        Returns:
            float32 [batch, 30, 300] with zero rows after the last word; int32 [batch], the words that have a vector,
            uncut; and the words that were looked up, string [batch, 30], padded with empty ones.
        """
        written = words.flat_values
        small = lowered(written)
        number, small_number = self._numbers(written), self._numbers(small)
        as_written = number >= 0
        forms = words.with_flat_values(tf.where(as_written, written, small))
        numbers = words.with_flat_values(tf.where(as_written, number, small_number))
        known = numbers.with_flat_values(numbers.flat_values >= 0)
        forms, numbers = tf.ragged.boolean_mask(forms, known), tf.ragged.boolean_mask(numbers, known)
        padding = tf.shape(self.vectors, tf.int64)[0] - 1
        rows = numbers[:, :MAX_TOKENS].to_tensor(padding, shape=(None, MAX_TOKENS))
        tokens = forms[:, :MAX_TOKENS].to_tensor("", shape=(None, MAX_TOKENS))
        return tf.gather(self.vectors, rows), tf.cast(numbers.row_lengths(), tf.int32), tokens

    def _numbers(self, words: tf.Tensor) -> tf.Tensor:
        for sign, escape in _ESCAPES.items():
            words = tf.strings.regex_replace(words, sign, escape)
        return self.table.lookup(words)


def _spaced(transcripts: tf.Tensor) -> tf.Tensor:
    return tf.strings.regex_replace(tf.strings.regex_replace(transcripts, TAG, " "), SPACE, " ")


def _without_empty(words: tf.RaggedTensor) -> tf.RaggedTensor:
    return tf.ragged.boolean_mask(words, words.with_flat_values(tf.not_equal(words.flat_values, "")))


def _escaped(word: str) -> str:
    for sign, escape in _ESCAPES.items():
        word = word.replace(sign, escape)
    return word
