"""Unicode's normal form C inside a graph, as `unicodedata.normalize("NFC", …)` has it.

The algorithm is that of Unicode Standard Annex #15: characters are decomposed, marks sorted by their class, and pairs
composed again. Its tables come from Python's `unicodedata` when a graph is made.
"""

import functools
import unicodedata
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

_END = 0x30000  # no character from here on decomposes or has a class
_MOST_PARTS = 4  # of a character
_NONE = -1
_CLASSES = 256

# Hangul syllables are numbered by their letters: a lead, a vowel and, where there is one, a tail (Unicode 3.12)
_SYLLABLES, _LEADS, _VOWELS, _TAILS = 0xAC00, 0x1100, 0x1161, 0x11A7
_NUM_LEADS, _NUM_VOWELS, _NUM_TAILS = 19, 21, 28  # the first tail is none
_NUM_SYLLABLES = _NUM_LEADS * _NUM_VOWELS * _NUM_TAILS


def composed(texts: tf.Tensor) -> tf.Tensor:
    """Normal form C of string [batch] in UTF-8; what is not UTF-8 becomes some text."""
    is_composed = tf.strings.regex_full_match(texts, f"[^{_tables().unsettled}]*")
    return tf.cond(
        tf.reduce_all(is_composed), lambda: texts, lambda: tf.where(is_composed, texts, _every_composed(texts))
    )


class _Characters(NamedTuple):
    """The characters of a batch, one text behind the other.

    Attributes:
        codes, classes: int32 [characters]; the class is 0 of a letter, and says where a mark stands at it.
        rows: int64 [characters], the text of each.
    """

    codes: tf.Tensor
    classes: tf.Tensor
    rows: tf.Tensor


def _every_composed(texts: tf.Tensor) -> tf.Tensor:
    characters = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
    codes, rows = _decomposed(characters.flat_values, characters.value_rowids())
    ordered = _ordered(_Characters(codes, tf.maximum(_found(codes, _tables().classes), 0), rows))
    any_size = tf.TensorShape([None])
    _, left = tf.while_loop(
        lambda goes_on, _: goes_on,
        lambda _, characters: _composed_once(characters),
        (True, ordered),
        shape_invariants=(tf.TensorShape([]), _Characters(any_size, any_size, any_size)),
    )
    nrows = tf.size(texts, tf.int64)
    ragged = tf.RaggedTensor.from_value_rowids(left.codes, left.rows, nrows, validate=False)
    return tf.strings.unicode_encode(ragged, "UTF-8")


def _decomposed(codes: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Characters as their parts, and the rows of these."""
    parts = tf.concat([codes[:, None], tf.fill([tf.size(codes), _MOST_PARTS - 1], _NONE)], axis=1)
    found = _found(codes, _tables().decomposed)
    parts = tf.where((found >= 0)[:, None], tf.gather(_tables().parts, tf.maximum(found, 0)), parts)
    number = codes - _SYLLABLES
    tail = number % _NUM_TAILS
    letters = [
        _LEADS + number // (_NUM_VOWELS * _NUM_TAILS),
        _VOWELS + number // _NUM_TAILS % _NUM_VOWELS,
        tf.where(tail > 0, _TAILS + tail, _NONE),
        tf.fill(tf.shape(codes), _NONE),
    ]
    parts = tf.where(_within(number, 0, _NUM_SYLLABLES)[:, None], tf.stack(letters, axis=1), parts)
    is_part = parts >= 0
    return tf.boolean_mask(parts, is_part), tf.boolean_mask(tf.repeat(rows[:, None], _MOST_PARTS, axis=1), is_part)


def _ordered(characters: _Characters) -> _Characters:
    """The marks behind each letter sorted by their class, those of one class as they were."""
    codes, classes, rows = characters
    begins = (classes == 0) | tf.concat([[True], rows[1:] != rows[:-1]], axis=0)
    place = tf.cumsum(tf.cast(begins, tf.int64)) * _CLASSES + tf.cast(classes, tf.int64)
    size = tf.size(codes, tf.int64)
    order = tf.argsort(place * size + tf.range(size))
    return _Characters(*(tf.gather(each, order) for each in (codes, classes, rows)))


def _composed_once(characters: _Characters) -> tuple[tf.Tensor, _Characters]:
    """Whether any two characters were composed, and the characters with the first such pair of every letter composed.

    A letter takes the first character behind it that it has a pair with, unless one of the same class, or another
    letter, stands between them. Once it has, a mark passed over before has no pair with it either: else that pair's
    character would be another's normal form.
    """
    codes, classes, rows = characters
    is_letter = classes == 0
    letters = tf.concat([[0], tf.where(is_letter)[:, 0]], axis=0)
    letter = tf.gather(letters, tf.cumsum(tf.cast(is_letter, tf.int32), exclusive=True))  # the last one before
    position = tf.range(tf.size(codes, tf.int64))
    has_letter = (letter < position) & tf.gather(is_letter, letter) & (tf.gather(rows, letter) == rows)
    reaches = (letter == position - 1) | (tf.concat([[0], classes[:-1]], axis=0) < classes)
    pairs = _pairs(tf.gather(codes, letter), codes)
    taken = tf.where(has_letter & reaches & (pairs >= 0))[:, 0]
    by = tf.gather(letter, taken)
    is_first = tf.concat([[True], by[1:] != by[:-1]], axis=0)[: tf.size(by)]
    taken, by = tf.boolean_mask(taken, is_first), tf.boolean_mask(by, is_first)
    codes = tf.tensor_scatter_nd_update(codes, by[:, None], tf.gather(pairs, taken))
    stays = tf.tensor_scatter_nd_update(tf.ones_like(is_letter), taken[:, None], tf.zeros_like(taken, tf.bool))
    left = _Characters(*(tf.boolean_mask(each, stays) for each in (codes, classes, rows)))
    return tf.size(taken) > 0, left


def _pairs(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """The characters that pairs are composed to, or -1."""
    keys = _key(tf.cast(first, tf.int64), tf.cast(second, tf.int64))
    lead, vowel, syllable, tail = first - _LEADS, second - _VOWELS, first - _SYLLABLES, second - _TAILS
    opens = _within(lead, 0, _NUM_LEADS) & _within(vowel, 0, _NUM_VOWELS)
    closes = _within(syllable, 0, _NUM_SYLLABLES) & (syllable % _NUM_TAILS == 0) & _within(tail, 1, _NUM_TAILS)
    found = _found(keys, _tables().pairs)
    found = tf.where(opens, _SYLLABLES + (lead * _NUM_VOWELS + vowel) * _NUM_TAILS, found)
    return tf.where(closes, first + tail, found)


def _within(numbers: tf.Tensor, begin: int, end: int) -> tf.Tensor:
    return (numbers >= begin) & (numbers < end)


def _key(first, second):
    return first * 0x110000 + second


class _Table(NamedTuple):
    """Numbers by sorted keys."""

    keys: np.ndarray
    values: np.ndarray


def _found(keys: tf.Tensor, table: _Table) -> tf.Tensor:
    """int32, of the shape of the keys: the numbers that a table has, and -1 where it has none."""
    place = tf.minimum(tf.searchsorted(table.keys, keys), len(table.keys) - 1)
    return tf.where(tf.gather(table.keys, place) == keys, tf.gather(table.values, place), _NONE)


class _Tables(NamedTuple):
    """What Unicode says of characters, without Hangul's.

    Attributes:
        unsettled: the inside of a regular expression's class: every character that is not, or may not be, in normal
            form C where it stands. A text without one of them is composed.
        decomposed: a character's number of the rows in `parts`.
        parts: int32 [characters, 4], padded with -1.
        classes: of the marks.
        pairs: the character of each pair, by the pair's key.
    """

    unsettled: str
    decomposed: _Table
    parts: np.ndarray
    classes: _Table
    pairs: _Table


@functools.cache
def _tables() -> _Tables:
    syllables = range(_SYLLABLES, _SYLLABLES + _NUM_SYLLABLES)
    codes = [code for code in range(_END) if not 0xD800 <= code < 0xE000 and code not in syllables]
    parts = {
        code: [*map(ord, whole)] for code in codes if (whole := unicodedata.normalize("NFD", chr(code))) != chr(code)
    }
    classes = {code: place for code in codes if (place := unicodedata.combining(chr(code)))}
    pairs, behind = {}, set()
    for code in parts:
        pair = [int(part, 16) for part in unicodedata.decomposition(chr(code)).split()]
        if len(pair) == 2 and unicodedata.normalize("NFC", chr(code)) == chr(code):
            pairs[_key(*pair)] = code
            behind.add(pair[1])
    other = {code for code in parts if unicodedata.normalize("NFC", chr(code)) != chr(code)}
    hangul = {*range(_VOWELS, _VOWELS + _NUM_VOWELS), *range(_TAILS + 1, _TAILS + _NUM_TAILS)}
    return _Tables(
        "".join(rf"\x{{{code:x}}}" for code in sorted(other | behind | hangul | classes.keys())),
        _table(dict(zip(parts, range(len(parts)), strict=True)), np.int32),
        np.array([each + [_NONE] * (_MOST_PARTS - len(each)) for each in parts.values()], np.int32),
        _table(classes, np.int32),
        _table(pairs, np.int64),
    )


def _table(numbers: Mapping[int, int], key_type: type) -> _Table:
    keys = sorted(numbers)
    return _Table(np.array(keys, key_type), np.array([numbers[key] for key in keys], np.int32))
