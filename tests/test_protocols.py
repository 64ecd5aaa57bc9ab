"""Which utterances train, validate and test: facts about every fold of every protocol."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfcr import protocols
from tfcr.errors import TfcrError, UsageError
from tfcr.protocols import Labelled, num_folds, parts, split, subsets

PROTOCOLS = ("random", "authors", "speaker", "session", "script")


def corpus(count=200, classes=4, speakers=10, scripts=30, seed=0, sessions=True) -> Labelled:
    """A corpus whose speakers come in pairs of one session; every class has the same share."""
    random = np.random.default_rng(seed)
    speaker = random.permutation(np.arange(count) % speakers)
    return Labelled(
        ids=[f"u{number:05d}" for number in range(count)],
        labels=[int(label) for label in random.permutation(np.arange(count) % classes)],
        speakers=[f"s{number:02d}" for number in speaker],
        sessions=[str(number // 2) if sessions else "" for number in speaker],
        scripts=[f"script{number:02d}" for number in random.permutation(np.arange(count) % scripts)],
    )


corpora = st.builds(
    corpus,
    count=st.integers(120, 400),
    classes=st.integers(2, 6),
    speakers=st.integers(5, 12),
    scripts=st.integers(20, 40),
    seed=st.integers(0, 2**32 - 1),
)


def folds(protocol, utterances, fold_seed=0):
    return [split(protocol, fold, utterances, fold_seed) for fold in range(num_folds(protocol, utterances))]


def members(groups, positions) -> set:
    return {groups[position] for position in positions}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@settings(max_examples=25)
@given(utterances=corpora, fold_seed=st.integers(0, 2**31 - 1))
def test_parts_are_disjoint_cover_everything_and_every_utterance_is_tested_once(protocol, utterances, fold_seed):
    tested = []
    for part in folds(protocol, utterances, fold_seed):
        together = np.concatenate([part.train, part.validation, part.test])
        np.testing.assert_array_equal(np.sort(together), np.arange(len(utterances.ids)))
        for positions in (part.train, part.validation, part.test):
            assert len(positions) and positions.dtype == np.int64
            np.testing.assert_array_equal(positions, np.sort(positions))
        tested.append(part.test)
    np.testing.assert_array_equal(np.sort(np.concatenate(tested)), np.arange(len(utterances.ids)))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_fold_seed_gives_the_same_folds(protocol):
    for one, other in zip(folds(protocol, corpus(), 5), folds(protocol, corpus(), 5), strict=True):
        for part in ("train", "validation", "test"):
            np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


@pytest.mark.parametrize(("protocol", "drawn"), [(name, name in ("random", "script")) for name in PROTOCOLS])
def test_the_fold_seed_draws_the_folds_of_random_and_script_alone(protocol, drawn):
    same = [
        np.array_equal(one.test, other.test)
        for one, other in zip(folds(protocol, corpus(), 0), folds(protocol, corpus(), 1), strict=True)
    ]
    assert not any(same) if drawn else all(same)


def test_folds_do_not_depend_on_numpys_global_seed():
    np.random.seed(1)  # noqa: NPY002
    before = split("random", 3, corpus())
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(split("random", 3, corpus()).test, before.test)


# ---- random ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(utterances=corpora)
def test_random_has_ten_folds_whose_classes_differ_by_one_at_most(utterances):
    tests = [part.test for part in folds("random", utterances)]
    assert len(tests) == 10
    for label in set(utterances.labels):
        counts = [sum(utterances.labels[position] == label for position in test) for test in tests]
        assert max(counts) - min(counts) <= 1


def test_the_next_fold_validates():
    parts = folds("random", corpus())
    for fold in range(10):
        np.testing.assert_array_equal(parts[fold].validation, parts[(fold + 1) % 10].test)


def test_random_is_8_to_1_to_1():
    part = split("random", 0, corpus(200))
    assert (len(part.train), len(part.validation), len(part.test)) == (160, 20, 20)


def test_random_needs_ten_utterances_of_every_emotion():
    utterances = corpus(100)
    labels = [0] * 91 + [1] * 9
    with pytest.raises(TfcrError, match="10 utterances of every emotion; one has 9"):
        split("random", 0, Labelled(utterances.ids, labels, *[[""] * 100] * 3))
    with pytest.raises(TfcrError, match="10 utterances of every emotion; 'anger' has 9"):
        split("random", 0, Labelled(utterances.ids, labels, *[[""] * 100] * 3, emotions=["neutral", "anger"]))


# ---- authors --------------------------------------------------------------------------------------------------------

IEMOCAP = 5531


def test_the_published_split_has_the_published_sizes():
    part = split("authors", 0, corpus(IEMOCAP))
    assert (len(part.train), len(part.validation), len(part.test)) == (3981, 443, 1107)


def test_the_published_test_set_is_every_fifth_utterance():
    part = split("authors", 0, corpus(IEMOCAP))
    np.testing.assert_array_equal(part.test, np.arange(0, IEMOCAP, 5))


def test_of_the_others_every_tenth_validates():
    part = split("authors", 0, corpus(IEMOCAP))
    # Others are 1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, …; every tenth of them, from the first, is 1, 13 (= 10th + 1), …
    others = [position for position in range(IEMOCAP) if position % 5]
    assert part.validation.tolist() == others[::10]
    assert part.validation[:3].tolist() == [1, 13, 26]


@pytest.mark.parametrize("fold", range(5))
def test_further_folds_shift_the_published_split(fold):
    np.testing.assert_array_equal(split("authors", fold, corpus(103)).test, np.arange(fold, 103, 5))


# ---- speaker, session, script ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sessions", [True, False])
@given(seed=st.integers(0, 1000))
def test_a_test_speaker_is_in_no_other_part(sessions, seed):
    utterances = corpus(seed=seed, sessions=sessions)
    for part in folds("speaker", utterances):
        (tested,) = members(utterances.speakers, part.test)
        (validating,) = members(utterances.speakers, part.validation)
        assert tested != validating
        assert not {tested, validating} & members(utterances.speakers, part.train)


def test_the_partner_of_the_session_validates():
    utterances = corpus()  # s00 and s01 share a session, s02 and s03, …
    pairs = [
        (*members(utterances.speakers, part.test), *members(utterances.speakers, part.validation))
        for part in folds("speaker", utterances)
    ]
    assert pairs[:4] == [("s00", "s01"), ("s01", "s00"), ("s02", "s03"), ("s03", "s02")]


def test_of_several_partners_the_next_one_validates():
    utterances = Labelled(list("abcdef"), [0, 1] * 3, list("uvwxyz"), list("111122"), [""] * 6)
    validating = [members(utterances.speakers, part.validation) for part in folds("speaker", utterances)]
    assert validating == [{"v"}, {"w"}, {"x"}, {"u"}, {"z"}, {"y"}]


def test_the_next_speaker_validates_where_there_are_no_sessions():
    utterances = corpus(speakers=4, sessions=False)
    pairs = [
        (*members(utterances.speakers, part.test), *members(utterances.speakers, part.validation))
        for part in folds("speaker", utterances)
    ]
    assert pairs == [("s00", "s01"), ("s01", "s02"), ("s02", "s03"), ("s03", "s00")]


def test_the_next_speaker_validates_where_a_session_has_one_speaker():
    utterances = Labelled(list("abc"), [0, 1, 0], ["x", "y", "z"], ["1", "2", "3"], [""] * 3)
    part = split("speaker", 2, utterances)
    assert (part.test.tolist(), part.validation.tolist()) == ([2], [0])


def test_one_session_tests_and_the_next_one_validates():
    utterances = corpus()
    for fold, part in enumerate(folds("session", utterances)):
        assert members(utterances.sessions, part.test) == {str(fold)}
        assert members(utterances.sessions, part.validation) == {str((fold + 1) % 5)}


@settings(max_examples=25)
@given(utterances=corpora, fold_seed=st.integers(0, 1000))
def test_no_script_is_in_two_parts(utterances, fold_seed):
    parts = folds("script", utterances, fold_seed)
    assert len(parts) == 5
    for part in parts:
        scripts = [members(utterances.scripts, positions) for positions in (part.train, part.validation, part.test)]
        assert sum(map(len, scripts)) == len(set.union(*scripts))


def test_script_spreads_the_emotions_as_evenly_as_it_can():
    # 40 scripts of one utterance each in each of 4 classes: nothing stands in the way of equal shares.
    count = 160
    utterances = Labelled(
        [f"u{number:03d}" for number in range(count)],
        [number % 4 for number in range(count)],
        *[[""] * count] * 2,
        [str(number) for number in range(count)],
    )
    for part in folds("script", utterances):
        counts = collections.Counter(utterances.labels[position] for position in part.test)
        assert set(counts.values()) == {8}  # 40 of a class over 5 folds


# ---- official -------------------------------------------------------------------------------------------------------


def released(*parts) -> Labelled:
    count = len(parts)
    return Labelled([f"u{number:05d}" for number in range(count)], [0] * count, *[[""] * count] * 3, parts=parts)


def test_official_parts_are_the_releases_and_a_further_test_part_trains_nothing():
    utterances = released("train", "test", "validation", "test2", "", "train")
    part = split("official", 0, utterances)
    assert (part.train.tolist(), part.validation.tolist(), part.test.tolist()) == ([0, 5], [2], [1])
    assert num_folds("official", utterances) == 1
    with pytest.raises(UsageError, match="fold must be 0, the only one, for protocol 'official'; received 1"):
        split("official", 1, utterances)


def test_a_corpus_that_was_released_in_parts_begins_with_them():
    assert protocols.proposed(released("train", "test", "validation")) == "official"
    assert protocols.proposed(corpus()) == "random"
    assert protocols.proposed(released("train", "test")) is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["", ""], "this dataset has none; --split FILE.csv says the parts"),
        (["train", "test"], "has no part validation; --split FILE.csv says other parts"),
        (["train", "test2"], "has no part validation and no part test; "),
    ],
)
def test_a_corpus_that_was_not_released_in_three_parts_is_refused_in_one_line(parts, message):
    with pytest.raises(TfcrError, match="protocol 'official' needs ") as raised:
        split("official", 0, released(*parts))
    assert message in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("part", "spellings"),
    [
        ("train", ("train", "Train", "TRAINING")),
        ("validation", ("validation", "valid", "val", "dev", "Development", "devel")),
        ("test", ("test", "Test", "testing", "Test1", "test_1", "test 1")),
        ("test2", ("test2", "Test2", "Test-2")),
        ("", ("", "trial", "Test10", "train2", "none")),
    ],
)
def test_parts_have_their_usual_spellings(part, spellings):
    assert {spelling: parts.part_named(spelling) for spelling in spellings} == dict.fromkeys(spellings, part)


# ---- subsets --------------------------------------------------------------------------------------------------------


def in_two_sessions() -> Labelled:
    ids = ["Ses01F_impro01_F000", "Ses01M_script01_1_F000", "Ses02F_impro05a_M001"]
    return Labelled(ids, [0, 1, 2], ["ann", "bob", "ann"], ["1", "1", "2"], list("xyz"), parts=["train", "", "test"])


@pytest.mark.parametrize(
    ("subset", "positions"),
    [
        ("improvised", [0, 2]),
        ("scripted", [1]),
        ("speaker=ann", [0, 2]),
        ("speaker=bob,ann", [0, 1, 2]),
        ("session=2", [2]),
    ],
)
def test_a_subset_is_where_its_utterances_stand(subset, positions):
    assert subsets.positions_of(subset, in_two_sessions()).tolist() == positions


def test_a_subset_is_one_however_its_names_are_listed():
    assert subsets.checked("speaker=bob, ann,bob ") == "speaker=ann,bob"


def test_some_utterances_keep_what_belongs_to_them():
    assert in_two_sessions().at([2, 0]) == Labelled(
        ["Ses02F_impro05a_M001", "Ses01F_impro01_F000"],
        [2, 0],
        ["ann", "ann"],
        ["2", "1"],
        ["z", "x"],
        parts=["test", "train"],
    )


@pytest.mark.parametrize(
    ("subset", "message"),
    [
        ("improvised", r"knows improvised from scripted .* \(Ses01F_impro01_F000\); the id 'u00000' says neither"),
        ("speaker=s01,eve,abe", "this corpus has no speaker eve, abe; its speakers: s00, s01, .* s04 and 5 more"),
        ("session=1", "this corpus has no session 1; its sessions: none"),
    ],
)
def test_a_subset_that_a_corpus_does_not_know_is_one_line(subset, message):
    with pytest.raises(TfcrError, match=message):
        subsets.positions_of(subset, corpus(sessions=False))


# ---- what cannot be drawn -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "groups", "message"),
    [
        ("speaker", {"speakers": 2}, "needs at least 3 speakers; this corpus has 2"),
        ("session", {"speakers": 4}, "needs at least 3 sessions; this corpus has 2"),
        ("session", {"sessions": False}, "needs a session for every utterance"),
        ("script", {"scripts": 4}, "needs at least 5 scripts; this corpus has 4"),
    ],
)
def test_too_few_groups_are_one_clear_error(protocol, groups, message):
    with pytest.raises(TfcrError, match=message) as raised:
        split(protocol, 0, corpus(**groups))
    assert not isinstance(raised.value, UsageError) and "\n" not in str(raised.value)


@pytest.mark.parametrize(("protocol", "last"), list(zip(PROTOCOLS, (9, 4, 9, 4, 4), strict=True)))
def test_a_fold_out_of_range_is_wrong_usage_that_names_the_range(protocol, last):
    for fold in (-1, last + 1, 1000):
        with pytest.raises(UsageError, match=f"from 0 to {last} .*received {fold}"):
            split(protocol, fold, corpus())


def test_an_unknown_protocol_is_wrong_usage():
    with pytest.raises(UsageError, match=r"'loso'; expected random, authors, speaker, session.* script"):
        split("loso", 0, corpus())


def test_a_corpus_too_small_for_a_validation_part_is_an_error():
    utterances = Labelled(["a", "b"], [0, 1], *[[""] * 2] * 3)
    with pytest.raises(TfcrError, match=r"no .* utterances; the corpus is too small"):
        split("authors", 0, utterances)


def test_the_constants_are_the_papers_and_the_authors():
    assert {name: protocols.fixed_folds(name) for name in PROTOCOLS} == {
        "random": 10,  # Sec. 4.3
        "authors": 5,
        "speaker": None,
        "session": None,
        "script": 5,
    }


def test_every_protocol_is_listed_with_its_folds_or_the_reason_why_not():
    scripts_are_few = Labelled(
        ids=[f"u{number:03d}" for number in range(120)],
        labels=[number % 4 for number in range(120)],
        speakers=[f"s{number % 6}" for number in range(120)],
        sessions=[""] * 120,
        scripts=[f"t{number % 3}" for number in range(120)],
    )
    found = protocols.folds_of_all(scripts_are_few)
    assert {name: found[name] for name in PROTOCOLS} == {
        "random": 10,
        "authors": 5,
        "speaker": 6,
        "session": "protocol 'session' needs a session for every utterance, and this corpus lacks them",
        "script": "protocol 'script' needs at least 5 scripts; this corpus has 3",
    }
    assert "this dataset has none" in found["official"]
    assert "file" not in found  # it has as many as the file says
    assert list(found) == [name for name in protocols.names() if name != protocols.FILE]
    assert protocols.names()[: len(PROTOCOLS)] == list(PROTOCOLS)


def test_a_protocol_says_what_a_report_says_of_it():
    for name in PROTOCOLS:
        assert protocols.meaning(name)[-1] != "." and "\n" not in protocols.meaning(name)
    assert [name for name in PROTOCOLS if not protocols.shares_speakers(name)] == ["speaker", "session"]
    assert (protocols.meaning("loso"), protocols.shares_speakers("loso"), protocols.fixed_folds("loso")) == (
        "",
        True,
        None,
    )
