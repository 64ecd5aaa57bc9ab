"""The order in which a word is looked up, with small vocabularies and with GloVe's own."""

import hashlib
import json

import pytest
from glove import SENTENCES

from tfcr.corpora import manifest
from tfcr.corpora.synthetic.plans import planned
from tfcr.corpora.synthetic.sentences import transcript
from tfcr.features.look_up import OF_MAKERS, WHOLE
from tfcr.features.words import lowered, split_words

KNOWN = {
    *[
        "do",
        "n't",
        "i",
        "'m",
        "'re",
        "'s",
        "'ve",
        "'ll",
        "'d",
        "it's",
        "ca",
        "no",
        "what",
        "why",
        "i'd",
        "we",
        "should",
        "have",
        "and",
        "or",
        "mother-in-law",
        "Apple",
        "apple",
    ]
}


@pytest.mark.parametrize(("word", "forms"), [
    ("Apple", ["Apple"]),  # as written
    ("APPLE", ["apple"]),  # in lower case
    ("it\u2019s", ["it's"]),  # with a plain apostrophe
    ("It\u2019s", ["it's"]),
    ("I\u2019D", ["i'd"]),  # the whole has a vector: not i 'd
    ("don't", ["do", "n't"]),
    ("DON\u2019T", ["do", "n't"]),
    ("can`t", ["ca", "n't"]),
    ("I'm", ["i", "'m"]),
    ("we\u02bcre", ["we", "'re"]),
    ("shouldn't've", ["should", "n't", "'ve"]),
    ("I'd've", ["i'd", "'ve"]),  # one clitic at a time, for what is left may have a vector
    ("No-no-no", ["no", "no", "no"]),
    ("What\u2014Why", ["what", "why"]),
    ("no\u2026no...no", ["no", "no", "no"]),
    ("and/or", ["and", "or"]),
    ("i-i-i-i-i", ["i"] * 5),  # every other hyphen is seen by the second pass
    ("Mother-in-law", ["mother-in-law"]),
    ("mother-in-law's", ["mother-in-law", "'s"]),
    ("Don\u2019t-what", ["do", "n't", "what"]),
    ("xyzzy's", ["'s"]),
    ("xyzzy", []),
    ("5-what", []),  # a hyphen between letters alone
    ("e\u0301-no", ["no"]),  # a letter with its mark is a letter
    ("n't", ["n't"]),
    ("'s", ["'s"]),
    ("", []),
])  # fmt: skip
def test_a_word_is_looked_up_whole_and_then_in_its_parts(word, forms):
    assert OF_MAKERS.known(word, KNOWN) == forms
    assert set(forms) <= OF_MAKERS.asked(word)  # what is read from a file of vectors is enough


def test_the_code_of_the_authors_splits_nothing():
    for word in ("don't", "it\u2019s", "no-no", "Apple"):
        assert WHOLE.known(word, {"do", "n't", "it's", "no", "apple"}) == (["apple"] if word == "Apple" else [])


def test_a_word_without_any_vector_stays_whole():
    assert OF_MAKERS.parts("foo-bar's", {"foo"}) == [("foo", "foo"), ("bar", None), ("'s", None)]
    assert OF_MAKERS.parts("foo-bar's", set()) == [("foo-bar's", None)]


def test_what_was_found_among_all_words_is_found_among_those_of_the_corpus():
    # workers and exports know only the forms that the corpus has
    words = ["Don\u2019t", "don't", "I\u2019d've", "No-no", "Mother-in-law's", "APPLE", "Apple", "it\u2019s", "and/or"]
    found = {word: OF_MAKERS.known(word, KNOWN) for word in words}
    fewer = {form for forms in found.values() for form in forms}
    assert {word: OF_MAKERS.known(word, fewer) for word in words} == found


def _tokens(transcripts):
    """What is looked up where vectors are trained on the transcripts: they know every word, in lower case."""
    sentences = [split_words(transcript) for transcript in transcripts]
    known = {lowered(word) for sentence in sentences for word in sentence}
    tokens, whole = (
        [[form for word in sentence for form in look_up.known(word, known)] for sentence in sentences]
        for look_up in (OF_MAKERS, WHOLE)
    )
    assert tokens == whole
    return hashlib.sha256(json.dumps(tokens).encode()).hexdigest()[:16]


def test_the_synthetic_corpus_keeps_its_tokens():
    assert _tokens(transcript(plan, 0) for plan in planned(0, 0.2, 1200)) == "da4bb8c656d859cd"


def test_real_speech_keeps_its_tokens(real_corpus):
    sha256 = _tokens(utterance.transcript for utterance in manifest.read(real_corpus).utterances)
    assert sha256 == "31bb6cfe8d1fc116" or real_corpus.name != "emodb"


@pytest.mark.full
def test_words_of_dialogue_find_vectors_of_glove(glove):
    known = set(glove.words)
    words = [word for sentence in SENTENCES for word in split_words(sentence)]
    found = {word: OF_MAKERS.parts(word, known) for word in words}
    lacking = [word for word in words if any(form is None for _, form in found[word])]
    assert len(lacking) < 0.02 * len(words), lacking
    before = sum(bool(WHOLE.known(word, known)) for word in words)
    assert before < 0.75 * len(words)  # as written and in lower case alone
    for word, parts in found.items():
        plain = word.translate(dict.fromkeys(map(ord, "\u2019"), "'"))
        has_vector = known & {word, word.lower(), plain, plain.lower()}
        assert (len(parts) == 1) or not has_vector, word
