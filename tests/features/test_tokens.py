"""The tokens of the preset `authors`, in Python and with the same patterns in TensorFlow's expressions (RE2)."""

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcr.features.words import DROPPED_TOKEN, PER_CENT, PUNCTUATION_TOKEN, SPACE, TAG, split_tokens


@pytest.mark.parametrize(("transcript", "tokens"), [
    ("", []),
    ("Excuse me.", ["excuse", "me", "."]),
    ("Oh, my god!  What?", ["oh", ",", "my", "god", "!", "what", "?"]),
    ("I don't know...", ["i", "don't", "know", ".", ".", "."]),
    ("[LAUGHTER] Yes.", ["yes", "."]),
    ("in 1999 or 20 years", ["in", "or", "years"]),
    ("route 66.", ["route", "66", "."]),  # numbers are looked for before punctuation is split off
    ("50% - or (so) / ( more )", ["50", "percent", "or", "(so)", "more"]),
    ("well--no; it's 5:30", ["well--no;", "it's", "5:30"]),
    ("Na\u00efve CAF\u00c9", ["na\u00efve", "caf\u00e9"]),
])  # fmt: skip
def test_tokens_are_lower_case_and_marks_stand_alone(transcript, tokens):
    assert split_tokens(transcript) == tokens
    assert tokens_in_graph(transcript) == tokens


def tokens_in_graph(transcript):
    """`split_tokens` in TensorFlow's operations and nothing but the shared patterns."""
    spaced = tf.strings.regex_replace(tf.strings.regex_replace(transcript.lower(), TAG, " "), SPACE, " ")
    words = tf.strings.split(spaced, " ")
    words = tf.boolean_mask(words, ~tf.strings.regex_full_match(words, DROPPED_TOKEN))
    spaced = tf.strings.regex_replace(tf.strings.reduce_join(words, separator=" "), PUNCTUATION_TOKEN, r" \1 ")
    spaced = tf.strings.regex_replace(spaced, PER_CENT, " percent ")
    return [token.decode() for token in tf.strings.split(spaced, " ").numpy() if token]


characters = st.characters(exclude_categories=["Cs", "Cn"])


@settings(max_examples=200, deadline=None)
@given(st.text(st.one_of(characters, st.sampled_from(list("ab1[]%-/().,!? \t\n\u00a0"))), max_size=30))
def test_one_set_of_patterns_serves_python_and_re2(transcript):
    assert tokens_in_graph(transcript) == split_tokens(transcript)
