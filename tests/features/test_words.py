"""Transcripts as words, in Python and with the same patterns in TensorFlow's regular expressions (RE2)."""

import unicodedata

import pytest
import regex
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tfcr.features.words import OUTER_PUNCTUATION, SPACE, TAG, split_words


@pytest.mark.parametrize(("transcript", "words"), [
    ("", []),
    (" \t\n ", []),
    ("... -- !?", []),
    ("Hello.", ["Hello"]),
    ("Excuse me, do you have your forms?", ["Excuse", "me", "do", "you", "have", "your", "forms"]),
    ("[LAUGHTER] Oh, my god. [BREATHING]", ["Oh", "my", "god"]),
    ("[LAUGHTER]", []),
    ("so[LAUGHTER]what", ["so", "what"]),
    ("[[GARBAGE] it", ["it"]),
    ("an [open bracket", ["an", "open", "bracket"]),
    ("[one tag] word [another one]", ["word"]),
    ("I don't, don't I?", ["I", "don't", "don't", "I"]),
    ("'Tis the boys' twenty-one--", ["Tis", "the", "boys", "twenty-one"]),
    ("well--no", ["well--no"]),
    ("It's 5:30, $20.50!", ["It's", "5:30", "20.50"]),
    ("WORDS as Written", ["WORDS", "as", "Written"]),
    ("two\u00a0words\u2003three\u3000four\u2028five", ["two", "words", "three", "four", "five"]),  # white space
    ("a\x1cb\x1fc\x85d\x0be\x0cf", ["a", "b", "c", "d", "e", "f"]),
    ("zero\u200bwidth\ufeff", ["zero\u200bwidth"]),  # a format character is no white space
    ("na\u00efve cafe\u0301s", ["na\u00efve", "caf\u00e9s"]),  # composed, however it was typed
    ("q\u0301s eq\u0301 eq\u0301...", ["q\u0301s", "eq\u0301", "eq\u0301"]),  # a mark stays, also at an end
    ("\u0939\u093f\u0902\u0926\u0940!", ["\u0939\u093f\u0902\u0926\u0940"]),  # Hindi ends words with vowel signs
    ("\u0301a .\u0301", ["a"]),  # a mark on nothing, or on a full stop, is no part of a word
    ("yes\u2764\ufe0f \u2764\ufe0f", ["yes"]),  # an emoji's variation selector is a mark
    ("\u00bfQu\u00e9? \u00abOui\u00bb \u201eJa\u201c", ["Qu\u00e9", "Oui", "Ja"]),
    ("\u05e9\u05dc\u05d5\u05dd, \u05d8\u05d5\u05d1!", ["\u05e9\u05dc\u05d5\u05dd", "\u05d8\u05d5\u05d1"]),  # RTL
    ("\u200f\u0645\u0631\u062d\u0628\u0627\u200f", ["\u0645\u0631\u062d\u0628\u0627"]),  # of direction
    ("\u4f60\u597d\uff0c\u4e16\u754c\u3002", ["\u4f60\u597d\uff0c\u4e16\u754c"]),  # no spaces, one word
    ("great \U0001f600 \U0001f44d\U0001f3fd day\U0001f600", ["great", "day"]),  # emoji
    ("\u2163 \u00bd x\u00b2", ["\u2163", "\u00bd", "x\u00b2"]),  # other numbers are numbers
    ("Stra\u00dfe \u0130stanbul", ["Stra\u00dfe", "\u0130stanbul"]),
    ("nul\x00inside \x00", ["nul\x00inside"]),
])  # fmt: skip
def test_words_are_as_written_without_tags_and_outer_punctuation(transcript, words):
    assert split_words(transcript) == words
    assert split_in_graph(transcript) == words


def split_in_graph(transcript):
    """`split_words` of composed text in TensorFlow's operations and nothing but the shared patterns."""
    spaced = tf.strings.regex_replace(unicodedata.normalize("NFC", transcript), TAG, " ")
    spaced = tf.strings.regex_replace(spaced, SPACE, " ")
    words = tf.strings.regex_replace(tf.strings.split(spaced, " "), OUTER_PUNCTUATION, "")
    return [word.decode() for word in words.numpy() if word]


# unassigned code points are left out: the two engines know different versions of Unicode. So are lone surrogates,
# which are no text
characters = st.characters(exclude_categories=["Cs", "Cn"])
spoken = st.text(st.one_of(characters, st.sampled_from(list("ab1[]'-.,! \t\n\u00a0\u0301\u200f"))), max_size=30)


@settings(max_examples=300, deadline=None)
@given(spoken)
@example("a.\n")  # Python's $ also matches before a last line break
@example("\n.a")
@example("[\n]")
@example(".\u0085.")
@example("...a...b...")
def test_one_pattern_serves_python_and_re2(transcript):
    assert split_in_graph(transcript) == split_words(transcript)


@pytest.mark.parametrize("word", [".a\n", "a.\n", "\n\na", "a\n.b", ".\n."])
def test_the_anchors_mean_the_ends_of_the_word_in_both_engines(word):
    assert tf.strings.regex_replace(word, OUTER_PUNCTUATION, "").numpy().decode() == regex.sub(
        OUTER_PUNCTUATION, "", word
    )


@settings(max_examples=100, deadline=None)
@given(spoken)
def test_words_are_whole_and_stay_as_they_are_when_split_again(transcript):
    words = split_words(transcript)
    assert all(words)
    assert split_words(" ".join(words)) == words or "[" in transcript  # words may make a tag between them
