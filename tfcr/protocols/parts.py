"""The parts of a fold, however corpora and people spell them."""

import re

TRAIN, VALIDATION, TEST = PARTS = ("train", "validation", "test")
NO_PART = "none"  # of an utterance that a file leaves out

_SPELLINGS = {
    TRAIN: ("train", "training"),
    VALIDATION: ("validation", "valid", "val", "development", "devel", "dev"),
    TEST: ("test", "testing", "test1"),
}
_PART_OF = {spelling: part for part, spellings in _SPELLINGS.items() for spelling in spellings}
_FURTHER_TEST = re.compile("test[2-9]")
_BETWEEN = re.compile(r"[\W_]+")

EXPECTED = "train, validation or test (or as they are usually spelled: training; val, valid, dev, development; testing)"


def part_named(word: str) -> str:
    """`train`, `validation` or `test` for any usual spelling; `test2` to `test9` for further tests; else empty."""
    plain = _BETWEEN.sub("", word.lower())
    return plain if _FURTHER_TEST.fullmatch(plain) else _PART_OF.get(plain, "")
