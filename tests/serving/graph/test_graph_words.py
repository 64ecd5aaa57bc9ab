"""Words in a graph are Python's words, whatever is written and whatever language the machine is set to."""

import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from glove import SENTENCES

from tfcr.features import words as python
from tfcr.features.embeddings import WordVectors
from tfcr.features.look_up import OF_MAKERS, WHOLE
from tfcr.features.presets import PRESETS
from tfcr.serving.graph import words as graph_words

_PIECES = [
    "[LAUGHTER]", "[", "]", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\x85", "\x1f", "\x00",
    "\ufeff", ".", ",", "!", "?", "...", "'", "-", "--", "%", "50%", "1999", "3.5", "(", ")", "/", "\\1", "\\",
    "$0", "&amp;", "don't", "The", "THE", "cafe\u0301", "CAFÉ", "\u0301", "ß", "STRASSE", "ẞ", "DŽ", "Dž", "ﬁ", "Ⅷ",
    "\U00010400", "İ", "İSTANBUL", "I\u0307", "ISPARTA", "J\u030c", "Ĩ", "Į\u0301", "\u2c2f", "\U00010570",
    "ΟΔΟΣ", "Σ", "ΑΣ.", "ΣΑΣ'", "οδός", "\u4f60\u597d\u3002",
    "\U0002ebf0", "\U0002ee5d-\U000323b0",  # ideographs that are younger than TensorFlow's tables
    "\u05e9\u05dc\u05d5\u05dd", "\u200f", "\u202e", "\u0645\u0631\u062d\u0628\u0627", "\u0661\u0662",
    "\U0001f600", "\U0001f44d\U0001f3fd", "\u2764\ufe0f", "\U0001f468\u200d\U0001f469\u200d\U0001f467",
]  # fmt: skip


def _characters() -> list[str]:
    """Every assigned character but surrogates, which are no text."""
    return [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) not in ("Cn", "Cs")]


def random_transcripts(number: int, seed: int = 0) -> list[str]:
    """Transcripts of up to 40 pieces: half of them any character, half what has rules of its own."""
    random, characters = np.random.default_rng(seed), _characters()
    transcripts = []
    for _ in range(number):
        pieces = [
            characters[random.integers(len(characters))]
            if random.random() < 0.5
            else _PIECES[random.integers(len(_PIECES))]
            for _ in range(random.integers(41))
        ]
        transcripts.append((" " if random.random() < 0.3 else "").join(pieces))
    return transcripts


@pytest.mark.parametrize(("preset", "expected"), [("paper", python.split_words), ("authors", python.split_tokens)])
def test_a_thousand_unicode_transcripts_have_the_words_of_python(preset, expected):
    transcripts = random_transcripts(1000)
    assert {"İ", "ß", "ΟΔΟΣ", "\U0001f600", "\u05e9\u05dc\u05d5\u05dd", "[LAUGHTER]"} <= {
        piece for piece in _PIECES if any(piece in transcript for transcript in transcripts)
    }
    found = graph_words.SPLIT[preset](tf.constant([transcript.encode() for transcript in transcripts]))
    for transcript, words in zip(transcripts, found.to_list(), strict=True):
        assert [word.decode() for word in words] == expected(transcript), ascii(transcript)


def test_every_character_is_lowered_as_python_does():
    # alone, and behind a capital sigma, which is another letter at the end of a word
    every = (chr(code) for code in range(1, 0x110000) if not 0xD800 <= code <= 0xDFFF)
    characters = [character for character in every if unicodedata.category(character) != "Cn"]
    for texts in (characters, [f"ΑΣ{character}" for character in characters]):
        found = graph_words.lowered(tf.constant([text.encode() for text in texts])).numpy()
        assert [
            (ascii(text), ascii(small.decode()))
            for text, small in zip(texts, found, strict=True)
            if small.decode() != python.lowered(text)
        ] == []


def test_the_language_of_the_machine_changes_no_word(fresh_process):
    # in Turkish, the small letter of I is \u0131
    assert fresh_process["lowered"] == [text.lower() for text in fresh_process["texts"]]


WORDS = [
    "the",
    "The",
    "café",
    "straße",
    "i\u0307",
    "100%",
    "two words",
    "new\nline",
    "tab\tbed",
    "\rcarriage",
    "%0A",
    "\U0001f600",
]


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).normal(size=(len(WORDS), 300)).astype(np.float32)


@pytest.fixture(scope="module")
def vocabulary(vectors, tmp_path_factory):
    return graph_words.Vocabulary(graph_words.write_asset(tmp_path_factory.mktemp("asset"), WORDS), vectors)


def test_words_are_looked_up_as_embed_does_and_line_breaks_survive_in_the_asset(vocabulary, vectors):
    sentences = [
        [],
        ["The", "the", "THE", "tHe", "unknown", "CAFÉ", "STRASSE", "STRAßE", "İ"],
        WORDS,
        ["nothing", "known"],
        ["the", "not", *WORDS] * 5,  # more than 30 of 65 words have a vector
    ]
    python_vectors = WordVectors(dict(zip(WORDS, vectors, strict=True)), "made up")
    embeddings, num_tokens, tokens = vocabulary.embed(tf.ragged.constant(sentences, tf.string), WHOLE)
    assert embeddings.shape == (5, 30, 300) and tokens.shape == (5, 30)
    for row, words in enumerate(sentences):
        known, expected = python_vectors.embed(words)
        np.testing.assert_array_equal(embeddings[row], expected)
        assert num_tokens[row] == len(known)
        shown = [token.decode() for token in tokens[row].numpy()]
        assert shown == (known[:30] + [""] * 30)[:30]


PARTS = [
    "do",
    "n't",
    "ca",
    "i",
    "I",
    "'m",
    "'s",
    "'ve",
    "'d",
    "no",
    "No",
    "mother-in-law",
    "o'clock",
    "what",
    "why",
    "é",
    "Σ",
    "σ",
    "ς",
    "x",
    "y",
    "don’t",
    "two\xa0words",
]


def _dialogue(number: int, seed: int = 1) -> list[str]:
    """Transcripts of words that are split, words that are found whole, and any character, run together or apart."""
    random, characters = np.random.default_rng(seed), _characters()
    joints = [
        " ",
        " ",
        "-",
        "--",
        "\u2013",
        "\u2014",
        "/",
        "...",
        "\u2026",
        "'",
        "\u2019",
        "n't",
        "N\u2019T",
        "'S",
        "'ve",
        "",
    ]
    transcripts = []
    for _ in range(number):
        pieces = []
        for _ in range(random.integers(30)):
            kind = random.random()
            pool = PARTS if kind < 0.6 else _PIECES if kind < 0.8 else characters
            pieces += [pool[random.integers(len(pool))], joints[random.integers(len(joints))]]
        transcripts.append("".join(pieces))
    return transcripts


@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_a_thousand_transcripts_have_the_tokens_of_python(preset, tmp_path):
    random = np.random.default_rng(0)
    made_of, made_up = PRESETS[preset], _dialogue(800) + random_transcripts(200, seed=2)
    seen = sorted({word for transcript in made_up for word in made_of.split_words(transcript)})
    known = sorted({*PARTS, *random.choice(seen, len(seen) // 4).tolist()})  # a quarter is found whole
    vectors = random.normal(size=(len(known), 300)).astype(np.float32)
    expected = WordVectors(dict(zip(known, vectors, strict=True)), "made up", look_up=made_of.look_up)
    vocabulary = graph_words.Vocabulary(graph_words.write_asset(tmp_path, known), vectors)
    words = graph_words.SPLIT[preset](tf.constant([transcript.encode() for transcript in made_up]))
    embeddings, num_tokens, tokens = (each.numpy() for each in vocabulary.embed(words, made_of.look_up))
    split = 0
    for row, transcript in enumerate(made_up):
        written = made_of.split_words(transcript)
        found, rows = expected.embed(written)
        split += found != expected_whole(written, known)
        assert [token.decode() for token in tokens[row] if token] == found[:30], ascii(transcript)
        assert num_tokens[row] == len(found)
        np.testing.assert_array_equal(embeddings[row], rows)
    assert split > 400 if preset == "paper" else split == 0


@pytest.mark.full
def test_words_of_dialogue_have_the_tokens_of_python_with_vectors_of_glove(glove, tmp_path):
    made_of = PRESETS["paper"]
    expected = WordVectors(dict(zip(glove.words, glove.vectors, strict=True)), "GloVe", "", False, made_of.look_up, 50)
    vocabulary = graph_words.Vocabulary(graph_words.write_asset(tmp_path, glove.words), glove.vectors)
    words = graph_words.split_words(tf.constant([sentence.encode() for sentence in SENTENCES]))
    embeddings, _, tokens = (each.numpy() for each in vocabulary.embed(words, made_of.look_up))
    for row, sentence in enumerate(SENTENCES):
        found, rows = expected.embed(python.split_words(sentence))
        assert [token.decode() for token in tokens[row] if token] == found[:30]
        np.testing.assert_array_equal(embeddings[row], rows)


def expected_whole(words, known):
    return [form for word in words for form in WHOLE.known(word, known)]


def test_the_asset_is_read_back(tmp_path):
    assert graph_words.read_asset(graph_words.write_asset(tmp_path, WORDS)) == WORDS


def test_a_vocabulary_without_words_knows_none(tmp_path):
    asset = graph_words.write_asset(tmp_path, [])
    nothing = graph_words.Vocabulary(asset, np.zeros((0, 300), np.float32))
    embeddings, num_tokens, tokens = nothing.embed(tf.ragged.constant([["%", "a-b", ""], []], tf.string), OF_MAKERS)
    assert num_tokens.numpy().tolist() == [0, 0] and not embeddings.numpy().any() and not tokens.numpy().any()
    assert graph_words.read_asset(asset) == []


def test_no_transcripts_have_no_words(vocabulary):
    words = graph_words.split_words(tf.zeros([0], tf.string))
    embeddings, num_tokens, tokens = vocabulary.embed(words, OF_MAKERS)
    assert embeddings.shape == (0, 30, 300) and num_tokens.shape == (0,) and tokens.shape == (0, 30)


def test_what_is_no_utf8_is_told():
    texts = [
        b"",
        b"plain",
        "Zoë \U0001f600 \x00 \ufffd \ufdd0".encode(),
        b"\xff",
        b"caf\xe9",
        b"\xed\xa0\x80",
        b"cut \xc3",
    ]
    assert graph_words.is_utf8(tf.constant(texts)).numpy().tolist() == [True, True, True, False, False, False, False]
