"""A file that stands for a protocol: what it may say, and one line for each way to get it wrong."""

import hashlib
import pickle

import numpy as np
import pytest

from tfcr import split_file
from tfcr.errors import TfcrError, UsageError
from tfcr.protocols import Labelled, num_folds, split
from tfcr.split_file import SplitFile

IDS = [f"u{number}" for number in range(6)]
PARTS = ["train", "train", "train", "validation", "test", "test"]


def of(text: str) -> SplitFile:
    return SplitFile("/lists/mine.csv", text.encode())


def table(column: str, values, ids=IDS) -> str:
    return f"id,{column}\n" + "".join(f"{id},{value}\n" for id, value in zip(ids, values, strict=True))


def drawn(listed, fold=0):
    """The parts of a fold, as lists of positions."""
    utterances = Labelled(IDS, [0] * len(IDS), *[[""] * len(IDS)] * 3, listed=listed)
    found = split("file", fold, utterances)
    return [part.tolist() for part in (found.train, found.validation, found.test)], num_folds("file", utterances)


def test_parts_are_one_fold():
    listed = of(table("part", PARTS)).listed(IDS, IDS)
    assert listed == PARTS
    assert drawn(listed) == ([[0, 1, 2], [3], [4, 5]], 1)


def test_folds_test_one_by_one_and_the_next_one_validates():
    listed = of(table("fold", [0, 0, 1, 1, 2, 2])).listed(IDS, IDS)
    assert [drawn(listed, fold)[0] for fold in range(3)] == [
        [[4, 5], [2, 3], [0, 1]],
        [[0, 1], [4, 5], [2, 3]],
        [[2, 3], [0, 1], [4, 5]],
    ]
    assert drawn(listed)[1] == 3
    with pytest.raises(UsageError, match=r"from 0 to 2 .*received 3"):
        drawn(listed, 3)


@pytest.mark.parametrize("column", ["part", "fold"])
def test_none_leaves_an_utterance_out(column):
    values = PARTS if column == "part" else ["2", "2", "2", "1", "0", "0"]
    listed = of(table(column, ["none", *values[1:]])).listed(IDS, IDS)
    assert drawn(listed)[0] == [[1, 2], [3], [4, 5]]


@pytest.mark.parametrize(
    "text",
    [
        table("PART", ["Train", "TRAINING", "train", "dev", "Test", "testing"]),
        table("part", ["train", "train", "train", "Valid", "test", "Test_1"]).replace(",", ";"),
        table("part", ["train", "train", "train", "val", "test", "test"]).replace(",", "\t").replace("id", "ID"),
        "part,notes,id\n" + "".join(f"{part},x,{id}\n" for id, part in zip(IDS, PARTS, strict=True)),
    ],
)
def test_a_file_is_read_as_people_write_it(text):
    assert of(text).listed(IDS, IDS) == PARTS
    assert of("\ufeff" + text).listed(IDS, IDS) == PARTS


def test_a_file_may_list_what_a_subset_leaves_out():
    assert of(table("part", PARTS)).listed(IDS[2:5], IDS) == ["train", "validation", "test"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected the header id,part or id,fold"),
        ("name,part\nu0,train\n", "line 1: column 'id' is missing; expected id,part or id,fold, found name, part"),
        ("id\nu0\n", "expected the columns id,part or id,fold; found id"),
        ("id,part,fold\nu0,train,1\n", "expected the columns id,part or id,fold; found id, part, fold"),
        ("id,part\n,train\n", "line 2: 'id' is empty; expected a value in every row"),
        ("id,part\nu0,trial\n", "line 2: 'part' is 'trial'; expected train, validation or test"),
        ("id,part\nu0,test2\n", "line 2: 'part' is 'test2'; expected train, validation or test"),
        ("id,part\nu0,\n", "line 2: 'part' is ''; expected train, validation or test (or as"),
        ("id,part\nu0,out\n", "development; testing), or none for who stays out"),
        ("id,fold\nu0,-1\n", "line 2: 'fold' is '-1'; expected a whole number from 0"),
        ("id,fold\nu0,1.0\n", "line 2: 'fold' is '1.0'; expected a whole number from 0"),
        ("id,part\nu0,train,2\n", "line 2: 3 values for 2 columns"),
        (table("part", PARTS[:-2], IDS[:-2]), "2 utterances of the dataset have no row: 'u4', 'u5'; part none says"),
        (
            table("part", PARTS) + "v1,test\nv2,test\nv3,test\nv4,test\n",
            "4 ids are not in the dataset: 'v1', 'v2', 'v3' and",
        ),
        (table("part", PARTS) + "v1,test\n", "1 id is not in the dataset: 'v1'; its own are such as 'u0'"),
        (table("part", PARTS) + "u5,test\n", "1 id stands twice: 'u5'; expected one row of each"),
        (
            table("part", PARTS) + "u0,test\nu1,dev\n",
            "2 ids are in two parts: 'u0', 'u1'; the first in train and in test; expected one row of each",
        ),
        (table("fold", [0, 0, 1, 1, 2, 2]) + "u0,2\n", "1 id is in two folds: 'u0'; the first in 0 and in 2"),
        (table("part", ["train"] * 4 + ["test"] * 2), "no utterance is in part validation; expected some in each of"),
        (table("fold", [1, 1, 2, 2, 3, 3]), "the folds with utterances are 1, 2, 3; expected 0 to 2, each with some"),
        (table("fold", [0, 0, 1, 1, 1, 1]), "the folds with utterances are 0, 1; expected 0 to 2, each with some"),
        (table("part", ["none"] * 6), "no utterance is in part train or validation or test"),
        (table("fold", ["none"] * 6), "the folds with utterances are none; expected 0 to 2"),
    ],
)
def test_each_fault_is_one_line(text, message):
    with pytest.raises(TfcrError) as raised:
        of(text).listed(IDS, IDS)
    assert str(raised.value).startswith("--split mine.csv")
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_that_is_not_utf_8_or_not_there_is_one_line(tmp_path):
    with pytest.raises(TfcrError, match=r"--split mine\.csv, line 2: not UTF-8"):
        SplitFile("mine.csv", b"id,part\n\xff,train\n").listed(IDS, IDS)
    with pytest.raises(
        TfcrError, match=r"no\.csv does not exist; expected a CSV file with the columns id,part or id,fold"
    ):
        split_file.read(tmp_path / "no.csv")
    with pytest.raises(TfcrError, match=r"cannot be read .*; expected a CSV file"):
        split_file.read(tmp_path)


def test_its_bytes_travel_and_identify_it(tmp_path):
    (tmp_path / "mine.csv").write_text(table("part", PARTS))
    found = split_file.read(tmp_path / "mine.csv")
    assert (found.name, found.sha256) == ("mine.csv", hashlib.sha256(table("part", PARTS).encode()).hexdigest())
    again = pickle.loads(pickle.dumps(found))
    assert again == found and hash(again) == hash(found)


def test_a_file_that_repeats_a_fold_of_random_has_its_very_parts():
    labels = [number % 4 for number in range(200)]
    utterances = Labelled([f"u{number:03d}" for number in range(200)], labels, *[[""] * 200] * 3)
    one = split("random", 3, utterances)
    named = {position: part for part in ("train", "validation", "test") for position in getattr(one, part)}
    text = table("part", [named[position] for position in range(200)], utterances.ids)
    listed = of(text).listed(utterances.ids, utterances.ids)
    other = split("file", 0, Labelled(utterances.ids, labels, *[[""] * 200] * 3, listed=listed))
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(one, part), getattr(other, part))
        assert getattr(other, part).dtype == np.int64
