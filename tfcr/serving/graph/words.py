"""Transcripts as words inside a graph, with the patterns of `tfcr.features.words`, and their vectors as
`tfcr.features.look_up` finds them.
"""

import os
import pathlib
import re
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tfcr.features.look_up import APOSTROPHES, PARTS, PLAIN, LookUp
from tfcr.features.words import (
    CAPITALS_OF_LANGUAGES,
    DROPPED_TOKEN,
    OUTER_PUNCTUATION,
    PER_CENT,
    PUNCTUATION_TOKEN,
    SPACE,
    TAG,
)
from tfcr.schema import MAX_TOKENS
from tfcr.serving.graph.composing import composed

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
    words = tf.strings.split(_spaced(composed(transcripts)), " ")
    return _without_empty(words.with_flat_values(tf.strings.regex_replace(words.flat_values, OUTER_PUNCTUATION, "")))


def split_tokens(transcripts: tf.Tensor) -> tf.RaggedTensor:
    """`tfcr.features.words.split_tokens` (preset `authors`) of string [batch]: string [batch, (tokens)]."""
    words = tf.strings.split(_spaced(lowered(composed(transcripts))), " ")
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
        vectors: float32 [words, width], in its order.
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
        zeros = np.zeros((1, vectors.shape[1]), np.float32)  # the last row is of padding
        self.vectors = tf.Variable(np.concatenate([vectors, zeros]), trainable=False, name="word_vectors")

    def embed(self, words: tf.RaggedTensor, look_up: LookUp) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Looks words up, and the parts of those without a vector; what has none is dropped before the cut at 30.

        Args:
            words: string [batch, (words)].
            look_up: of the preset.

        Returns:
            float32 [batch, 30, width] with zero rows after the last word; int32 [batch], how many words or parts have a
            vector, uncut; and the forms that were looked up, string [batch, 30], padded with empty ones.
        """
        numbers, forms = self._found(words.flat_values, look_up)
        if look_up.splits:
            words, numbers, forms = tf.cond(
                tf.reduce_all(numbers >= 0),
                lambda: (words, numbers, forms),
                lambda: self._found_in_parts(words, numbers, look_up),
            )
        known = words.with_flat_values(numbers >= 0)
        forms, numbers = (tf.ragged.boolean_mask(words.with_flat_values(each), known) for each in (forms, numbers))
        padding = tf.shape(self.vectors, tf.int64)[0] - 1
        rows = numbers[:, :MAX_TOKENS].to_tensor(padding, shape=(None, MAX_TOKENS))
        tokens = forms[:, :MAX_TOKENS].to_tensor("", shape=(None, MAX_TOKENS))
        return tf.gather(self.vectors, rows), tf.cast(numbers.row_lengths(), tf.int32), tokens

    def _found_in_parts(self, words: tf.RaggedTensor, numbers: tf.Tensor, look_up: LookUp) -> tuple:
        """The words with those that have no vector split, and what `_found` says of the parts."""
        forms = words.flat_values
        for pattern in look_up.splits:
            words = _split(words, numbers < 0, pattern, look_up)
            numbers, forms = self._found(words.flat_values, look_up)
        return words, numbers, forms

    def _found(self, words: tf.Tensor, look_up: LookUp) -> tuple[tf.Tensor, tf.Tensor]:
        """The number of the first form of each whole word that has a vector, or -1, and that form."""
        written = tf.stack([words, _plain(words)] if look_up.plain_apostrophes else [words])
        forms = tf.concat([written, lowered(written)], axis=0)
        numbers = self._numbers(forms)
        first = tf.argmax(numbers >= 0, axis=0)
        return tuple(tf.gather(tf.transpose(each), first, batch_dims=1) for each in (numbers, forms))

    def _numbers(self, words: tf.Tensor) -> tf.Tensor:
        for sign, escape in _ESCAPES.items():
            words = tf.strings.regex_replace(words, sign, escape)
        return self.table.lookup(words)


def _plain(words: tf.Tensor) -> tf.Tensor:
    return tf.strings.regex_replace(words, APOSTROPHES, PLAIN)


def _split(words: tf.RaggedTensor, unknown: tf.Tensor, pattern: str, look_up: LookUp) -> tf.RaggedTensor:
    """The words with those that are unknown, bool [words of the batch], split by a pattern of `LookUp`."""
    written = words.flat_values
    whole = _plain(written) if look_up.plain_apostrophes else written
    cut = tf.strings.regex_replace(whole, pattern, PARTS)
    is_cut = unknown & tf.not_equal(cut, whole)
    parts = tf.strings.split(tf.where(is_cut, cut, ""), " ")
    origin = parts.value_rowids()
    parts = parts.with_values(tf.where(tf.gather(is_cut, origin), parts.values, tf.gather(written, origin)))
    return words.with_flat_values(parts).merge_dims(1, 2)


def _spaced(transcripts: tf.Tensor) -> tf.Tensor:
    return tf.strings.regex_replace(tf.strings.regex_replace(transcripts, TAG, " "), SPACE, " ")


def _without_empty(words: tf.RaggedTensor) -> tf.RaggedTensor:
    return tf.ragged.boolean_mask(words, words.with_flat_values(tf.not_equal(words.flat_values, "")))


def _escaped(word: str) -> str:
    for sign, escape in _ESCAPES.items():
        word = word.replace(sign, escape)
    return word
