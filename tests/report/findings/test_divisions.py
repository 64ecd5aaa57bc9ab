"""Runs of different subsets, or of different files for a protocol, stand apart in a report, which names them."""

import csv

import pytest

from tfcr.errors import TfcrError
from tfcr.report import write_report
from tfcr.report.findings.conditions import group_by_condition
from tfcr.report.findings.sections import divide

FILE, OTHER = "3f2a9c1d" + "0" * 56, "77e5b8aa" + "0" * 56
BY_FILE = {"protocol": "file", "split": "emobox.csv", "split_sha256": FILE}


@pytest.fixture
def runs(make_run):
    """Baseline and proposed on the whole corpus, on its improvised half and by two files."""
    facts = (
        {},
        {"subset": "improvised"},
        BY_FILE,
        {"protocol": "file", "split": "emobox.csv", "split_sha256": OTHER, "subset": "speaker=ann"},
    )
    settings = ("subset", "split", "split_sha256")
    return [
        make_run(f"{number}-{alpha}", alpha=alpha, settings={name: each.get(name) for name in settings}, **each)
        for number, each in enumerate(facts)
        for alpha in (0.0, 0.1)
    ]


PROTOCOLS = ["file 3f2a9c1d", "file 77e5b8aa on speaker=ann", "random", "random on improvised"]


def test_each_division_is_a_condition_of_its_own(runs):
    groups = group_by_condition(runs)
    assert len(groups) == 8 and all(len(group.runs) == 1 for group in groups)
    assert sorted({group.condition.protocol for group in groups}) == PROTOCOLS
    [section] = divide(groups)
    assert len(section.settings) == 4
    for difference in section.differences:
        assert difference.proposed.condition.protocol == difference.baseline.condition.protocol


def test_a_report_says_what_was_divided_and_by_which_file(runs, tmp_path):
    [section] = divide(group_by_condition(runs))
    said = {each["name"]: each["meaning"] for each in section.protocols}
    assert list(said) == PROTOCOLS
    assert said["random on improvised"].endswith("scripts; of the utterances improvised alone")
    assert said["file 3f2a9c1d"].endswith(f"; the file is emobox.csv, SHA-256 {FILE}")
    assert said["file 77e5b8aa on speaker=ann"].endswith(f"SHA-256 {OTHER}; of the utterances speaker=ann alone")
    report = write_report(runs, tmp_path / "report")
    page = report.page.read_text(encoding="utf-8")
    for words in ("protocol random on improvised", "emobox.csv", FILE, OTHER):
        assert words in page
    assert "Configuration fields in which runs differ" not in page  # what names a condition is no deviation
    with open(tmp_path / "report" / "table1.csv", newline="") as file:
        assert set(PROTOCOLS) <= {row["protocol"] for row in csv.DictReader(file)}


def test_the_published_test_set_is_no_subset(make_run):
    [group] = group_by_condition([make_run(protocol="authors", subset="improvised")])
    assert group.condition.protocol == "authors on improvised" and group.num_folds == 5
    [other] = group_by_condition([make_run("other", protocol="speaker", subset="session=1")])
    assert not other.speakers_were_heard and group.speakers_were_heard


def test_a_run_knows_better_than_its_protocol_whether_training_heard_the_test_speakers(make_run):
    for shared in (True, False):
        [group] = group_by_condition([make_run(str(shared), **BY_FILE, speakers_shared=shared)])
        assert group.speakers_were_heard is shared


def test_two_runs_of_one_subset_and_fold_are_one_cell(make_run):
    with pytest.raises(TfcrError, match="protocol random on improvised, fold 0, seed 0"):
        group_by_condition([make_run(name, subset="improvised") for name in ("one", "two")])
