"""Accents typed as marks of their own are composed in a graph as Python composes them, and lose no word."""

import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from test_graph_words import random_transcripts
from wav_files import noise, wav

from tfcr.features.presets import PRESETS
from tfcr.serving.graph.composing import composed
from tfcr.serving.graph.words import SPLIT

_CHARACTERS = [chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
_SENTENCES = [
    "Où l’été a été, mon frère? Ça m'étonne.",
    "Zoë's café [LAUGHTER] — naïve coöperation",
    "Tôi đã nói rằng tiếng Việt khó lắm, được chưa?",
    "Καλημέρα, τί κάνεις; ᾧ ᾳ ΐ ὧ",
    "Её чёрный йод, їжак",
    "안녕하세요 값이 얼마예요",
    "ベッドでがんばる",
    "שָׁלוֹם עֲלֵיכֶם",
    "ক্ষোভ கொடு ෝ",
    "A\u030angstro\u0308m \u212b \u1e69 s\u0307\u0323 \u0344",
]


def _in_graph(texts):
    return [text.decode() for text in composed(tf.constant([text.encode() for text in texts])).numpy()]


def _nfc(texts):
    return [unicodedata.normalize("NFC", text) for text in texts]


def test_every_character_is_composed_alone_and_from_its_parts():
    decomposed = [parts for each in _CHARACTERS if (parts := unicodedata.normalize("NFD", each)) != each]
    for texts in (_CHARACTERS, decomposed):
        pairs = zip(_in_graph(texts), _nfc(texts), strict=True)
        assert [(ascii(found), ascii(right)) for found, right in pairs if found != right] == []


def test_marks_in_any_order_are_composed_as_python_does():
    random = np.random.default_rng(0)
    letters = [
        *"aeiouAEIOUdnsty",
        *"αωυΩ",
        *"еи",
        "\u1100",
        "\u1161",
        "\u11a8",
        "가",
        "é",
        "ộ",
        " ",
        "\u0dd9",
        "\u0dcf",
    ]
    marks = [
        *map(chr, [*range(0x300, 0x314), *range(0x323, 0x333), 0x31B, 0x342, 0x345, 0x5B0, 0x5C1, 0x94D, 0xDCA]),
        "\u1161",
        "\u11a8",
        "\u09be",
    ]
    texts = [
        "".join(random.choice(marks) if random.random() < 0.6 else random.choice(letters) for _ in range(12))
        for _ in range(5000)
    ]
    assert [*map(ascii, _in_graph(texts))] == [*map(ascii, _nfc(texts))]


def test_what_is_composed_and_what_is_no_text_is_left_alone_and_no_text_has_no_characters():
    assert composed(tf.zeros([0], tf.string)).shape == (0,)
    assert composed(tf.constant([b"", b"plain \x00", b"e\xcc\x81"])).numpy().tolist() == [
        b"",
        b"plain \x00",
        b"\xc3\xa9",
    ]
    assert composed(tf.constant([b"\xff", b"e\xcc\x81"])).numpy().tolist()[1] == b"\xc3\xa9"


def _mixed(text, random):
    """A text of whose words each is composed, decomposed, or as it is."""
    forms = ("NFC", "NFD", "")
    words = ((word, forms[random.integers(3)]) for word in text.split(" "))
    return " ".join(unicodedata.normalize(form, word) if form else word for word, form in words)


@pytest.mark.parametrize("preset", ["paper", "authors"])
def test_a_thousand_transcripts_in_any_normal_form_have_the_words_of_python(preset):
    random = np.random.default_rng(0)
    written = [_SENTENCES[number % len(_SENTENCES)] for number in range(500)] + random_transcripts(500, seed=3)
    for texts in (
        written,
        _nfc(written),
        [unicodedata.normalize("NFD", text) for text in written],
        [_mixed(text, random) for text in written],
    ):
        found = SPLIT[preset](tf.constant([text.encode() for text in texts])).to_list()
        for text, words in zip(texts, found, strict=True):
            assert [word.decode() for word in words] == PRESETS[preset].split_words(text), ascii(text)
            assert [word.decode() for word in words] == PRESETS[preset].split_words(unicodedata.normalize("NFC", text))


def test_an_export_composes_what_it_is_asked(served):
    # U+1FFD, a Greek acute, is composed to U+00B4, which is read as an apostrophe: that, 's
    answer = served["explain"](
        audio_bytes=tf.constant([wav(noise(0.5))] * 2), transcript=tf.constant(["that\u1ffds", "that's"])
    )
    first, second = answer["tokens"].numpy()
    assert first.tolist() == second.tolist() and first[0] == b"that"
    np.testing.assert_array_equal(*answer["logits"].numpy())
