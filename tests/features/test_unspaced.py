"""What is told of scripts without spaces."""

import pytest

from tfcr.features.unspaced import is_sentence, share_of_sentences


@pytest.mark.parametrize(("word", "expected"), [
    ("\u4eca\u65e5\u306f\u5929\u6c17\u304c\u3044\u3044\u3067\u3059\u306d", True),  # Japanese: the weather is fine today
    ("\u5929\u6c17", False),  # weather
    ("\u6211\u4e0d\u77e5\u9053\u4f60\u5728\u8bf4\u4ec0\u4e48", True),  # Chinese: I do not know what you say
    ("\u3042\u308a\u304c\u3068\u3046", False),  # Japanese: thanks
    (12 * "\u0e01\u0e32", True),  # Thai letters
    ("\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", False),  # Thai: hello
    ("Donaudampfschifffahrtsgesellschaft", False),
    ("\uc548\ub155\ud558\uc138\uc694", False),  # Korean has spaces
    ("", False),
])  # fmt: skip
def test_a_sentence_is_longer_than_words_of_its_script(word, expected):
    assert is_sentence(word) == expected


def test_the_share_is_of_utterances():
    sentence = "\u6211\u4e0d\u77e5\u9053\u4f60\u5728\u8bf4\u4ec0\u4e48"
    assert share_of_sentences([[sentence, sentence], ["\u6211"], [], ["well", sentence]]) == 0.5
    assert share_of_sentences([]) == 0
