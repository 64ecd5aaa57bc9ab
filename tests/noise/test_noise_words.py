"""Degraded words: the share that changes is the share asked for, and each change is of its kind."""

import numpy as np
import pytest

from tfcr.features.embeddings import WordVectors
from tfcr.noise.words import count_changed, degraded, nearest, wanted, without

SHARES = (0.0, 0.05, 0.1, 0.2, 0.4, 1.0)


@pytest.fixture(scope="module")
def vectors() -> WordVectors:
    """Forty words on a circle, each with its capital form far away in the list and near in direction."""
    angles = 2 * np.pi * np.arange(40) / 40
    return WordVectors(
        {f"word{k:02d}": np.float32([np.cos(angle), np.sin(angle)]) for k, angle in enumerate(angles)}, "", width=2
    )


@pytest.fixture(scope="module")
def sentences() -> dict[str, list[str]]:
    """A hundred sentences of no to nine words."""
    random = np.random.default_rng(0)
    return {f"u{k:03d}": [f"word{w:02d}" for w in random.integers(40, size=k % 10)] for k in range(100)}


def changed(before, after) -> int:
    return sum(a != b for id in before for a, b in zip(before[id], after[id], strict=True))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("kind", ["replaced", "neighbours"])
def test_as_many_words_are_others_as_were_asked_for(sentences, vectors, kind, share):
    total = sum(map(len, sentences.values()))
    after = degraded(sentences, kind, share, 0, vectors)
    assert changed(sentences, after) == int(share * total + 0.5)


@pytest.mark.parametrize("share", SHARES)
def test_as_many_words_are_missing_as_were_asked_for_and_the_rest_keep_their_order(sentences, vectors, share):
    total = sum(map(len, sentences.values()))
    after = degraded(sentences, "deleted", share, 0, vectors)
    assert total - sum(map(len, after.values())) == int(share * total + 0.5)
    for id, said in after.items():
        rest = iter(sentences[id])
        assert all(word in rest for word in said)  # a subsequence


@pytest.mark.parametrize("kind", ["deleted", "replaced", "neighbours"])
def test_how_many_words_have_changed_is_known_where_too_few_can(sentences, vectors, kind):
    """Half of the words have no vector, so neighbours come to an end at half of them; deleting does not."""
    few = WordVectors(dict(list(vectors.vectors.items())[:20]), "", width=2)
    total = sum(map(len, sentences.values()))
    after = degraded(sentences, kind, 0.9, 0, few)
    known = sum(word < "word20" for said in sentences.values() for word in said)
    assert wanted(sentences, 0.9) == int(0.9 * total + 0.5) > known
    assert count_changed(sentences, after) == (known if kind == "neighbours" else wanted(sentences, 0.9))


@pytest.mark.parametrize("kind", ["replaced", "neighbours"])
def test_a_word_that_has_changed_is_the_same_at_every_larger_share(sentences, vectors, kind):
    mild, severe = (degraded(sentences, kind, share, 0, vectors) for share in (0.1, 0.4))
    for id, said in sentences.items():
        for before, one, other in zip(said, mild[id], severe[id], strict=True):
            assert one in (before, other)


def test_a_seed_draws_the_same_and_another_seed_others(sentences, vectors):
    first = degraded(sentences, "replaced", 0.2, 0, vectors)
    assert degraded(dict(reversed(sentences.items())), "replaced", 0.2, 0, vectors) == first
    assert degraded(sentences, "replaced", 0.2, 1, vectors) != first


def test_a_neighbour_is_one_of_the_ten_nearest_words(sentences, vectors):
    after = degraded(sentences, "neighbours", 1.0, 0, vectors)
    for id, said in sentences.items():
        for before, heard in zip(said, after[id], strict=True):
            steps = (int(heard[4:]) - int(before[4:])) % 40
            assert min(steps, 40 - steps) in range(1, 6)  # five on either side


def test_other_spellings_are_no_neighbours_and_no_replacements(vectors):
    spelt = {"Yes": np.float32([1, 0]), "yes": np.float32([1, 0.01]), "no": np.float32([0, 1])}
    assert nearest(["Yes"], spelt) == {"Yes": ["no"]}
    assert degraded({"a": ["Yes", "yes"]}, "replaced", 1.0, 0, vectors) == {"a": ["Yes", "yes"]}  # there is no other


def test_words_without_a_vector_have_no_neighbours_and_others_change_in_their_place(vectors):
    before = {"a": ["unknown"] * 5 + ["word01"] * 5}
    after = degraded(before, "neighbours", 0.5, 0, vectors)["a"]
    assert after[:5] == ["unknown"] * 5 and all(word != "word01" for word in after[5:])


def test_no_words_are_no_words(sentences):
    assert set(without(sentences)) == set(sentences) and not any(without(sentences).values())
    assert degraded({}, "deleted", 0.4, 0, WordVectors({}, "")) == {}
